import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { calculateJwkThumbprint, importJWK } from 'jose'
import { keyThumbprint, proofJwk } from '../../../src/kernel/identity/jwk.ts'
import { openKeyDirectory } from '../../../src/kernel/identity/key-directory.ts'
import { verifyRoleCertificate } from '../../../src/kernel/identity/roles.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { temporaryFolder } from '../../support/folders.ts'

const DAY = 24 * 60 * 60 * 1000
/** A time between two seconds. */
const NOW = 1_800_000_000_123

async function directory(t: TestContext) {
  const folder = join(await temporaryFolder(t), 'keys')
  const clock = { now: () => NOW }
  return {
    file: join(folder, 'roles.json'),
    open: (now = NOW) =>
      openKeyDirectory(folder, { network: 'test', allowCreate: true, clock: { ...clock, now: () => now } }),
  }
}

test('there is no proof key before one is made, and it stays until the next one', async (t) => {
  const { open } = await directory(t)
  const { proof, providerId } = open()
  assert.deepEqual([proof.current, proof.retired], [undefined, []])
  const made = proof.rotate(90)
  assert.equal(proof.current, made)
  const expected = { providerId, role: 'proof', now: NOW } as const
  assert.deepEqual(verifyRoleCertificate(nativeVerifier, 'test', made.certificate, expected), made.key.publicKey)
  assert.equal(made.certificate.not_after, Math.floor(NOW / 1000) * 1000 + 90 * DAY)
  assert.deepEqual(open(NOW + DAY).proof.current!.certificate, made.certificate)
})

test('a key that is replaced stays listed as long as it was in force, and its private half is gone', async (t) => {
  const { open, file } = await directory(t)
  const first = open().proof.rotate(90)
  const seed = JSON.parse(await readFile(file, 'utf8')).proof.seed as string
  const later = open(NOW + DAY)
  const second = later.proof.rotate(30)
  assert.notDeepEqual(second.key.publicKey, first.key.publicKey)
  const [retired] = later.proof.retired
  assert.equal(retired!.public_key, first.certificate.public_key)
  assert.equal(retired!.not_before, first.certificate.not_before)
  assert.ok(retired!.not_after > NOW + DAY && retired!.not_after <= NOW + DAY + 3000)
  const serials = [first.certificate, retired!, second.certificate].map(({ serial }) => serial)
  assert.deepEqual(serials, [1, 2, 3])
  const expected = { providerId: later.providerId, role: 'proof', now: NOW } as const
  verifyRoleCertificate(nativeVerifier, 'test', retired!, expected)
  assert.doesNotMatch(await readFile(file, 'utf8'), new RegExp(seed))
  const third = open(NOW + 2 * DAY).proof
  third.rotate(30)
  assert.deepEqual(
    third.retired.map(({ public_key }) => public_key),
    [first.certificate.public_key, second.certificate.public_key],
  )
})

test('a key that had ended by itself keeps its end when it is replaced', async (t) => {
  const { open } = await directory(t)
  const { not_after } = open().proof.rotate(1).certificate
  const { proof } = open(NOW + 10 * DAY)
  proof.rotate(1)
  assert.equal(proof.retired[0]!.not_after, not_after)
})

test('proof keys are JWKs that others can read, named by their thumbprint', async (t) => {
  const { open } = await directory(t)
  const { certificate } = open().proof.rotate(90)
  const jwk = proofJwk(certificate)
  assert.equal(jwk.kid, await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x: certificate.public_key }))
  // RFC 8037, appendix A.3.
  assert.equal(
    keyThumbprint('11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'),
    'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
  )
  const key = (await importJWK({ ...jwk }, 'EdDSA')) as CryptoKey
  assert.equal(key.type, 'public')
  assert.deepEqual([jwk.nbf * 1000, jwk.exp * 1000], [certificate.not_before, certificate.not_after])
})
