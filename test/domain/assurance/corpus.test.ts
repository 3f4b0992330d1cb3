import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type CorpusRules,
  corpusOf,
  corpusRoot,
  MAX_SOURCE_BYTES,
  type SourceCell,
} from '../../../src/domain/assurance/corpus.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import { EMPTY_ROOT, leafHash, nodeHash } from '../../../src/kernel/log/tree.ts'

const RULES: CorpusRules = {
  domain: 'legal',
  approved: () => true,
  isWithdrawn: () => false,
  allows: () => true,
}

const cell = (id: string, more: Partial<SourceCell> = {}): SourceCell => ({
  id: sha256Hex(id),
  publisher: 'p',
  cellType: 'lease',
  version: '1.0.0',
  digest: `sha256:${sha256Hex(`bytes of ${id}`)}`,
  size: 100,
  mediaType: 'text/plain',
  domain: 'legal',
  status: 'active',
  ...more,
})
const idsOf = (cells: Iterable<SourceCell>, rules: Partial<CorpusRules> = {}): string[] =>
  corpusOf(cells, { ...RULES, ...rules }).cells.map(({ id }) => id)

test('sources are texts of the domain by approved publishers that are active and not yanked', () => {
  const good = cell('good')
  const others = [
    cell('another domain', { cellType: 'a', domain: 'finance' }),
    cell('no domain', { cellType: 'b' }),
    cell('JSON', { cellType: 'c', mediaType: 'application/json' }),
    cell('too large', { cellType: 'd', size: MAX_SOURCE_BYTES + 1 }),
    cell('in testing', { cellType: 'e', status: 'in_testing' }),
    cell('yanked', { cellType: 'f' }),
    cell('not approved', { cellType: 'g', publisher: 'q' }),
    cell('not allowed', { cellType: 'h' }),
  ].map((one) => (one.id === sha256Hex('no domain') ? withoutDomain(one) : one))
  const found = idsOf([...others, good], {
    approved: ({ publisher }) => publisher === 'p',
    isWithdrawn: ({ id }) => id === sha256Hex('yanked'),
    allows: ({ cellType }) => cellType !== 'h',
  })
  assert.deepEqual(found, [good.id])
})

const withoutDomain = ({ domain: _, ...rest }: SourceCell): SourceCell => rest

test('of a publisher’s cell type only the newest version counts, also where that is no source', () => {
  const [old, newer] = [cell('old'), cell('newer', { version: '1.10.0' })]
  assert.deepEqual(
    idsOf([newer, old, cell('between', { version: '1.9.0' }), cell('before', { version: '1.10.0-rc.1' })]),
    [newer.id],
  )
  assert.deepEqual(idsOf([old, { ...newer, domain: 'finance' }]), [])
  assert.deepEqual(idsOf([old, { ...newer, size: MAX_SOURCE_BYTES + 1 }]), [])
  assert.deepEqual(idsOf([old, newer], { isWithdrawn: ({ id }) => id === newer.id }), [old.id])
  const twice = [cell('x'), cell('y')]
  assert.deepEqual(idsOf(twice), [twice.map(({ id }) => id).sort()[0]])
  assert.equal(idsOf([old, { ...newer, publisher: 'q' }]).length, 2)
})

test('a jurisdiction selects documents for it and for every one, and it is told where others are left out', () => {
  const cells = [
    cell('eu', { jurisdiction: 'EU' }),
    cell('us', { cellType: 'b', jurisdiction: 'US' }),
    cell('any', { cellType: 'c' }),
  ]
  const corpus = (jurisdiction: string | undefined, from = cells) => corpusOf(from, { ...RULES, jurisdiction })
  assert.deepEqual(
    corpus('EU').cells.map(({ id }) => id),
    [cells[0]!.id, cells[2]!.id].sort(),
  )
  assert.equal(corpus('EU').hasOthers, true)
  assert.equal(corpus(undefined).cells.length, 3)
  assert.equal(corpus(undefined).hasOthers, false)
  assert.deepEqual([corpus('JP', cells.slice(0, 2)).cells.length, corpus('JP', cells.slice(0, 2)).hasOthers], [0, true])
})

test('the root is that of RFC 9162 over the ids in their order, whatever order the cells come in', () => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  assert.equal(corpusRoot([]), hex(EMPTY_ROOT))
  const cells = ['a', 'b', 'c'].map((name) => cell(name, { cellType: name }))
  const [a, b, c] = cells
    .map(({ id }) => id)
    .sort()
    .map((id) => leafHash(Buffer.from(id, 'hex')))
  const expected = hex(nodeHash(nodeHash(a!, b!), c!))
  fc.assert(
    fc.property(fc.shuffledSubarray(cells, { minLength: 3 }), (shuffled) => {
      assert.equal(corpusOf(shuffled, RULES).root, expected)
    }),
  )
})
