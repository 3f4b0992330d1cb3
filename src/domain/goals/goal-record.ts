import { CONTEXTS } from '../../../protocol/contexts.ts'
import { Goal, GoalTerms } from '../../../protocol/goal.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { schemaFinding } from '../../kernel/base/schema-findings.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { providerIdOf, publicKeyOf } from '../../kernel/identity/ids.ts'
import { type SigningKey, signObject } from '../../kernel/identity/keys.ts'
import { verifyObject } from '../../kernel/identity/signed.ts'
import type { SignatureVerifier } from '../../kernel/identity/verify-pure.ts'
import { schemaProblem } from './invariants.ts'

const goalSchema = checkerOf(Goal)
const termsSchema = checkerOf(GoalTerms)

/** An alias of this form would pass for the digest of another goal. */
const LOOKS_LIKE_DIGEST = /^[0-9a-f]{64}$/

/** Signs a goal. Throws `PROV_001` for terms that no node would take. */
export function signGoal(identity: SigningKey, network: string, terms: GoalTerms, createdAt: number): Goal {
  if (!termsSchema.Check(terms)) throw unfit(schemaFinding('goal', terms, termsSchema.Errors(terms)))
  const unsigned = {
    type: 'goal' as const,
    format: 1 as const,
    creator: providerIdOf(identity.publicKey),
    created_at: createdAt,
    ...terms,
  }
  const goal: Goal = { ...unsigned, signature: signObject(identity, network, CONTEXTS.goal, unsigned) }
  const problem = problemOf(goal, canonicalJson(goal))
  if (problem !== undefined) throw unfit(problem)
  return goal
}

/** Reads a goal as it travels: size, form, terms, signature, in that order. Throws `PROV_001` for what every node refuses. */
export function readGoal(text: string, network: string, verifier: SignatureVerifier): Goal {
  if (text.length > LIMITS.goalBytes) throw unfit(`a goal has at most ${LIMITS.goalBytes} bytes`)
  const goal = parsed(text)
  if (!goalSchema.Check(goal)) throw unfit(schemaFinding('goal', goal, goalSchema.Errors(goal)))
  if (canonicalJson(goal) !== text) throw unfit('a goal is spelled as RFC 8785 says')
  const problem = problemOf(goal, text)
  if (problem !== undefined) throw unfit(problem)
  if (!isSigned(goal, network, verifier)) throw unfit('the goal is not signed by its creator')
  return goal
}

/** What the schema of a goal cannot say. */
function problemOf({ goal_id, invariants }: Goal, text: string): string | undefined {
  const bytes = Buffer.byteLength(text)
  if (bytes > LIMITS.goalBytes) return `the goal has ${bytes} bytes; at most ${LIMITS.goalBytes} are allowed`
  if (LOOKS_LIKE_DIGEST.test(goal_id))
    return 'goal.goal_id looks like a digest: 64 hexadecimal digits name goals already'
  const empty = invariants.bounds?.find(({ min, max }) => min !== undefined && max !== undefined && min > max)
  if (empty !== undefined) return `goal.invariants.bounds allow no ${empty.of}: ${empty.min} is above ${empty.max}`
  return invariants.schema && schemaProblem(invariants.schema)
}

function parsed(text: string): unknown {
  try {
    return parseStrictJson(text)
  } catch (error) {
    throw unfit('a goal is JSON with one meaning', error)
  }
}

function isSigned(goal: Goal, network: string, verifier: SignatureVerifier): boolean {
  let key: Uint8Array
  try {
    key = publicKeyOf(goal.creator)
  } catch {
    return false
  }
  return verifyObject(verifier, key, network, CONTEXTS.goal, goal, goal.signature)
}

const unfit = (message: string, cause?: unknown): ProviderError => new ProviderError('PROV_001', message, { cause })
