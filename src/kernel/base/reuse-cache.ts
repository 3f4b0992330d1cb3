import { BudgetMap } from './budget-map.ts'

/**
 * A cache within a budget that keeps what is asked for again. Keeping everything that was asked for once would fill it with what nobody
 * comes back to, and cost the garbage collector more than it saves: what is kept for a short while is copied before it is thrown away.
 */
export class ReuseCache<Value> {
  readonly #kept: BudgetMap<string, Value>
  readonly #remembered: number
  /** Keys that were offered once, in two generations: when the young one is full it becomes the old one. */
  #young = new Set<string>()
  #old = new Set<string>()

  /** `budget` is in the unit of the weights, `remembered` the number of keys of a generation. */
  constructor(budget: number, remembered: number) {
    this.#kept = new BudgetMap(budget)
    this.#remembered = remembered
  }

  get(key: string): Value | undefined {
    return this.#kept.get(key)
  }

  /** Keeps the value when its key was offered before, and not long ago. */
  offer(key: string, value: Value, weight: number): void {
    if (this.#young.delete(key) || this.#old.delete(key)) {
      this.#kept.set(key, value, weight)
      return
    }
    if (this.#young.size >= this.#remembered) {
      this.#old = this.#young
      this.#young = new Set()
    }
    this.#young.add(key)
  }

  delete(key: string): void {
    this.#kept.delete(key)
  }
}
