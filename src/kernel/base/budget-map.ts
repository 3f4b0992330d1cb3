/** A map whose entries have weights that together stay within a budget: the entry that was set longest ago goes first. */
export class BudgetMap<Key, Value> {
  readonly #entries = new Map<Key, { readonly value: Value; readonly weight: number }>()
  readonly #budget: number
  #weight = 0

  /** `budget` is in the unit of the weights. */
  constructor(budget: number) {
    this.#budget = budget
  }

  /** How many entries there are. */
  get size(): number {
    return this.#entries.size
  }

  /** The weights of all entries together. */
  get weight(): number {
    return this.#weight
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)?.value
  }

  /** Sets an entry, as the newest. One that weighs more than the whole budget is not kept. Without weights, the budget is a number of entries. */
  set(key: Key, value: Value, weight = 1): void {
    this.delete(key)
    if (weight > this.#budget) return
    this.#entries.set(key, { value, weight })
    this.#weight += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#budget) return
      this.delete(oldest)
    }
  }

  delete(key: Key): void {
    this.#weight -= this.#entries.get(key)?.weight ?? 0
    this.#entries.delete(key)
  }

  /** Deletes every entry for whose value `condition` holds. */
  deleteWhere(condition: (value: Value) => boolean): void {
    for (const [key, { value }] of this.#entries) if (condition(value)) this.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#weight = 0
  }
}
