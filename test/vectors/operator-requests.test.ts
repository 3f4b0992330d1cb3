import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import type { OperatorRequestCase } from '../../scripts/vectors/operator-requests.ts'
import { fromBase64Url, fromHex, toHex } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { ed25519FromSeed } from '../../src/kernel/identity/keys.ts'
import { operatorKey, operatorPublicKey } from '../../src/kernel/identity/operator-request.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { readVectors } from './read.ts'

interface Vectors {
  readonly network: string
  readonly seed: string
  readonly public_key: string
  readonly secret: string
  readonly cases: readonly OperatorRequestCase[]
}

test('operator-requests.json: the bytes are as the contract says, and both signatures hold', () => {
  const { network, seed, public_key, secret, cases } = readVectors<Vectors>('operator-requests.json')
  const key = fromBase64Url(public_key)
  assert.deepEqual(operatorPublicKey(fromHex(seed)), key)
  assert.deepEqual(ed25519FromSeed(fromHex(seed)).publicKey, key)
  for (const { about, target, said, bytes, ed25519, hmac_sha256 } of cases) {
    const { audience: aud, method, path } = target
    const text = `cytoplex/${network}/operator-request/v1\n${canonicalJson({ ...said, aud, method, path })}`
    assert.equal(toHex(Buffer.from(text)), bytes, about)
    assert.ok(nativeVerifier.ed25519(key, fromHex(bytes), fromBase64Url(ed25519)), about)
    const expected = createHmac('sha256', fromBase64Url(secret)).update(fromHex(bytes)).digest('base64url')
    assert.equal(hmac_sha256, expected, about)
  }
})

test('a key of another length signs nothing', () => {
  for (const length of [0, 31, 33, 64]) {
    assert.throws(() => operatorKey('o', { secret: new Uint8Array(length) }), TypeError)
    assert.throws(() => operatorKey('o', { seed: new Uint8Array(length) }), TypeError)
  }
})
