import type { Goal, GoalMetrics } from '../../../protocol/goal.ts'
import { leafHash, merkleRoot } from '../../kernel/base/merkle.ts'

/** An accepted contribution. */
export interface Standing {
  /** The contribution's. */
  readonly id: string
  readonly pack: string
  readonly contributor: string
  readonly score: number
  readonly metrics: GoalMetrics
  readonly logIndex: number
  /** Unix milliseconds at which this node accepted it. */
  readonly at: number
}

/**
 * The best packs of a goal, best first: the higher score, of equal ones the smaller pack hash. A pack that several contributed counts for the
 * contribution with the smallest id. In the mode `pareto` only packs are on it to which no other is superior: at least as good in reward,
 * risk and complexity, and better in one. What is on it depends on the accepted contributions alone, not on their order.
 */
export class Leaderboard {
  readonly #mode: Goal['mode']
  readonly #capacity: number
  /** Pack → its contributions, smallest id first. */
  readonly #packs = new Map<string, readonly Standing[]>()
  readonly #order: (a: Standing, b: Standing) => number
  /** The first of each pack, in the order that the mode needs. */
  readonly #sorted: Standing[] = []
  #board: readonly Standing[] | undefined
  #root: Uint8Array | undefined
  readonly #leaves = new WeakMap<Standing, Uint8Array>()

  constructor({ mode, capacity }: Pick<Goal, 'mode' | 'capacity'>) {
    this.#mode = mode
    this.#capacity = capacity
    this.#order = mode === 'scalar' ? byRank : byMetrics
  }

  add(standing: Standing): void {
    const before = this.#packs.get(standing.pack) ?? []
    this.#replace(
      before,
      [...before, standing].sort((a, b) => (a.id < b.id ? -1 : 1)),
      standing.pack,
    )
  }

  /** Without effect for one that is not there. */
  remove({ id, pack }: Pick<Standing, 'id' | 'pack'>): void {
    const before = this.#packs.get(pack) ?? []
    const after = before.filter((one) => one.id !== id)
    this.#replace(before, after, pack)
  }

  /** At most the goal's capacity. */
  entries(): readonly Standing[] {
    this.#board ??= (this.#mode === 'scalar' ? this.#sorted : front(this.#sorted).sort(byRank)).slice(0, this.#capacity)
    return this.#board
  }

  /**
   * RFC 9162 tree over the entries, best first. A leaf is 140 bytes: pack hash, contributor id (20 bytes), contribution id, then score, reward,
   * risk and complexity as big-endian IEEE 754 binary64.
   */
  root(): Uint8Array {
    this.#root ??= merkleRoot(this.entries().map((entry) => this.#leafOf(entry)))
    return this.#root
  }

  /** Most entries stay from one root to the next. */
  #leafOf(entry: Standing): Uint8Array {
    const known = this.#leaves.get(entry)
    if (known !== undefined) return known
    const leaf = leafHash(entryBytes(entry))
    this.#leaves.set(entry, leaf)
    return leaf
  }

  #replace(before: readonly Standing[], after: readonly Standing[], pack: string): void {
    if (after.length > 0) this.#packs.set(pack, after)
    else this.#packs.delete(pack)
    const [old] = before
    const [standing] = after
    if (old === standing) return
    if (old !== undefined) this.#sorted.splice(this.#placeOf(old), 1)
    if (standing !== undefined) this.#sorted.splice(this.#placeOf(standing), 0, standing)
    this.#board = undefined
    this.#root = undefined
  }

  /** How many are before it. */
  #placeOf(standing: Standing): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#order(this.#sorted[middle]!, standing) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** No two standings have the same pack. */
const byRank = (a: Standing, b: Standing): number =>
  b.score - a.score || (a.pack < b.pack ? -1 : a.pack > b.pack ? 1 : 0)

/** More reward, then less risk, then less complexity first. So whoever is superior to another is before it. */
const byMetrics = (a: Standing, b: Standing): number =>
  b.metrics.reward - a.metrics.reward ||
  a.metrics.risk - b.metrics.risk ||
  a.metrics.complexity - b.metrics.complexity ||
  byRank(a, b)

/** Those to which no other is superior, of all in the order of their metrics. */
function front(sorted: readonly Standing[]): Standing[] {
  const kept: Standing[] = []
  // What those seen so far reach in risk and complexity: rising risk, falling complexity.
  const stairs: GoalMetrics[] = []
  for (const one of sorted) {
    const { metrics } = one
    const last = kept.at(-1)?.metrics
    if (last !== undefined && byAll(last, metrics)) {
      kept.push(one)
      continue
    }
    const next = stairs.findIndex(({ risk }) => risk > metrics.risk)
    const at = next === -1 ? stairs.length : next
    if (at > 0 && stairs[at - 1]!.complexity <= metrics.complexity) continue
    kept.push(one)
    const first = at > 0 && stairs[at - 1]!.risk === metrics.risk ? at - 1 : at
    const rest = stairs.findIndex(({ complexity }, i) => i >= first && complexity < metrics.complexity)
    stairs.splice(first, (rest === -1 ? stairs.length : rest) - first, metrics)
  }
  return kept
}

const byAll = (a: GoalMetrics, b: GoalMetrics): boolean =>
  a.reward === b.reward && a.risk === b.risk && a.complexity === b.complexity

function entryBytes({ pack, contributor, id, score, metrics }: Standing): Uint8Array {
  const numbers = Buffer.alloc(32)
  for (const [i, value] of [score, metrics.reward, metrics.risk, metrics.complexity].entries()) {
    numbers.writeDoubleBE(value, i * 8)
  }
  return Buffer.concat([Buffer.from(pack + contributor + id, 'hex'), numbers])
}
