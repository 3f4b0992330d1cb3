import type { MmrPath } from '../../../src/kernel/log/verify.ts'
import { naiveLeaf, naiveNode } from './naive-tree.ts'

/** RFC 9162 §2.1 over a tree of any size of which nothing is stored: the root of a perfect subtree comes from a function. */
export class FunctionTree {
  readonly #perfect: (level: number, position: number) => Uint8Array
  readonly #ragged = new Map<string, Uint8Array>()

  /** `perfect` gives the root of the 2^`level` leaves at `position`. */
  constructor(perfect: (level: number, position: number) => Uint8Array) {
    this.#perfect = perfect
  }

  leaf(index: number): Uint8Array {
    return this.#perfect(0, index)
  }

  root(size: number): Uint8Array {
    return this.#range(0, size)
  }

  inclusion(index: number, size: number): Uint8Array[] {
    return this.#path(index, 0, size)
  }

  /** The Mountain Range form: inside the leaf's own perfect subtree, then the roots of the others. */
  mmr(index: number, size: number): MmrPath {
    let siblings: Uint8Array[] = []
    const peaks: Uint8Array[] = []
    let start = 0
    for (let rest = size; rest > 0; ) {
      const width = 2 ** Math.floor(Math.log2(rest))
      if (index >= start && index < start + width) siblings = this.#path(index, start, start + width)
      else peaks.push(this.#range(start, start + width))
      start += width
      rest -= width
    }
    return { siblings, peaks }
  }

  consistency(from: number, to: number): Uint8Array[] {
    return this.#subproof(from, 0, to, true)
  }

  #range(start: number, end: number): Uint8Array {
    const level = Math.log2(end - start)
    if (Number.isInteger(level)) return this.#perfect(level, start / (end - start))
    const key = `${start}-${end}`
    const middle = start + split(end - start)
    const hash = this.#ragged.get(key) ?? naiveNode(this.#range(start, middle), this.#range(middle, end))
    this.#ragged.set(key, hash)
    return hash
  }

  #path(index: number, start: number, end: number): Uint8Array[] {
    if (end - start === 1) return []
    const middle = start + split(end - start)
    if (index < middle) return [...this.#path(index, start, middle), this.#range(middle, end)]
    return [...this.#path(index, middle, end), this.#range(start, middle)]
  }

  #subproof(from: number, start: number, end: number, whole: boolean): Uint8Array[] {
    if (from === end) return whole ? [] : [this.#range(start, end)]
    const middle = start + split(end - start)
    if (from <= middle) return [...this.#subproof(from, start, middle, whole), this.#range(middle, end)]
    return [...this.#subproof(from, middle, end, false), this.#range(start, middle)]
  }
}

function split(n: number): number {
  let k = 1
  while (2 * k < n) k *= 2
  return k
}

/** A tree of `size` different leaves. */
export function numberedTree(size: number): FunctionTree {
  const levels = [Array.from({ length: size }, (_, i) => naiveLeaf(new Uint8Array([i >> 8, i & 0xff])))]
  while (levels.at(-1)!.length > 1) {
    const below = levels.at(-1)!
    levels.push(Array.from({ length: below.length >> 1 }, (_, i) => naiveNode(below[2 * i]!, below[2 * i + 1]!)))
  }
  return new FunctionTree((level, position) => levels[level]![position]!)
}

/** A tree of up to 2^53 leaves, which are all alike but for those at `special`. */
export function sparseTree(special: readonly number[]): FunctionTree {
  const plain = [naiveLeaf(new Uint8Array())]
  const known = new Map<string, Uint8Array>()
  const perfect = (level: number, position: number): Uint8Array => {
    const key = `${level}/${position}`
    const hash = known.get(key) ?? make(level, position)
    known.set(key, hash)
    return hash
  }
  const make = (level: number, position: number): Uint8Array => {
    while (plain.length <= level) plain.push(naiveNode(plain.at(-1)!, plain.at(-1)!))
    const inside = special.filter((index) => Math.floor(index / 2 ** level) === position)
    if (inside.length === 0) return plain[level]!
    if (level === 0) return naiveLeaf(new TextEncoder().encode(String(position)))
    return naiveNode(perfect(level - 1, 2 * position), perfect(level - 1, 2 * position + 1))
  }
  return new FunctionTree(perfect)
}
