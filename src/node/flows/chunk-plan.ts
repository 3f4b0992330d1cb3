/** A run of chunks of a package: `from` is the first one, `to` the one behind the last. */
export interface ChunkRange {
  readonly from: number
  readonly to: number
}

/** Milliseconds of a source's own speed that one range is worth. */
const RANGE_MS = 200
/** Chunks of a range at most: two are under way per source, as much as the window of a stream. */
const MOST = 8
/** Chunks of the first range of a source, whose speed nobody knows. */
const FIRST = 2
/** Milliseconds without a chunk after which others are asked for what a source owes. */
const LATE_MS = 2000
/** How much longer than the one who takes it over a source must need for what it owes. */
const SLOWER = 2

/** What a source was asked for, and how fast it was. */
interface Source {
  /** Chunks that it owes, lowest first. */
  readonly owes: Set<number>
  /** Milliseconds in which it owed something. */
  busyMs: number
  /** When it began to owe, or brought a chunk last. */
  since: number
  chunks: number
}

/**
 * Which chunks are asked of whom. They are given out from the front, so that readers of the beginning wait least; what a source owes for too long is given
 * to another one as well, and so is the end of what the slowest one owes when nothing else is left. Whoever brings a chunk first is taken.
 */
export class ChunkPlan {
  readonly #here: Uint8Array
  /** How many sources owe a chunk. */
  readonly #asked: Uint8Array
  readonly #sources = new Map<string, Source>()
  readonly #now: () => number
  #left: number
  /** All chunks before it are here. */
  #front = 0
  #waiting: (() => void)[] = []

  constructor(chunks: number, now: () => number = () => performance.now()) {
    this.#here = new Uint8Array(chunks)
    this.#asked = new Uint8Array(chunks)
    this.#left = chunks
    this.#now = now
  }

  get isComplete(): boolean {
    return this.#left === 0
  }

  has(chunk: number): boolean {
    return this.#here[chunk] === 1
  }

  /** Whether there is something to ask `source` for. */
  hasFor(source: string): boolean {
    return this.#find(source, 1) !== undefined
  }

  /** What to ask `source` for next, at most `most` chunks; undefined when there is nothing now. */
  take(source: string, most: number = MOST): ChunkRange | undefined {
    const range = this.#find(source, most)
    if (range === undefined) return undefined
    const mine = this.#source(source)
    if (mine.owes.size === 0) mine.since = this.#now()
    for (let chunk = range.from; chunk < range.to; chunk++) {
      mine.owes.add(chunk)
      this.#asked[chunk]!++
    }
    return range
  }

  #find(source: string, most: number): ChunkRange | undefined {
    const mine = this.#source(source)
    const atMost = Math.min(most, rangeOf(mine))
    const late = this.#late(source)
    const isWanted = (chunk: number): boolean =>
      chunk < this.#here.length &&
      this.#here[chunk] === 0 &&
      (this.#asked[chunk] === 0 || (this.#asked[chunk] === 1 && late.has(chunk)))
    let from = this.#front
    while (from < this.#here.length && !isWanted(from)) from++
    if (from === this.#here.length) return this.#end(mine, atMost)
    let to = from + 1
    while (to - from < atMost && isWanted(to)) to++
    return { from, to }
  }

  /** A source brought a chunk, good and new, or one that was here. */
  brought(source: string, chunk: number): void {
    const theirs = this.#source(source)
    if (theirs.owes.delete(chunk)) this.#asked[chunk]!--
    const now = this.#now()
    theirs.busyMs += now - theirs.since
    theirs.since = now
    theirs.chunks++
    if (this.#here[chunk] === 1) return
    this.#here[chunk] = 1
    this.#left--
    while (this.#here[this.#front] === 1) this.#front++
    if (this.isComplete) this.#wake()
  }

  /** A source brings nothing more of what it was asked for. */
  gaveUp(source: string): void {
    const { owes } = this.#source(source)
    for (const chunk of owes) this.#asked[chunk]!--
    owes.clear()
    this.#wake()
  }

  /** Resolves when there may be something to take, which the passing of time can bring too, or when everything is here. */
  async changed(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, RANGE_MS)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }

  #source(name: string): Source {
    const known = this.#sources.get(name)
    if (known !== undefined) return known
    const source: Source = { owes: new Set(), busyMs: 0, since: 0, chunks: 0 }
    this.#sources.set(name, source)
    return source
  }

  /** Chunks that sources other than `name` owe for too long. */
  #late(name: string): Set<number> {
    const late = new Set<number>()
    const before = this.#now() - LATE_MS
    for (const [other, { owes, since }] of this.#sources) {
      if (other !== name && since < before) for (const chunk of owes) late.add(chunk)
    }
    return late
  }

  /** The end of what the slowest source owes, so much that both are ready at the same time. */
  #end(mine: Source, atMost: number): ChunkRange | undefined {
    const speed = speedOf(mine)
    // Nobody knows yet whether this source is any faster.
    if (speed === 0) return undefined
    const [slowest] = [...this.#sources.values()]
      .map((source) => ({ source, alone: [...source.owes].filter((chunk) => this.#asked[chunk] === 1) }))
      .filter(({ source, alone }) => source !== mine && alone.length > 0)
      .sort((a, b) => msFor(b.source) - msFor(a.source))
    if (slowest === undefined || msFor(slowest.source) < (SLOWER * (mine.owes.size + 1)) / speed) return undefined
    const { source, alone } = slowest
    const share = Math.max(1, Math.floor((alone.length * speed) / (speed + speedOf(source))))
    alone.sort((a, b) => b - a)
    const to = alone[0]! + 1
    let from = to - 1
    for (const chunk of alone.slice(1, Math.min(share, atMost))) {
      if (chunk !== from - 1) break
      from = chunk
    }
    return { from, to }
  }
}

/** Chunks per millisecond; 0 while nobody knows. */
const speedOf = ({ chunks, busyMs }: Source): number => (chunks === 0 ? 0 : chunks / Math.max(busyMs, 1))

/** Milliseconds that a source needs for what it owes. */
const msFor = (source: Source): number =>
  speedOf(source) === 0 ? Number.POSITIVE_INFINITY : source.owes.size / speedOf(source)

const rangeOf = (source: Source): number =>
  source.chunks === 0 ? FIRST : Math.min(MOST, Math.max(1, Math.round(speedOf(source) * RANGE_MS)))
