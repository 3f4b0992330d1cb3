import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { fromHex, toHex, utf8 } from '../../../src/kernel/base/bytes.ts'
import {
  ed25519FromSeed,
  mlDsa65FromSeed,
  newSeed,
  signObject,
  verifyObject,
} from '../../../src/kernel/identity/keys.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'

test('RFC 8032 §7.1, test 1', () => {
  const key = ed25519FromSeed(fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'))
  assert.equal(toHex(key.publicKey), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  assert.equal(
    toHex(key.sign(new Uint8Array())),
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  )
})

test('an ML-DSA-65 seed gives the key pair that FIPS 204 derives from it', () => {
  const seed = newSeed()
  assert.equal(toHex(mlDsa65FromSeed(seed).publicKey), toHex(ml_dsa65.keygen(seed).publicKey))
})

test('seeds have 32 bytes', () => {
  assert.equal(newSeed().length, 32)
  assert.notDeepEqual(newSeed(), newSeed())
  for (const length of [0, 31, 33, 64]) {
    assert.throws(() => ed25519FromSeed(new Uint8Array(length)), TypeError)
    assert.throws(() => mlDsa65FromSeed(new Uint8Array(length)), TypeError)
  }
})

test('an object verifies with and without its signature property, and not when changed', () => {
  const key = ed25519FromSeed(newSeed())
  const object = { type: 'announcement', page: 1 }
  const signature = signObject(key, 'test', 'announcement', object)
  const verify = (value: object, text = signature) =>
    verifyObject(nativeVerifier, key.publicKey, 'test', 'announcement', value, text)
  assert.ok(verify(object))
  assert.ok(verify({ ...object, signature }))
  assert.ok(verify({ page: 1, signature: 'anything', type: 'announcement' }))
  assert.ok(!verify({ ...object, page: 2 }))
  assert.ok(!verify({ ...object, more: null }))
})

test('a signature that is not base64url of 64 bytes is false', () => {
  const key = ed25519FromSeed(newSeed())
  const signature = signObject(key, 'test', 'batch', {})
  for (const wrong of [
    '',
    'x',
    `${signature}=`,
    `${signature}AA`,
    signature.slice(2),
    '!'.repeat(86),
    signature.replace(/.$/, 'B'),
  ]) {
    assert.equal(verifyObject(nativeVerifier, key.publicKey, 'test', 'batch', {}, wrong), false, wrong)
  }
  assert.equal(verifyObject(nativeVerifier, utf8('short'), 'test', 'batch', {}, signature), false)
})
