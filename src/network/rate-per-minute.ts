import { BudgetMap } from '../kernel/base/budget-map.ts'

const MINUTE_MS = 60_000
/** Keys that are remembered; beyond it the oldest make room. */
const REMEMBERED = 10_000

/** How often something happened in the last minute, per key. */
export class RatePerMinute {
  readonly #most: number
  readonly #now: () => number
  readonly #times = new BudgetMap<string, number[]>(REMEMBERED)

  constructor(most: number, now: () => number = Date.now) {
    this.#most = most
    this.#now = now
  }

  /** Whether one more would be too many. */
  isFull(key: string): boolean {
    return this.#recent(key).length >= this.#most
  }

  /** Counts one more. False, and not counted, when it would be too many. */
  take(key: string): boolean {
    const recent = this.#recent(key)
    if (recent.length >= this.#most) return false
    recent.push(this.#now())
    this.#times.set(key, recent)
    return true
  }

  #recent(key: string): number[] {
    const now = this.#now()
    return (this.#times.get(key) ?? []).filter((at) => now - at < MINUTE_MS)
  }
}
