import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import { shareOf, weightOf } from '../../../src/kernel/text/bm25.ts'
import { type IndexedDocument, PassageFile } from '../../../src/kernel/text/passage-file.ts'
import { PassageIndex } from '../../../src/kernel/text/passage-index.ts'
import { passagesOf } from '../../../src/kernel/text/passages.ts'
import { quoted, sentencesOf } from '../../../src/kernel/text/sentences.ts'
import { queryTokens, tokensOf } from '../../../src/kernel/text/tokens.ts'
import { prose } from '../../support/documents.ts'
import { temporaryFolder } from '../../support/folders.ts'

/** Under an id that is as far from the order of the texts as can be. */
const documentOf = (text: string, at: number): IndexedDocument => ({
  id: sha256Hex(`${at}`),
  digest: `sha256:${sha256Hex(text)}`,
  bytes: Buffer.from(text),
})

/** What the contract says, without any index. */
function bruteForce(documents: readonly IndexedDocument[], tokens: readonly string[], limit: number) {
  const passages = documents.flatMap(({ id, digest, bytes }) => {
    const text = Buffer.from(bytes).toString()
    const sentences = sentencesOf(text)
    return passagesOf(sentences).map(({ first, end }, passage) => {
      const own = sentences.slice(first, end)
      const words = own.flatMap((sentence) => tokensOf(text, sentence.start, sentence.end))
      return {
        id,
        digest,
        passage,
        words,
        text: own.map(({ start, end }) => quoted(text.slice(start, end))).join('\n'),
      }
    })
  })
  const all = passages.reduce((sum, { words }) => sum + words.length, 0)
  const weights = tokens.map((token) =>
    weightOf(passages.length, passages.filter(({ words }) => words.includes(token)).length),
  )
  const scored = passages.map(({ id, digest, passage, words, text }) => {
    let score = 0
    for (const [at, token] of tokens.entries()) {
      const count = Math.min(7, words.filter((word) => word === token).length)
      if (count > 0) score += 1 + weights[at]! * shareOf(count, words.length, passages.length, all)
    }
    return { id, digest, passage, score, text }
  })
  const order = (a: (typeof scored)[number], b: (typeof scored)[number]): number =>
    b.score - a.score ||
    (a.digest === b.digest ? 0 : a.digest < b.digest ? -1 : 1) ||
    (a.id === b.id ? 0 : a.id < b.id ? -1 : 1) ||
    a.passage - b.passage
  const texts = new Set<string>()
  const hits = scored
    .filter(({ score }) => score > 0)
    .sort(order)
    .filter(({ text }) => !texts.has(text) && texts.add(text))
    .slice(0, limit)
    .map(({ id, passage, score }) => ({ id, passage, score }))
  return { hits, weights }
}

async function openFile(t: TestContext): Promise<{ file: PassageFile; path: string }> {
  const path = join(await temporaryFolder(t), 'passages.sqlite')
  const file = new PassageFile(path)
  return { file, path }
}

test('finds what the contract says, however documents came, and whatever else is there', async (t) => {
  const documents = prose(80).map(({ text }, at) => documentOf(text.slice(0, 6000), at))
  const chosen = documents.filter((_, at) => at % 3 !== 0)
  const { file } = await openFile(t)
  const { file: other } = await openFile(t)
  for (const document of documents) file.write([document], [])
  other.write(documents.toReversed(), [])
  for (const one of [file, other])
    assert.equal(
      one.select(
        'chosen',
        chosen.map(({ id }) => id),
      ),
      0,
    )
  for (const question of [
    'warranty of any kind',
    'the license and the software',
    'npm install',
    'zzz',
    'patent litigation of any contributor',
  ]) {
    const tokens = queryTokens(question)
    const expected = bruteForce(chosen, tokens, 12)
    assert.deepEqual(file.search('chosen', tokens, 12), expected, question)
    assert.deepEqual(other.search('chosen', tokens, 12), expected, question)
    assert.deepEqual(other.search('chosen', tokens, 12, true), expected, question)
  }
  file.close()
  other.close()
})

test('the same with small texts of few words, where much is alike', async (t) => {
  const { file } = await openFile(t)
  const word = fc.constantFrom('lease', 'notice', 'rent', 'roof', 'The')
  const text = fc.array(
    fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => `${words.join(' ')}.\n\n`),
    { maxLength: 4 },
  )
  let run = 0
  fc.assert(
    fc.property(
      fc.array(
        text.map((parts) => parts.join('')),
        { maxLength: 8 },
      ),
      fc.array(word, { minLength: 1, maxLength: 4 }),
      (texts, words) => {
        run++
        const documents = texts.map((one, at) => documentOf(one, run * 100 + at))
        file.write(documents, [])
        const ids = documents.map(({ id }) => id)
        assert.equal(file.select(`run ${run}`, ids), 0)
        const tokens = [...new Set(words.map((one) => one.toLowerCase()))]
        assert.deepEqual(file.search(`run ${run}`, tokens, 3), bruteForce(documents, tokens, 3))
        if (run % 2 === 0) file.write([], ids)
      },
    ),
    { numRuns: 60 },
  )
  file.close()
})

test('what was removed cannot be selected; what was selected before is found as before', async (t) => {
  const { file } = await openFile(t)
  const [one, two] = ['The lease ends in May.', 'The lease ends in June.'].map(documentOf)
  file.write([one!, two!], [])
  assert.equal(file.select('both', [one!.id, two!.id]), 0)
  file.write([documentOf('The lease ends in July.', 2)], [one!.id])
  assert.equal(file.select('again', [one!.id, two!.id]), 1)
  assert.equal(file.search('again', ['lease'], 5), undefined)
  assert.equal(file.search('both', ['lease'], 5)?.hits.length, 2)
  assert.deepEqual(file.ids().sort(), [two!.id, sha256Hex('2')].sort())
  file.write([one!], [])
  assert.equal(file.select('again', [one!.id, two!.id]), 0)
  file.close()
})

test('a file that was closed is as it was; a damaged one begins anew, of another generation', async (t) => {
  const { file, path } = await openFile(t)
  const document = documentOf('The lease ends in May.', 0)
  file.write([document], [])
  file.close()
  const again = new PassageFile(path)
  assert.deepEqual(again.ids(), [document.id])
  assert.equal(again.select('all', [document.id]), 0)
  assert.equal(again.search('all', ['lease'], 5)?.hits.length, 1)
  again.close()
  writeFileSync(path, Buffer.concat([readFileSync(path).subarray(0, 100), Buffer.alloc(8192, 0xab)]))
  const anew = new PassageFile(path)
  assert.deepEqual(anew.ids(), [])
  anew.write([document], [])
  assert.deepEqual(anew.ids(), [document.id])
  anew.close()
})

test('text that is not UTF-8 has no passages', async (t) => {
  const { file } = await openFile(t)
  file.write([{ ...documentOf('', 0), bytes: Uint8Array.of(0x6c, 0xff, 0xfe) }], [])
  assert.equal(file.select('all', [sha256Hex('0')]), 0)
  assert.deepEqual(file.search('all', ['l'], 5)?.hits, [])
  file.close()
})

test('the same from a thread, which is made again when it was let go', async (t) => {
  const index = new PassageIndex(join(await temporaryFolder(t), 'passages.sqlite'), { idleMs: 1 })
  t.after(() => index.close())
  const signal = AbortSignal.timeout(60_000)
  const document = documentOf('The lease ends in May.', 0)
  const generation = await index.write([document], [])
  assert.notEqual(generation, '')
  const search = () => index.search('all', ['lease'], { limit: 5, cold: false, signal })
  while ((await search()) !== undefined) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.deepEqual((await index.ids()).ids, [document.id])
  assert.equal(await index.select('other', ['f'.repeat(64)], signal), false)
  await assert.rejects(index.search('all', ['a'], { limit: 1, cold: false, signal: AbortSignal.abort() }))
})
