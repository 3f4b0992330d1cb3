import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONTEXTS } from '../../protocol/contexts.ts'
import { type BatchRootCase, type ChunksRootCase, packageBytes } from '../../scripts/vectors/trees.ts'
import { fromHex, toHex } from '../../src/kernel/base/bytes.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { leafHash, merkleRoot } from '../../src/kernel/base/merkle.ts'
import { verifyObject } from '../../src/kernel/identity/keys.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { readVectors } from './read.ts'

test('chunks-root.json: leaves and roots', () => {
  const { chunk_size, cases } = readVectors<{ chunk_size: number; cases: ChunksRootCase[] }>('chunks-root.json')
  for (const { size, digest, leaves, chunks_root } of cases) {
    const bytes = packageBytes(size)
    assert.equal(`sha256:${sha256Hex(bytes)}`, digest)
    const hashes = leaves.map((_, i) => leafHash(bytes.subarray(i * chunk_size, (i + 1) * chunk_size)))
    assert.deepEqual(hashes.map(toHex), leaves)
    assert.equal(leaves.length, Math.ceil(size / chunk_size))
    assert.equal(toHex(merkleRoot(hashes)), chunks_root)
  }
})

test('batch-root.json: roots and signatures', () => {
  const { wire_key, cases } = readVectors<{ wire_key: string; cases: BatchRootCase[] }>('batch-root.json')
  for (const { network, session, from, sequence, frames, root, signature } of cases) {
    assert.equal(toHex(merkleRoot(frames.map((frame) => leafHash(fromHex(frame))))), root)
    const signed = { session, from, sequence, count: frames.length, root }
    assert.ok(verifyObject(nativeVerifier, fromHex(wire_key), network, CONTEXTS.batch, signed, signature))
  }
})
