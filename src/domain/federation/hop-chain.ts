import { CONTEXTS } from '../../../protocol/contexts.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { ForwardedQuestion, Hop, RoleCertificate } from '../../../protocol/rpc.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import { type SigningKey, signObject } from '../../kernel/identity/keys.ts'
import { verifyRoleCertificate } from '../../kernel/identity/roles.ts'
import { verifyObject } from '../../kernel/identity/signed.ts'
import type { SignatureVerifier } from '../../kernel/identity/verify-pure.ts'

/** What tells a question from every other one, on whatever way it comes: its origin has signed it. */
export const questionDigest = (question: ForwardedQuestion): string => sha256Hex(utf8(canonicalJson(question)))

const signedHop = (question: ForwardedQuestion, previous: Hop | undefined, next: string) => ({
  question: questionDigest(question),
  previous: previous?.signature ?? '',
  next,
})

/** The chain with this node's hop to `next` at its end. */
export function addHop(
  hops: readonly Hop[],
  question: ForwardedQuestion,
  next: string,
  by: { readonly network: string; readonly wire: { readonly key: SigningKey; readonly certificate: RoleCertificate } },
): Hop[] {
  const { key, certificate } = by.wire
  const signature = signObject(key, by.network, CONTEXTS.hop, signedHop(question, hops.at(-1), next))
  return [...hops, { certificate, next, signature }]
}

/**
 * The nodes that a question has passed, its origin first. Throws `Error` with the reason for a chain that does not lead from the question's
 * origin over the peer `from` to this node, passes a node twice, or is not signed by everybody in it.
 */
export function verifyHops(
  hops: readonly Hop[],
  question: ForwardedQuestion,
  expected: {
    readonly network: string
    readonly verifier: SignatureVerifier
    readonly from: string
    readonly self: string
    /** Unix milliseconds. */
    readonly now: number
  },
): string[] {
  const { network, verifier, from, self, now } = expected
  const age = Math.abs(now - question.at)
  if (age > LIMITS.clockSkewMs)
    throw new Error(`the question is ${age} ms old; at most ${LIMITS.clockSkewMs} are allowed`)
  const passed = hops.map(({ certificate }) => certificate.provider_id)
  if (passed[0] !== question.origin)
    throw new Error(`the chain begins at ${passed[0]}, the question at ${question.origin}`)
  if (passed.at(-1) !== from) throw new Error(`the chain ends at ${passed.at(-1)}, but ${from} asks`)
  if (new Set([...passed, self]).size !== passed.length + 1) throw new Error('the chain passes a node twice')
  for (const [i, hop] of hops.entries()) {
    const next = passed[i + 1] ?? self
    if (hop.next !== next) throw new Error(`${passed[i]} asked ${hop.next}, not ${next}`)
    const { certificate, signature } = hop
    const key = verifyRoleCertificate(verifier, network, certificate, { providerId: passed[i]!, role: 'wire', now })
    if (!verifyObject(verifier, key, network, CONTEXTS.hop, signedHop(question, hops[i - 1], next), signature)) {
      throw new Error(`the hop of ${passed[i]} is not signed by it`)
    }
  }
  return passed
}
