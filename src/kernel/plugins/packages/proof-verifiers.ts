import type { Contribution, ContributionPack } from '../../../../protocol/contribution.ts'
import type { Goal } from '../../../../protocol/goal.ts'
import { lacking, type PackageDefinition } from '../package.ts'

/** What a proof must be about. All of it was checked, except that the proof proves it. */
export interface ProofClaim {
  /** The proof's name, as the goal asks for it: the verifier's own, or that, a point, and what the goal wants to have proven (such as a key). */
  readonly proof: string
  /** SHA-256 of the goal's record, in hexadecimal. */
  readonly goalDigest: string
  readonly goal: Goal
  readonly contribution: Contribution
  readonly pack: ContributionPack
}

/** Verifies proofs of one kind that goals ask for and packs bring. */
export interface ProofVerifier {
  /** The kind: what stands before the first point of a proof's name. */
  readonly name: string
  /**
   * Whether the proof holds. A function of its arguments and of what the operator configured, without asking anybody: every node that works for the
   * goal must come to the same. A proof is hostile: whatever is wrong with it is `false`. A rejection is a failure of this node, after which
   * it is asked again later.
   */
  verify(proof: Uint8Array, about: ProofClaim): Promise<boolean>
}

/** The package `proof-verifiers`: one for each kind of proof. */
export const proofVerifiers: PackageDefinition<ProofVerifier> = {
  name: 'proof-verifiers',
  documentation: 'Verify the proofs that goals ask of contributions.',
  misshapen: (verifier) =>
    lacking(verifier, ['verify']) ??
    (/^[A-Za-z0-9_-]{1,32}$/.test(verifier.name) ? undefined : 'its name is not 1 to 32 letters, digits, _ and -'),
}
