import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Compile } from 'typebox/compile'
import { LIMITS } from '../../../protocol/limits.ts'
import { RoleCertificate } from '../../../protocol/rpc.ts'
import { toBase64Url } from '../../../src/kernel/base/bytes.ts'
import { providerIdOf } from '../../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed, signObject } from '../../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../../src/kernel/identity/role-certificate.ts'
import { type RoleExpectation, verifyRoleCertificate } from '../../../src/kernel/identity/roles.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'

const identity = ed25519FromSeed(newSeed())
const stranger = ed25519FromSeed(newSeed())
const wire = ed25519FromSeed(newSeed())
const providerId = providerIdOf(identity.publicKey)
const from = 1_000_000_000
const until = from + 10_000_000
const grant = {
  identity,
  network: 'test',
  role: 'wire',
  publicKey: wire.publicKey,
  serial: 3,
  notBefore: from,
  notAfter: until,
} as const
const certificate = issueRoleCertificate(grant)
const expected: RoleExpectation = { providerId, role: 'wire', now: from + 1 }
const verify = (value = certificate, expectation = expected, network = 'test') =>
  verifyRoleCertificate(nativeVerifier, network, value, expectation)

test('a certificate gives the role key, and has the shape of the contract', () => {
  assert.deepEqual(verify(), wire.publicKey)
  assert.ok(Compile(RoleCertificate).Check(certificate))
})

test('it is in force from its start to its end, give or take the clock skew', () => {
  const at = (now: number) => () => verify(certificate, { ...expected, now })
  at(from - LIMITS.clockSkewMs)()
  at(until + LIMITS.clockSkewMs)()
  assert.throws(at(from - LIMITS.clockSkewMs - 1), /not in force before/)
  assert.throws(at(until + LIMITS.clockSkewMs + 1), /expired at/)
})

test('another provider, role, network or signer is refused, with the reason', () => {
  const other = providerIdOf(stranger.publicKey)
  assert.throws(() => verify(certificate, { ...expected, providerId: other }), /belongs to .* expected/)
  assert.throws(
    () => verify({ ...certificate, provider_id: other }, { ...expected, providerId: other }),
    /is not signed by/,
  )
  assert.throws(() => verify(certificate, { ...expected, role: 'cells' }), /is for the role wire, expected cells/)
  assert.throws(() => verify({ ...certificate, role: 'cells' }, { ...expected, role: 'cells' }), /is not signed by/)
  assert.throws(() => verify(certificate, expected, 'other'), /is not signed by .* for the network other/)
  const signature = signObject(stranger, 'test', 'role-certificate', certificate)
  assert.throws(() => verify({ ...certificate, signature }), /is not signed by/)
})

test('every field is under the signature', () => {
  const changes = {
    public_key: toBase64Url(stranger.publicKey),
    serial: 4,
    not_before: from - 1,
    not_after: until + 1,
  }
  for (const [name, value] of Object.entries(changes)) {
    assert.throws(() => verify({ ...certificate, [name]: value }), /is not signed by/, name)
  }
})

test('a role key that nothing strict would accept is refused', () => {
  for (const publicKey of [new Uint8Array(32), new Uint8Array(31), new Uint8Array(32).fill(255)]) {
    assert.throws(() => verify(issueRoleCertificate({ ...grant, publicKey })), /holds no valid Ed25519 key/)
  }
})
