import type { EquivocationRecord } from '../../../protocol/transparency.ts'
import { equalBytes, fromHex } from '../base/bytes.ts'
import type { SignatureVerifier } from '../identity/verify-pure.ts'
import { openCertifiedNote } from './certified-checkpoint.ts'
import { verifyConsistency } from './verify.ts'

/** Evidence that a node's log said two things that cannot both be true. Browser-safe. */

/** What evidence proves. */
export interface Equivocation {
  readonly providerId: string
  /** Origin line of both checkpoints. */
  readonly origin: string
  /** Their sizes. */
  readonly sizes: readonly [first: number, second: number]
}

/**
 * Verifies evidence: nothing but the record is needed. Both checkpoints are signed by log keys that the node's identity certified, for one
 * origin; a certificate that has expired counts, because what was signed stays signed. Then either
 *
 * - both have one size and different roots, or
 * - the first is smaller, and `proof` leads from a tree of that size with another root, `from_root`, to the root of the second. A root
 *   commits to every node of its tree, so the second's tree begins with that other one, whoever made the proof.
 *
 * A proof that leads to neither root proves nothing: anybody can make one. Throws `Error` with the reason. The caller has checked the shape.
 */
export function verifyEquivocation(
  verifier: SignatureVerifier,
  network: string,
  { provider_id: providerId, first, second, proof }: EquivocationRecord,
): Equivocation {
  const [a, b] = [first, second].map((note) => openCertifiedNote(verifier, network, providerId, note)) as [
    ReturnType<typeof openCertifiedNote>,
    ReturnType<typeof openCertifiedNote>,
  ]
  if (a.origin !== b.origin) throw refused(`are of two logs, ${a.origin} and ${b.origin}`)
  if (a.size > b.size) throw refused(`have sizes ${a.size} and ${b.size}, the smaller comes first`)
  if (a.size === b.size) {
    if (proof !== undefined) throw refused('of one size need no proof')
    if (equalBytes(a.root, b.root)) throw refused('say the same')
  } else {
    if (proof === undefined) throw refused(`have sizes ${a.size} and ${b.size}, which needs a proof`)
    const fromRoot = fromHex(proof.from_root)
    if (equalBytes(fromRoot, a.root)) throw refused('agree, says the proof')
    const claim = { from: a.size, fromRoot, to: b.size, toRoot: b.root }
    if (!verifyConsistency(claim, proof.hashes.map(fromHex))) {
      throw refused('may both be true: the proof does not lead to the second')
    }
  }
  return { providerId, origin: a.origin, sizes: [a.size, b.size] }
}

const refused = (reason: string): Error => new Error(`the evidence proves nothing: the checkpoints ${reason}`)
