import { BudgetMap } from '../../kernel/base/budget-map.ts'

/** Answers of one peer that are remembered: the newest. */
const WINDOW = 32
/** Peers that are remembered; beyond it the one that was asked longest ago makes room. */
const PEERS = 10_000
/** Answers from which on a quantile says something. */
const ENOUGH = 5
/** Milliseconds within which a peer that is not known yet should answer. */
const UNKNOWN_MS = 250
/** A hedge costs an ask: one that comes sooner than a peer's jitter is wasted, one that comes later helps nobody. */
const LEAST_MS = 20
const MOST_MS = 1000

/** How long peers take to answer: the newest of each, in milliseconds. */
export class AnswerTimes {
  readonly #times = new BudgetMap<string, number[]>(PEERS)

  add(peer: string, ms: number): void {
    const times = this.#times.get(peer) ?? []
    this.#times.set(peer, times)
    times.push(ms)
    if (times.length > WINDOW) times.shift()
  }

  /** Milliseconds after which a peer is slower than in nine of ten answers, so that somebody else is asked beside it. */
  hedgeMs(peer: string): number {
    const times = this.#times.get(peer)
    if (times === undefined || times.length < ENOUGH) return UNKNOWN_MS
    const sorted = times.toSorted((a, b) => a - b)
    return Math.min(MOST_MS, Math.max(LEAST_MS, sorted[Math.ceil(sorted.length * 0.9) - 1]!))
  }
}
