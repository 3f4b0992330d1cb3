import type { GoalLogPage } from '../../protocol/goal-api.ts'

type Leaf = Pick<GoalLogPage['entries'][number], 'log_index' | 'leaf'>

interface Scored {
  readonly index: number
  readonly score: number
  readonly reward: number
  readonly risk: number
}

/** Columns of a chart: index of a leaf, the best score up to it, and its own. */
export function bestSoFar(leaves: readonly Leaf[]): [number[], number[], number[]] {
  const scored = leaves.flatMap(scoredOf)
  let best = Number.NEGATIVE_INFINITY
  const bests = scored.map(({ score }) => {
    best = Math.max(best, score)
    return best
  })
  return [scored.map(({ index }) => index), bests, scored.map(({ score }) => score)]
}

/** Columns of a chart: risk, ascending; the reward of each contribution; and of those with more reward than all with no more risk, again. */
export function frontOf(leaves: readonly Leaf[]): [number[], number[], (number | null)[]] {
  const byRisk = leaves.flatMap(scoredOf).sort((a, b) => a.risk - b.risk || b.reward - a.reward)
  let best = Number.NEGATIVE_INFINITY
  const front = byRisk.map(({ reward }) => {
    if (reward <= best) return null
    best = reward
    return reward
  })
  return [byRisk.map(({ risk }) => risk), byRisk.map(({ reward }) => reward), front]
}

/** What a leaf says of a contribution; nothing where it says something else. */
function scoredOf({ log_index: index, leaf }: Leaf): Scored[] {
  try {
    const { score, metrics } = JSON.parse(leaf) as { score?: unknown; metrics?: { reward?: unknown; risk?: unknown } }
    const [reward, risk] = [metrics?.reward, metrics?.risk]
    if (typeof score !== 'number' || typeof reward !== 'number' || typeof risk !== 'number') return []
    return [{ index, score, reward, risk }]
  } catch {
    return []
  }
}
