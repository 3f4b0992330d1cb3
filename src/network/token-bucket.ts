/** A rate with a burst: `perSecond` tokens come in each second, and at most `burst` of them are kept. It starts full. */
export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #at: number

  constructor(perSecond: number, burst: number, now: number = performance.now()) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#tokens = burst
    this.#at = now
  }

  /** Takes tokens, if there are as many. */
  take(count = 1, now: number = performance.now()): boolean {
    this.#fill(now)
    if (this.#tokens < count) return false
    this.#tokens -= count
    return true
  }

  /** Takes a token that may still have to come, and tells in how many milliseconds it does. */
  reserve(now: number = performance.now()): number {
    this.#fill(now)
    this.#tokens--
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs
  }

  /** The same, unless the token comes later than in `most` milliseconds: then none is taken, and it is undefined. */
  reserveWithin(most: number, now: number = performance.now()): number | undefined {
    this.#fill(now)
    const wait = Math.max(0, (1 - this.#tokens) / this.#perMs)
    if (wait > most) return undefined
    this.#tokens--
    return wait
  }

  /** Whether nothing has been taken for so long that a new one is the same. */
  isFull(now: number = performance.now()): boolean {
    this.#fill(now)
    return this.#tokens >= this.#burst
  }

  #fill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#at) * this.#perMs)
    this.#at = now
  }
}

/** Buckets that are kept; full ones are dropped when there are more. */
const KEPT = 4096

/** One bucket for each of many, who may come and go. */
export class TokenBuckets {
  readonly #perSecond: number
  readonly #burst: number
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond
    this.#burst = burst
  }

  of(key: string): TokenBucket {
    const known = this.#buckets.get(key)
    if (known !== undefined) return known
    if (this.#buckets.size >= KEPT) this.#dropSome()
    const bucket = new TokenBucket(this.#perSecond, this.#burst)
    this.#buckets.set(key, bucket)
    return bucket
  }

  /** Those that say nothing; when all do, the oldest tenth. */
  #dropSome(): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull()) this.#buckets.delete(key)
    if (this.#buckets.size < KEPT) return
    for (const key of [...this.#buckets.keys()].slice(0, KEPT / 10)) this.#buckets.delete(key)
  }
}
