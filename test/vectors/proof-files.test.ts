import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { proofFileVectors } from '../../scripts/vectors/proof-files.ts'
import { NETWORK } from '../../scripts/vectors/seeds.ts'
import { verifyProof } from '../../src/client/index.ts'
import { utf8 } from '../../src/kernel/base/bytes.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { pureVerifier } from '../../src/kernel/identity/verify-pure.ts'
import { parseProofFile, verifyProofFile } from '../../src/kernel/log/proof-file.ts'
import type { ProofClaim } from '../../src/kernel/plugins/packages/proof-verifiers.ts'
import { createAttestationVerifier } from '../../src/providers/proof-verifiers/ed25519.ts'
import { readVectors } from './read.ts'

const vectors = readVectors<ReturnType<typeof proofFileVectors>>('proof-files.json')

for (const [name, verifier] of Object.entries({ native: nativeVerifier, pure: pureVerifier })) {
  test(`proof-files.json: what files prove, with ${name} verification`, () => {
    assert.ok(vectors.files.length > 25)
    for (const { about, text, verdict } of vectors.files) {
      const verify = () => verifyProofFile(verifier, parseProofFile(text), { network: NETWORK })
      if (verdict === null) {
        assert.throws(verify, Error, about)
        continue
      }
      const { origin, index, size, root, older = null, witnesses } = verify()
      assert.deepEqual({ origin, index, size, root, older, witnesses }, verdict, about)
    }
  })
}

test('proof-files.json: attestations', async () => {
  const verifier = createAttestationVerifier(AbortSignal.abort(), { network: NETWORK, keys: [] })
  for (const { about, name, goal, pack_hash, proof, holds } of vectors.attestations) {
    const claim = { proof: name, goalDigest: goal, contribution: { pack_hash } } as ProofClaim
    assert.equal(await verifier.verify(utf8(proof), claim), holds, about)
  }
})

test('the SDK says why a file is refused, and holds it to the node and the log that the caller names', () => {
  const { text, verdict } = vectors.files[0]!
  const providerId = verdict!.origin.split('/')[0]!
  const proven = verifyProof(text, { network: NETWORK, providerId, origin: verdict!.origin })
  assert.deepEqual([proven.goalId, proven.epoch, proven.index], ['fast', 1, 4])
  assert.deepEqual(verifyProof(JSON.parse(text), { network: NETWORK }), verifyProof(utf8(text), { network: NETWORK }))
  const refused = (expected: Parameters<typeof verifyProof>[1], reason: RegExp) =>
    assert.throws(() => verifyProof(text, expected), { name: 'IntegrityError', code: 'INTEGRITY', message: reason })
  refused({}, /the proof does not hold: the file is of the network vectors, expected main/)
  refused({ network: NETWORK, providerId: `${providerId}x` }, /is about the log of 12D3\w+, expected 12D3/)
  refused({ network: NETWORK, origin: `${providerId}/log` }, /the checkpoint is of 12D3\w+\/log\/fast, expected/)
})

test('a proof file has one meaning, and a bounded size', () => {
  const { text } = vectors.files[0]!
  assert.throws(() => parseProofFile(text.replace('{', '{"type":"log_proof",')), /the same key twice/)
  assert.throws(() => parseProofFile(text.replace('"format":1', '"format":2')), /not a proof file: it.format must be 1/)
  assert.throws(() => parseProofFile(' '.repeat(256 * 1024 + 1)), /at most 262144 bytes, this one 262145/)
  assert.throws(() => parseProofFile('not JSON'), /not JSON/)
})
