import type { Goal, GoalMetrics } from '../../../protocol/goal.ts'

const NAMES = ['reward', 'risk', 'complexity'] as const

/**
 * What the evaluations of a pack with a goal's seeds come to: the means, summed in the order of the seeds. Undefined where a number is not
 * finite. Minus zero becomes zero, because JSON knows one only.
 */
export function meanMetrics(results: readonly GoalMetrics[]): GoalMetrics | undefined {
  const mean = { reward: 0, risk: 0, complexity: 0 }
  for (const name of NAMES) {
    let sum = 0
    for (const result of results) sum += result[name]
    mean[name] = withoutMinus(sum / results.length)
  }
  return NAMES.every((name) => Number.isFinite(mean[name])) ? mean : undefined
}

/**
 * `weights.reward · reward + weights.risk · risk + weights.complexity · complexity`, each product and sum rounded as IEEE 754 binary64 is,
 * from left to right. Undefined where that is not finite.
 */
export function scoreOf({ weights }: Pick<Goal, 'weights'>, metrics: GoalMetrics): number | undefined {
  const { reward, risk, complexity } = metrics
  const score = weights.reward * reward + weights.risk * risk + weights.complexity * complexity
  return Number.isFinite(score) ? withoutMinus(score) : undefined
}

const withoutMinus = (value: number): number => (value === 0 ? 0 : value)
