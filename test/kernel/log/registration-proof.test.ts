import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RegistrationProof } from '../../../protocol/cells.ts'
import { toBase64Url, utf8 } from '../../../src/kernel/base/bytes.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { pureVerifier } from '../../../src/kernel/identity/verify-pure.ts'
import { verifyRegistration } from '../../../src/kernel/log/registration-proof.ts'
import { loggingProvider, registered } from '../../support/registration-proofs.ts'

const NETWORK = 'test'
const ID = 'c'.repeat(64)
const provider = loggingProvider(NETWORK)
const proof = provider.prove(registered(ID))

const verify = (changed: RegistrationProof, { id = ID, providerId = provider.providerId, network = NETWORK } = {}) =>
  verifyRegistration(nativeVerifier, network, changed, { id, providerId, now: Date.now() })

const withEvidence = (evidence: Partial<RegistrationProof['evidence']>): RegistrationProof => ({
  ...proof,
  evidence: { ...proof.evidence, ...evidence },
})

describe('a proof of registration', () => {
  it('holds with both verifiers, and tells what was registered', () => {
    assert.deepEqual(verify(proof), registered(ID))
    assert.equal(verifyRegistration(pureVerifier, NETWORK, proof, { id: ID, now: Date.now() }).cell_id, ID)
  })

  it('is of one cell', () => {
    assert.throws(() => verify(proof, { id: 'd'.repeat(64) }), /says register of the cell c+, expected register of d+/)
  })

  it('is of one provider, in one network', () => {
    const other = loggingProvider(NETWORK)
    assert.throws(() => verify(proof, { providerId: other.providerId }), /is by 12D3\w+, expected 12D3/)
    assert.throws(() => verify({ ...proof, certificate: other.certificate }), /belongs to/)
    assert.throws(() => verify({ ...other.prove(registered(ID)), provider_id: provider.providerId }), /belongs to/)
    assert.throws(() => verify(proof, { network: 'main' }), /not signed/)
  })

  it('says that the cell was registered, and nothing else', () => {
    assert.throws(() => verify(provider.prove({ ...registered(ID), act: 'delete' })), /says delete/)
    assert.throws(() => verify(provider.prove({ act: 'administration', commitment: 'x' })), /nothing about a cell/)
  })

  it('is about the leaf that the tree has', () => {
    const { inclusion } = proof.evidence
    const forged = toBase64Url(utf8(JSON.stringify(registered(ID))))
    assert.throws(() => verify(withEvidence({ leaf: forged })), /is not in the log/)
    for (const change of [{ log_index: 2 }, { tree_size: 6 }, { hashes: inclusion.hashes.slice(1) }]) {
      assert.throws(() => verify(withEvidence({ inclusion: { ...inclusion, ...change } })), /is not in the log/)
    }
  })

  it('has a checkpoint that the log has signed', () => {
    const stranger = loggingProvider(NETWORK).prove(registered(ID))
    assert.throws(
      () => verify(withEvidence({ checkpoint: stranger.evidence.checkpoint })),
      /the checkpoint is of .*, expected 12D3/,
    )
    const other = provider.prove(registered('e'.repeat(64)), 6)
    assert.throws(() => verify(withEvidence({ checkpoint: other.evidence.checkpoint })), /is not in the log/)
  })
})
