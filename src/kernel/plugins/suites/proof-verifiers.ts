import assert from 'node:assert/strict'
import type { ProofClaim, ProofVerifier } from '../packages/proof-verifiers.ts'
import type { TestRunner } from './test-runner.ts'

/** A proof that holds, and what it is about. */
export interface ProofCase {
  readonly proof: Uint8Array
  readonly about: ProofClaim
}

const OTHER = 'e'.repeat(64)

/** What every provider of `proof-verifiers` must do. `factory` makes one, for which `valid` holds. */
export function proofVerifierSuite({
  test,
  factory,
  valid,
}: {
  test: TestRunner
  factory: () => ProofVerifier | Promise<ProofVerifier>
  valid: () => ProofCase | Promise<ProofCase>
}): void {
  test('takes a proof that holds, again and again', async () => {
    const verifier = await factory()
    const { proof, about } = await valid()
    const before = proof.slice()
    assert.equal(await verifier.verify(proof, about), true)
    assert.equal(await verifier.verify(proof, about), true)
    assert.deepEqual(proof, before, 'it changed the proof')
  })

  test('refuses the proof of another pack', async () => {
    const verifier = await factory()
    const { proof, about } = await valid()
    const contribution = { ...about.contribution, pack_hash: OTHER }
    assert.equal(await verifier.verify(proof, { ...about, contribution }), false)
  })

  test('refuses a proof that is cut off, longer, or changed in any byte', async () => {
    const verifier = await factory()
    const { proof, about } = await valid()
    for (let at = 0; at < proof.length; at += 1 + Math.floor(proof.length / 200)) {
      assert.equal(await verifier.verify(proof.subarray(0, at), about), false, `cut off at ${at}`)
      const changed = proof.slice()
      changed[at]! ^= 0x01
      assert.equal(await verifier.verify(changed, about), false, `byte ${at} changed`)
    }
    assert.equal(await verifier.verify(new Uint8Array([...proof, 0x7d]), about), false)
  })

  test('refuses what is no proof, without an error', async () => {
    const verifier = await factory()
    const { about } = await valid()
    const texts = ['', '{}', 'null', '[]', '{"public_key":1}', '"'.repeat(1000), '['.repeat(5000), '\u0000']
    for (const text of texts) assert.equal(await verifier.verify(new TextEncoder().encode(text), about), false)
    assert.equal(await verifier.verify(new Uint8Array(1000).fill(0xff), about), false)
  })
}
