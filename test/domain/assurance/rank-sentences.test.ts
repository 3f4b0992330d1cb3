import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SourceCell } from '../../../src/domain/assurance/corpus.ts'
import { confidenceOf, rankSentences } from '../../../src/domain/assurance/rank-sentences.ts'
import { SourceText } from '../../../src/domain/assurance/source-text.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import { sentenceShare } from '../../../src/kernel/text/bm25.ts'
import { prose } from '../../support/documents.ts'

const sourceOf = (text: string): { cell: SourceCell; text: SourceText } => {
  const digest = `sha256:${sha256Hex(text)}`
  const cell: SourceCell = {
    id: sha256Hex(`id of ${text}`),
    publisher: 'p',
    cellType: 'lease',
    version: '1.0.0',
    digest,
    size: Buffer.byteLength(text),
    mediaType: 'text/plain',
    domain: 'legal',
    status: 'active',
  }
  return { cell, text: SourceText.read(Buffer.from(text), digest)! }
}

test('a sentence scores by the words of the question that it has, by its length and its passage', () => {
  const source = sourceOf('The lease ends in May. The roof is repaired in June. Nothing is said here of it.')
  const ranked = rankSentences([{ ...source, passage: 0, score: 7 }], ['lease', 'roof'], [100, 300])
  assert.deepEqual(
    ranked.map(({ quote, score }) => [quote, score]),
    [
      ['The roof is repaired in June.', 4 * (1 + 300 * sentenceShare(6)) + 7],
      ['The lease ends in May.', 4 * (1 + 100 * sentenceShare(5)) + 7],
    ],
  )
})

test('of sentences that say the same one stays: that of the document with the smaller digest', () => {
  const sources = ['The lease  ends in May.\n', 'The lease ends\nin May.\n\nMore of it here.'].map(sourceOf)
  const smaller = sources.map(({ cell }) => cell.digest).sort()[0]
  for (const order of [sources, sources.toReversed()]) {
    const ranked = rankSentences(
      order.map((source) => ({ ...source, passage: 0, score: 1 })),
      ['lease'],
      [5],
    )
    assert.deepEqual(
      ranked.map(({ cell }) => cell.digest),
      [smaller],
    )
  }
})

test('the bytes of a sentence hold it, in any script', () => {
  const texts = [
    'Größe zählt hier. Das Übrige nicht so sehr.',
    '契約は終わる。通知する人がいる。🙂 Ends here now.',
    ...prose(60).map(({ text }) => text),
  ]
  for (const text of texts) {
    const bytes = Buffer.from(text)
    const source = SourceText.read(bytes, `sha256:${sha256Hex(bytes)}`)!
    for (const sentence of source.sentences) {
      const { start, end } = source.bytesOf(sentence)
      assert.equal(bytes.subarray(start, end).toString(), text.slice(sentence.start, sentence.end))
    }
  }
})

test('bytes of another digest, and what is no UTF-8, are no text', () => {
  assert.equal(SourceText.read(Buffer.from('a'), `sha256:${sha256Hex('b')}`), undefined)
  const bad = Uint8Array.of(0xff, 0x20)
  assert.equal(SourceText.read(bad, `sha256:${sha256Hex(bad)}`), undefined)
})

test('confidence is the share of what the question says that is spoken of, in thousandths', () => {
  const confidence = (...quotes: string[]) => confidenceOf(quotes, ['lease', 'roof', 'zzz'], [99, 199, 299])
  assert.equal(confidence(), 0)
  assert.equal(confidence('The lease ends.'), 0.166)
  assert.equal(confidence('The lease ends.', 'The roofs of it.'), 0.5)
  assert.equal(confidence('Lease, roof and zzz.'), 1)
  assert.equal(confidenceOf(['x'], [], []), 0)
})
