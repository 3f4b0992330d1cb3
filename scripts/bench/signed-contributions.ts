import type { GoalTerms } from '../../protocol/goal.ts'
import { type ContributionRecord, packHash } from '../../src/domain/goals/contribution-record.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { nodeIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed, signObject } from '../../src/kernel/identity/keys.ts'
import type { Submission } from '../../src/node/goals-api.ts'

const CONTRIBUTORS = 64

/** Terms of an open goal that takes whatever its evaluator can judge. */
export const TERMS: GoalTerms = {
  goal_id: 'bench',
  name: 'bench',
  description: '',
  evaluator: { digest: `sha256:${'00'.repeat(32)}`, fuel: 1, memory_pages: 1 },
  seeds: [1],
  admission: { kind: 'open', difficulty: 0 },
  per_contributor: 10_000,
  weights: { reward: 1, risk: -0.5, complexity: -0.01 },
  min_score: null,
  mode: 'scalar',
  capacity: 100,
  invariants: {},
  proofs: [],
}

/** Makes contributions by a few contributors; each has two numbers as parameters, which nobody else has. */
export function contributor(network: string): (goal: string, number: number) => ContributionRecord {
  const signers = Array.from({ length: CONTRIBUTORS }, () => ed25519FromSeed(newSeed()))
  return (goal, number) => {
    const key = signers[number % signers.length]!
    const pack = { version: '1.0', parameters: toBase64Url(new Uint8Array(Float64Array.of(number, 1).buffer)) }
    const unsigned = {
      type: 'contribution' as const,
      goal,
      contributor_id: nodeIdOf(key.publicKey),
      pack_hash: packHash(pack),
      public_key: toBase64Url(key.publicKey),
    }
    return { contribution: { ...unsigned, signature: signObject(key, network, 'contribution', unsigned) }, pack }
  }
}

/** As a client submits it. */
export function submissionOf(goalId: string, { contribution, pack }: ContributionRecord): Submission {
  const { contributor_id, public_key, signature } = contribution
  return { goal_id: goalId, agent_pack: pack, contributor_id, public_key, signature }
}
