import type { Category, EvaluationSet } from './evaluation-set.ts'
import type { Rank } from './rankings.ts'

/** Results among which the answers of a query are counted. */
const AMONG = 5

/** What a ranking is worth on queries of one kind. */
export interface Measures {
  readonly queries: number
  /** Part of the turns that answer a query which are among the first five results, on the average. */
  readonly recallAt5: number
  /** One by the place of the first of them, on the average; 0 where none is among the results. */
  readonly reciprocalRank: number
  /** Milliseconds of one search: median, and what one of a hundred is above. */
  readonly p50: number
  readonly p99: number
}

/** Measures by category; one after the other. */
export async function measure({ queries }: EvaluationSet, rank: Rank): Promise<Map<Category, Measures>> {
  const outcomes = new Map<Category, { recall: number; reciprocal: number; ms: number }[]>()
  for (const query of queries) {
    const started = performance.now()
    const keys = await rank(query)
    const ms = performance.now() - started
    const first = keys.findIndex((key) => query.answers.has(key))
    const found = keys.slice(0, AMONG).filter((key) => query.answers.has(key)).length
    const outcome = { recall: found / query.answers.size, reciprocal: first === -1 ? 0 : 1 / (first + 1), ms }
    outcomes.set(query.category, [...(outcomes.get(query.category) ?? []), outcome])
  }
  return new Map(
    [...outcomes].map(([category, list]) => {
      const times = list.map(({ ms }) => ms).sort((a, b) => a - b)
      return [
        category,
        {
          queries: list.length,
          recallAt5: mean(list.map(({ recall }) => recall)),
          reciprocalRank: mean(list.map(({ reciprocal }) => reciprocal)),
          p50: times[Math.floor(times.length / 2)]!,
          p99: times[Math.ceil(0.99 * times.length) - 1]!,
        },
      ]
    }),
  )
}

/** Over queries of several kinds, each query alike. Times are those of the slowest kind. */
export function together(measures: readonly Measures[]): Measures {
  const queries = measures.reduce((sum, one) => sum + one.queries, 0)
  const weighted = (of: (one: Measures) => number): number =>
    measures.reduce((sum, one) => sum + of(one) * one.queries, 0) / queries
  return {
    queries,
    recallAt5: weighted(({ recallAt5 }) => recallAt5),
    reciprocalRank: weighted(({ reciprocalRank }) => reciprocalRank),
    p50: Math.max(...measures.map(({ p50 }) => p50)),
    p99: Math.max(...measures.map(({ p99 }) => p99)),
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
