import assert from 'node:assert/strict'
import type { Embeddings } from '../packages/embeddings.ts'
import type { TestRunner } from './test-runner.ts'

const ODD = ['', ' \n', '\u{1f600}', '日本語の文章', 'half \ud800 a pair', 'no end '.repeat(40_000)]

/** What every provider of `embeddings` must do. `factory` makes one whose service, if it has one, works. */
export function embeddingsSuite({
  test,
  factory,
}: {
  test: TestRunner
  factory: () => Embeddings | Promise<Embeddings>
}): void {
  const embed = (embeddings: Embeddings, texts: readonly string[], signal = AbortSignal.timeout(60_000)) =>
    embeddings.embed(texts, signal)

  test('makes a vector of length 1 of every text, whatever it is', async () => {
    const embeddings = await factory()
    const vectors = await embed(embeddings, ['The cat sleeps.', ...ODD])
    assert.equal(vectors.length, ODD.length + 1)
    for (const vector of vectors) {
      assert.ok(vector instanceof Float32Array)
      assert.equal(vector.length, embeddings.dimensions)
      assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-3, `length ${Math.hypot(...vector)}`)
    }
    await embeddings.close()
  })

  test('makes the same vector of a text, alone or among others', async () => {
    const embeddings = await factory()
    const [alone] = await embed(embeddings, ['The cat sleeps.'])
    const among = await embed(embeddings, ['Interest rates rose.', 'The cat sleeps.', 'It rains.'])
    const cosine = alone!.reduce((sum, value, at) => sum + value * among[1]![at]!, 0)
    assert.ok(cosine > 0.999, String(cosine))
    await embeddings.close()
  })

  test('has nothing to say of no text', async () => {
    const embeddings = await factory()
    assert.deepEqual(await embed(embeddings, []), [])
    await embeddings.close()
  })

  test('does nothing for somebody who has given up', async () => {
    const embeddings = await factory()
    await assert.rejects(embed(embeddings, ['The cat sleeps.'], AbortSignal.abort(new Error('given up'))), /given up/)
    await embeddings.close()
  })

  test('answers nothing once it is closed', async () => {
    const embeddings = await factory()
    const asked = embed(embeddings, ['The cat sleeps.']).catch(() => undefined)
    await embeddings.close()
    await asked
    await assert.rejects(embed(embeddings, ['The cat sleeps.']))
  })
}
