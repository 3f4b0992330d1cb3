import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { ProviderId } from '../../../protocol/fields.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import { nodeIdOf, providerIdOf, publicKeyOf } from '../../../src/kernel/identity/ids.ts'
import { ed25519FromSeed } from '../../../src/kernel/identity/keys.ts'

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })

test('provider ids come back as the key, and look as the contract says', () => {
  const schema = Compile(ProviderId)
  fc.assert(
    fc.property(key, (publicKey) => {
      const id = providerIdOf(publicKey)
      assert.match(id, /^12D3KooW/)
      assert.ok(schema.Check(id))
      assert.deepEqual([...publicKeyOf(id)], [...publicKey])
    }),
  )
})

test('a provider id is the PeerId that libp2p gives the same seed', async () => {
  for (const fill of [0, 1, 200]) {
    const seed = new Uint8Array(32).fill(fill)
    const expected = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed)).toString()
    assert.equal(providerIdOf(ed25519FromSeed(seed).publicKey), expected)
  }
})

test('one spelling only', () => {
  const id = providerIdOf(new Uint8Array(32).fill(7))
  const wrong = [
    '',
    id.slice(1),
    id.slice(0, -1),
    `${id}1`,
    `1${id}`,
    `z${id}`,
    ` ${id}`,
    `${id}\n`,
    id.replace('K', '0'),
    '1'.repeat(5000),
  ]
  // A SHA-256 multihash and a CIDv1 are PeerIds elsewhere.
  wrong.push(
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    'bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe',
  )
  // An RSA and a secp256k1 header with 32 bytes.
  for (const text of wrong) assert.throws(() => publicKeyOf(text), TypeError, text.slice(0, 60))
  for (const length of [0, 31, 33]) assert.throws(() => providerIdOf(new Uint8Array(length)), TypeError)
})

test('a node id is the start of the digest of the key', () => {
  const publicKey = new Uint8Array(32).fill(5)
  assert.equal(nodeIdOf(publicKey), sha256Hex(publicKey).slice(0, 40))
})
