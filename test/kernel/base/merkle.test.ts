import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, toHex, utf8 } from '../../../src/kernel/base/bytes.ts'
import { sha256 } from '../../../src/kernel/base/hash.ts'
import { leafHash, merkleRoot } from '../../../src/kernel/base/merkle.ts'
import { readVectors } from '../../vectors/read.ts'

test('merkle-log.json: the roots of every size', () => {
  const { roots } = readVectors<{ roots: Record<string, string> }>('merkle-log.json')
  const sizes = Object.keys(roots).map(Number)
  assert.ok(sizes.length > 30)
  for (const size of sizes) {
    const leaves = Array.from({ length: size }, (_, i) => leafHash(Uint8Array.of(i)))
    assert.equal(toHex(merkleRoot(leaves)), roots[size], `size ${size}`)
  }
})

test('leaves and nodes are told apart', () => {
  const [a, b] = [leafHash(utf8('a')), leafHash(utf8('b'))]
  assert.notDeepEqual(leafHash(concatBytes([a, b])), merkleRoot([a, b]))
  assert.deepEqual(toHex(leafHash(utf8('a'))), toHex(sha256(concatBytes([Uint8Array.of(0), utf8('a')]))))
})

test('the root depends on the order, and leaves the list as it was', () => {
  const leaves = ['a', 'b', 'c'].map((text) => leafHash(utf8(text)))
  const before = [...leaves]
  assert.notDeepEqual(merkleRoot(leaves), merkleRoot([...leaves].reverse()))
  assert.deepEqual(leaves, before)
})
