import type { Contribution, ContributionPack } from '../../protocol/contribution.ts'
import type { Goal } from '../../protocol/goal.ts'
import { StartError } from '../kernel/base/errors.ts'
import type { ProofVerifier } from '../kernel/plugins/packages/proof-verifiers.ts'

/** Whether a proof holds for a contribution. */
export type VerifyProof = (
  proof: Uint8Array,
  about: { readonly goal: Goal; readonly contribution: Contribution; readonly pack: ContributionPack },
) => Promise<boolean>

/** The proof verifiers of a node, each for the proofs of its kind. */
export class ProofVerifiers {
  readonly #byKind = new Map<string, ProofVerifier>()

  /** Throws `StartError` when two of them verify the same kind. */
  constructor(verifiers: readonly ProofVerifier[]) {
    for (const verifier of verifiers) {
      if (this.#byKind.has(verifier.name)) {
        throw new StartError(`providers.proof_verifiers: two of them verify "${verifier.name}", allowed is one`)
      }
      this.#byKind.set(verifier.name, verifier)
    }
  }

  /** Who verifies the proofs of a name that a goal asks for; undefined where nobody here does. */
  get(name: string): VerifyProof | undefined {
    const verifier = this.#byKind.get(name.split('.', 1)[0]!)
    if (verifier === undefined) return undefined
    return (proof, about) => verifier.verify(proof, { ...about, proof: name, goalDigest: about.contribution.goal })
  }
}
