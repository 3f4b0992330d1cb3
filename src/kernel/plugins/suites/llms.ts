import assert from 'node:assert/strict'
import type { Composition, Llm } from '../packages/llms.ts'
import type { TestRunner } from './test-runner.ts'

const SENTENCES = [
  'The licence ends when its conditions are broken.',
  'Copies that were made before stay licensed.',
  'No warranty is given.',
]

const COMPOSITION: Composition = {
  question: 'When does the licence end?',
  sources: [
    {
      publisher: 'a'.repeat(64),
      cell_type: 'licence',
      version: '1.0.0',
      sentences: SENTENCES.map((text, at) => ({ text, score: 3000 - 1000 * at })),
    },
  ],
  maxSentences: 3,
  maxCharacters: 500,
}

/** What every provider of `llms` must do. `factory` makes one whose service, if it has one, quotes the sentence that fits best. */
export function llmSuite({ test, factory }: { test: TestRunner; factory: () => Llm | Promise<Llm> }): void {
  const compose = (llm: Llm, more: Partial<Composition> = {}, signal: AbortSignal = AbortSignal.timeout(20_000)) =>
    llm.compose({ ...COMPOSITION, ...more }, signal)

  test('says which model it is', async () => {
    const llm = await factory()
    assert.match(llm.model, /^[\x21-\x7e]{1,128}$/)
    await llm.close()
  })

  test('quotes the sentence that fits best, whole', async () => {
    const llm = await factory()
    assert.ok((await compose(llm)).includes(SENTENCES[0]!))
    await llm.close()
  })

  test('says nothing without sources', async () => {
    const llm = await factory()
    assert.equal((await compose(llm, { sources: [] })).trim(), '')
    await llm.close()
  })

  test('does nothing for somebody who has given up', async () => {
    const llm = await factory()
    await assert.rejects(compose(llm, {}, AbortSignal.abort(new Error('given up'))))
    await llm.close()
  })

  test('composes nothing once it is closed', async () => {
    const llm = await factory()
    await llm.close()
    await assert.rejects(compose(llm))
  })
}
