/** Numbers that look random, the same for every run with the same seed. */
export interface Random {
  /** From 0 to below 1. */
  next(): number
  /** A whole number from 0 to below `below`. */
  below(below: number): number
  /** `count` different items, or all where there are fewer. */
  some<T>(items: readonly T[], count: number): T[]
}

/** The generator mulberry32. */
export function random(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    below,
    some(items, count) {
      const left = [...items]
      const chosen = []
      while (chosen.length < count && left.length > 0) chosen.push(...left.splice(below(left.length), 1))
      return chosen
    },
  }
}
