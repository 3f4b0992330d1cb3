/** Stands for all names that are not told apart. */
const OTHERS = ''

/** A weight per name, for the heaviest names; those that found no place are one. Bounds what strangers who invent names can store. */
export class Names {
  readonly #weights = new Map<string, number>()
  readonly #capacity: number
  #others = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** `undefined` is no name worth telling apart. */
  add(name: string | undefined, weight: number): void {
    if (weight === 0) return
    if (name === undefined || name === OTHERS) {
      this.#others += weight
      return
    }
    this.#weights.set(name, (this.#weights.get(name) ?? 0) + weight)
    if (this.#weights.size > this.#capacity) this.#dropLightest()
  }

  addAll(names: Readonly<Record<string, number>>): void {
    for (const name in names) this.add(name, names[name]!)
  }

  /** Heaviest first. */
  get heaviest(): [name: string, weight: number][] {
    return [...this.#weights].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  }

  get others(): number {
    return this.#others
  }

  get total(): number {
    let total = this.#others
    for (const weight of this.#weights.values()) total += weight
    return total
  }

  toJSON(): Record<string, number> {
    const names = Object.fromEntries(this.#weights)
    if (this.#others > 0) names[OTHERS] = this.#others
    return names
  }

  #dropLightest(): void {
    let lightest: string | undefined
    let least = Number.POSITIVE_INFINITY
    for (const [name, weight] of this.#weights) {
      if (weight >= least) continue
      lightest = name
      least = weight
    }
    if (lightest === undefined) return
    this.#weights.delete(lightest)
    this.#others += least
  }
}
