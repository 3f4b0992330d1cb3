import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import type { SessionCase, SetRootCase } from '../../scripts/vectors/record-sets.ts'
import { concatBytes, fromHex, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { sha256, sha256Hex } from '../../src/kernel/base/hash.ts'
import { leafHash, merkleRoot } from '../../src/kernel/base/merkle.ts'
import { readVectors } from './read.ts'

const { roots, sessions } = readVectors<{ roots: SetRootCase[]; sessions: SessionCase[] }>('record-sets.json')

test('record-sets.json: roots, from their definition', () => {
  for (const { texts, root } of roots) {
    const ids = texts.map((text) => sha256(text)).sort(Buffer.compare)
    const buckets = Array.from({ length: 256 }, (_, i) => merkleRoot(ids.filter((id) => id[0] === i).map(leafHash)))
    assert.equal(toHex(merkleRoot(buckets.map(leafHash))), root)
  }
})

test('record-sets.json: keys and fingerprints, from their definition', () => {
  for (const session of sessions) {
    const nonces = [fromHex(session.openers_nonce), fromHex(session.answerers_nonce)]
    const key = sha256(concatBytes([utf8(`cytoplex/sync/${session.set}\n`), ...nonces]))
    assert.equal(toHex(key), session.key)
    for (const side of ['opener', 'answerer'] as const) {
      const sum = [0, 0, 0, 0]
      for (const text of session[side]) {
        const cipher = createCipheriv('aes-256-cbc', key, new Uint8Array(16)).setAutoPadding(false)
        const tag = cipher.update(sha256(text)).subarray(16)
        for (let lane = 0; lane < 4; lane++) sum[lane] = (sum[lane]! + tag.readUInt32LE(lane * 4)) % 2 ** 32
      }
      const bytes = Buffer.alloc(16)
      sum.forEach((value, lane) => {
        bytes.writeUInt32LE(value, lane * 4)
      })
      assert.equal(bytes.toString('hex'), session.fingerprints[side])
    }
  }
})

test('record-sets.json: what a session finds is what differs', () => {
  for (const { opener, answerer, lacking, surplus } of sessions) {
    const beyond = (texts: readonly string[], others: readonly string[]): string[] =>
      texts.filter((text) => !others.includes(text)).map((text) => sha256Hex(text))
    assert.deepEqual(lacking.toSorted(), beyond(answerer, opener).sort())
    assert.deepEqual(surplus.toSorted(), beyond(opener, answerer).sort())
  }
})
