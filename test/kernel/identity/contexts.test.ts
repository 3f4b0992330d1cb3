import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import type { SignatureAlgorithm } from '../../../protocol/manifest.ts'
import type { SignedYank } from '../../../protocol/yank.ts'
import { sampleManifest, successor } from '../../../scripts/vectors/publishers.ts'
import { fromBase64Url, toBase64Url } from '../../../src/kernel/base/bytes.ts'
import { providerIdOf } from '../../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed, signObject, verifyObject } from '../../../src/kernel/identity/keys.ts'
import { encodeSignatureToken, verifyManifest } from '../../../src/kernel/identity/manifest-signature.ts'
import { createPublisherKeys, publisherKeys } from '../../../src/kernel/identity/manifest-signer.ts'
import { keyRecordDigest, recoverySignedObject, verifyKeyRecords } from '../../../src/kernel/identity/publisher.ts'
import { issueRoleCertificate } from '../../../src/kernel/identity/role-certificate.ts'
import { verifyRoleCertificate } from '../../../src/kernel/identity/roles.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { encodeYankToken, verifyYank } from '../../../src/kernel/identity/yank-signature.ts'

const contexts = Object.values(CONTEXTS)
const networks = ['main', 'test']
/** One key for everything, so that only context and network can tell the signatures apart. */
const key = ed25519FromSeed(newSeed())

const session = {
  session: 'ab'.repeat(32),
  from: providerIdOf(key.publicKey),
  sequence: 0,
  count: 1,
  root: 'cd'.repeat(32),
}
const announcement = {
  type: 'announcement',
  provider_id: providerIdOf(key.publicKey),
  page: 0,
  sequence: 1,
  expires_at: 2,
  addresses: [],
  cells: [],
}
const certificate = {
  provider_id: providerIdOf(key.publicKey),
  role: 'wire',
  public_key: toBase64Url(key.publicKey),
  serial: 1,
  not_before: 0,
  not_after: 1000,
} as const
const file = createPublisherKeys({ kind: 'publisher' })
const manifest = sampleManifest(file)
const yank = {
  format: 1,
  manifest_digest: 'ab'.repeat(32),
  publisher: manifest.publisher,
  counter: 1,
  yanked: true,
  reason: 'broken',
  at: 1,
} as const
const record = recoverySignedObject(successor(file, 'contexts').records[1]!)

/** One object of every signed kind. */
const kinds = {
  manifest,
  yank,
  keyRecord: record,
  roleCertificate: certificate,
  announcement,
  handshake: { type: 'handshake_challenge', sender_id: 'a', recipient_id: 'b', nonce: 'c', ephemeral_key: 'd' },
  batch: session,
  goal: { type: 'goal', format: 1, creator: 'a', goal_id: 'b' },
  contribution: { type: 'contribution', goal: 'ab'.repeat(32), pack_hash: 'cd'.repeat(32) },
  contributionAnnounce: { type: 'contribution_announce', sender_id: 'a', contribution: {} },
  attestation: { goal: 'ab'.repeat(32), pack_hash: 'cd'.repeat(32) },
  request: { header: { alg: 'ed25519' }, body: {} },
  operatorRequest: {
    request_id: 'a',
    timestamp: 'b',
    operator_id: 'c',
    payload: {},
    aud: 'd',
    method: 'POST',
    path: '/',
  },
  auditRecord: { seq: 0, step: 'normalize', prev_hash: '00'.repeat(32) },
  answer: { hash_chain: 'ab'.repeat(32), response_id: 'a' },
  constraint: { constraint_id: 'a', version: 1, kind: 'maximum_length' },
  logEpoch: { type: 'epoch', provider_id: 'a', epoch: 2, size: 0 },
  partner: { type: 'join_hello', provider_id: 'a', audience: 'b' },
  hop: { question: 'ab'.repeat(32), previous: '', next: 'b' },
  receipt: { provider: 'a', prober: 'b', ok: true, stage: 'verify', at: 1, round_trip_ms: 1, manifest_digest: 'c' },
} satisfies Record<keyof typeof CONTEXTS, object>

test('a signature of one kind never passes as another, nor in another network', () => {
  let compared = 0
  for (const [kind, object] of Object.entries(kinds)) {
    const context = CONTEXTS[kind as keyof typeof kinds]
    for (const network of networks) {
      const signature = signObject(key, network, context, object)
      for (const otherContext of contexts) {
        for (const otherNetwork of networks) {
          const same = otherContext === context && otherNetwork === network
          const verdict = verifyObject(nativeVerifier, key.publicKey, otherNetwork, otherContext, object, signature)
          assert.equal(verdict, same, `${network}/${context} as ${otherNetwork}/${otherContext}`)
          compared++
        }
      }
    }
  }
  assert.equal(compared, (contexts.length * networks.length) ** 2)
})

test('the contexts differ, and no kind is without a check', () => {
  assert.equal(new Set(contexts).size, contexts.length)
  assert.deepEqual(Object.keys(kinds).sort(), Object.keys(CONTEXTS).sort())
})

test('a role certificate counts only with its own context', () => {
  const expected = { providerId: certificate.provider_id, role: 'wire', now: 500 } as const
  const valid = issueRoleCertificate({
    identity: key,
    network: 'main',
    role: 'wire',
    publicKey: key.publicKey,
    serial: 1,
    notBefore: 0,
    notAfter: 1000,
  })
  assert.ok(verifyRoleCertificate(nativeVerifier, 'main', valid, expected))
  for (const context of contexts.filter((name) => name !== CONTEXTS.roleCertificate)) {
    const signature = signObject(key, 'main', context, certificate)
    const forged = { ...certificate, signature }
    assert.throws(() => verifyRoleCertificate(nativeVerifier, 'main', forged, expected), /is not signed by/)
  }
})

test('a manifest counts only with its own context', () => {
  const signer = ed25519FromSeed(fromBase64Url(file.seeds.ed25519))
  const algorithm: SignatureAlgorithm = 'ed25519'
  const token = (context: (typeof contexts)[number]) =>
    encodeSignatureToken({
      key_records: file.records,
      signatures: [
        {
          algorithm,
          public_key: toBase64Url(signer.publicKey),
          signature: signObject(signer, 'main', context, manifest),
        },
      ],
    })
  assert.equal(token(CONTEXTS.manifest), publisherKeys(file).signManifest('main', manifest))
  assert.ok(verifyManifest(nativeVerifier, 'main', manifest, token(CONTEXTS.manifest)))
  for (const context of contexts.filter((name) => name !== CONTEXTS.manifest)) {
    assert.throws(() => verifyManifest(nativeVerifier, 'main', manifest, token(context)), /signature is wrong/)
  }
})

test('a yank counts only with its own context', () => {
  const signer = ed25519FromSeed(fromBase64Url(file.seeds.ed25519))
  const signed = (context: (typeof contexts)[number]): SignedYank => ({
    record: yank,
    key_records: file.records,
    signatures: [
      {
        algorithm: 'ed25519',
        public_key: toBase64Url(signer.publicKey),
        signature: signObject(signer, 'main', context, yank),
      },
    ],
  })
  assert.equal(encodeYankToken(signed(CONTEXTS.yank)), publisherKeys(file).signYank('main', yank))
  verifyYank(nativeVerifier, 'main', signed(CONTEXTS.yank))
  for (const context of contexts.filter((name) => name !== CONTEXTS.yank)) {
    assert.throws(() => verifyYank(nativeVerifier, 'main', signed(context)), /signature is wrong/)
  }
})

test('a key record counts only with its own context', () => {
  const first = file.records[0]!
  const recovery = ed25519FromSeed(fromBase64Url(file.recovery_seed))
  const chain = (context: (typeof contexts)[number]) => {
    const next = {
      ...first,
      number: 1,
      previous: keyRecordDigest(first),
      recovery: { public_key: toBase64Url(recovery.publicKey), signature: '' },
    }
    const signature = signObject(recovery, 'main', context, recoverySignedObject(next))
    return [first, { ...next, recovery: { ...next.recovery, signature } }]
  }
  assert.ok(verifyKeyRecords(nativeVerifier, 'main', chain(CONTEXTS.keyRecord)))
  for (const context of contexts.filter((name) => name !== CONTEXTS.keyRecord)) {
    assert.throws(() => verifyKeyRecords(nativeVerifier, 'main', chain(context)), /is not signed by its recovery key/)
  }
})
