import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Compile } from 'typebox/compile'
import { KeyRecord } from '../../protocol/manifest.ts'
import type { KeyRecordCase, ManifestSignatureCase, YankCase } from '../../scripts/vectors/publishers.ts'
import type { ReceiptCase } from '../../scripts/vectors/receipts.ts'
import type { SignedBytesCase } from '../../scripts/vectors/signed-bytes.ts'
import { fromHex, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { ed25519FromSeed, signObject, verifyObject } from '../../src/kernel/identity/keys.ts'
import { manifestDigest, parseManifest, verifyManifest } from '../../src/kernel/identity/manifest-signature.ts'
import { verifyKeyRecords } from '../../src/kernel/identity/publisher.ts'
import { verifyReceipt } from '../../src/kernel/identity/receipt-signature.ts'
import { signedBytes } from '../../src/kernel/identity/signed.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { pureVerifier } from '../../src/kernel/identity/verify-pure.ts'
import { decodeYankToken, verifyYank } from '../../src/kernel/identity/yank-signature.ts'
import { readVectors } from './read.ts'

const verifiers = { native: nativeVerifier, pure: pureVerifier }

test('signed-bytes.json: bytes and signatures', () => {
  const vectors = readVectors<{ seed: string; public_key: string; cases: SignedBytesCase[] }>('signed-bytes.json')
  const key = ed25519FromSeed(fromHex(vectors.seed))
  assert.equal(toHex(key.publicKey), vectors.public_key)
  for (const { about, network, context, object, bytes, signature } of vectors.cases) {
    assert.equal(toHex(signedBytes(network, context, object)), bytes, about)
    assert.equal(signObject(key, network, context, object), signature, about)
    assert.ok(verifyObject(pureVerifier, key.publicKey, network, context, object, signature), about)
  }
})

for (const [name, verifier] of Object.entries(verifiers)) {
  test(`key-records.json with ${name} verification`, () => {
    const { cases } = readVectors<{ cases: KeyRecordCase[] }>('key-records.json')
    for (const { about, network, records, publisher } of cases) {
      if (publisher === null) {
        assert.throws(() => verifyKeyRecords(verifier, network, records), /key record/, about)
      } else {
        assert.deepEqual(verifyKeyRecords(verifier, network, records), { publisher, current: records.at(-1) }, about)
      }
    }
  })

  test(`manifest-signature.json with ${name} verification`, () => {
    const { cases } = readVectors<{ cases: ManifestSignatureCase[] }>('manifest-signature.json')
    for (const { about, network, manifest, digest, token, verdict } of cases) {
      assert.equal(manifestDigest(parseManifest(manifest)), digest, about)
      if (verdict === null) {
        assert.throws(() => verifyManifest(verifier, network, manifest, token), ProviderError, about)
      } else {
        assert.deepEqual(verifyManifest(verifier, network, manifest, token), verdict, about)
      }
    }
  })

  test(`receipt.json with ${name} verification`, () => {
    const { cases } = readVectors<{ cases: ReceiptCase[] }>('receipt.json')
    for (const { about, network, now, token, id, receipt } of cases) {
      assert.equal(sha256Hex(utf8(token)), id, about)
      if (receipt === null) assert.throws(() => verifyReceipt(verifier, network, token, now), ProviderError, about)
      else assert.deepEqual(verifyReceipt(verifier, network, token, now), receipt, about)
    }
  })

  test(`yank.json with ${name} verification`, () => {
    const { cases } = readVectors<{ cases: YankCase[] }>('yank.json')
    for (const { about, network, token, yank } of cases) {
      const read = () => {
        const signed = decodeYankToken(token)
        verifyYank(verifier, network, signed)
        return signed.record
      }
      if (yank === null) assert.throws(read, ProviderError, about)
      else assert.deepEqual(read(), yank, about)
    }
  })
}

test('the key records of the vectors have the shape of the contract', () => {
  const schema = Compile(KeyRecord)
  const { cases } = readVectors<{ cases: KeyRecordCase[] }>('key-records.json')
  for (const { about, records } of cases)
    assert.ok(
      records.every((record) => schema.Check(record)),
      about,
    )
})
