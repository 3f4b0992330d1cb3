import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { HyperLogLog } from 'hyperlolo'

/** 2^10 registers: a standard error of 3 %. */
const PRECISION = 10

/** Counts distinct digests, about, in a kilobyte. */
export interface DistinctCounter {
  add(digest: string): void
  /** The estimate. */
  readonly count: number
  toText(): string
}

export interface DistinctCounters {
  create(): DistinctCounter
  /** Of what `toText` gave. */
  read(text: string): DistinctCounter
  /** Several, counted together. */
  union(texts: readonly string[]): DistinctCounter
}

let counters: Promise<DistinctCounters> | undefined

/** The library takes 12 MB and 90 ms to load: a node to which nobody sends signed reports does without. */
export function loadDistinctCounters(): Promise<DistinctCounters> {
  counters ??= import('hyperlolo').then(({ HyperLogLog }) => ({
    create: () => new Counter(new HyperLogLog({ precision: PRECISION })),
    read: (text) => new Counter(HyperLogLog.deserialize(unpack(text))),
    union: (texts) => new Counter(HyperLogLog.deserialize(texts.map(unpack).reduce(larger))),
  }))
  return counters
}

class Counter implements DistinctCounter {
  readonly #sketch: HyperLogLog

  constructor(sketch: HyperLogLog) {
    this.#sketch = sketch
  }

  add(digest: string): void {
    this.#sketch.add(digest)
  }

  get count(): number {
    return Math.round(this.#sketch.count())
  }

  /** Mostly zeros while few were counted, so it is worth compressing. */
  toText(): string {
    return deflateRawSync(this.#sketch.serialize()).toString('base64')
  }
}

const unpack = (text: string): Buffer => inflateRawSync(Buffer.from(text, 'base64'))

/**
 * Serialised counters differ in their registers alone, of which a union has the larger ones. The library's own merge is ten times slower,
 * because it makes a counter each time.
 */
function larger(a: Buffer, b: Buffer): Buffer {
  for (let index = 0; index < b.length; index++) if (b[index]! > a[index]!) a[index] = b[index]!
  return a
}
