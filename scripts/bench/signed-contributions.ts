import type { GoalTerms } from '../../protocol/goal.ts'
import { goalTerms } from '../../protocol/goal-api.ts'
import type { ContributionRecord } from '../../src/domain/goals/contribution-record.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { contributionOf, newContributor } from '../../test/support/goals.ts'

const CONTRIBUTORS = 64

/** Terms of an open goal that takes whatever its evaluator can judge. */
export const TERMS: GoalTerms = {
  ...goalTerms({ goal_id: 'bench', evaluator: { digest: `sha256:${'00'.repeat(32)}`, fuel: 1, memory_pages: 1 } }),
  seeds: [1],
  admission: { kind: 'open', difficulty: 0 },
  per_contributor: 10_000,
}

/** Makes contributions by a few contributors; each has two numbers as parameters, which nobody else has. */
export function contributor(network: string): (goal: string, number: number) => ContributionRecord {
  const signers = Array.from({ length: CONTRIBUTORS }, newContributor)
  return (goal, number) => {
    const pack = { version: '1.0', parameters: toBase64Url(new Uint8Array(Float64Array.of(number, 1).buffer)) }
    return contributionOf(goal, pack, signers[number % signers.length], { network })
  }
}
