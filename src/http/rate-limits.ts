import { getRandomValues } from 'node:crypto'
import type { Clock } from '../kernel/base/clock.ts'

/** Counters per row, a power of two. */
const SLOTS = 2 ** 17
/** Counters of one client, each in a row of its own. */
const ROWS = 4
/** Part of a request that rounding may cost or give. */
const ROUNDING = 1e-3

/** What one client may do, under one limit. Costs a hash to find; who keeps it, with a connection say, saves that. */
export interface Bucket {
  /** Requests per period, and the burst: a bucket starts full. */
  readonly limit: number
  /** Milliseconds after which one request is given back. */
  readonly costMs: number
  /** Where its counters are. */
  readonly slots: readonly number[]
}

/** What became of a request, and what is left in the fullest of its buckets. */
export interface RateVerdict {
  readonly allowed: boolean
  readonly limit: number
  readonly remaining: number
  /** Epoch seconds at which the bucket is full again when nothing more is taken. */
  readonly reset: number
  /** Seconds until the next request is allowed; 0 when this one was. */
  readonly retryAfter: number
}

export interface RateLimitsOptions {
  readonly clock: Clock
  /** Milliseconds in which an empty bucket becomes full. One minute unless given. */
  readonly periodMs?: number
}

/**
 * Token buckets for any number of clients in a fixed 4 MiB.
 *
 * A bucket is one number: the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371). A request moves that
 * time on by period/limit, and is refused when it would then be more than a period away.
 *
 * There is no table of clients that an attacker could fill, and nothing to evict, which would give him a full bucket again. Each client
 * has a counter in each of four rows, at places given by a keyed hash, and the smallest of the four counts: a count-min sketch with
 * conservative update (Cormode and Muthukrishnan 2005, Estan and Varghese 2002). So nobody ever gets more than his limit. A client who
 * shares counters with busy ones notices nothing as long as one of his four is quiet. To keep a part f of all counters exhausted takes
 * f × 131,072 × limit requests per period, from however many addresses: at 600 a minute and f = 4 % some 50,000 a second, more than a
 * node answers; a quiet client would then be refused wrongly with probability f⁴, three in a million.
 */
export class RateLimits {
  readonly #clock: Clock
  readonly #periodMs: number
  /** Start of the scale of the counters, which keeps them exact to nanoseconds. */
  readonly #origin: number
  /** Milliseconds since the origin at which each bucket is full again. */
  readonly #fullAt = new Float64Array(ROWS * SLOTS)
  readonly #seed = getRandomValues(new Uint32Array(2))

  constructor({ clock, periodMs = 60_000 }: RateLimitsOptions) {
    this.#clock = clock
    this.#periodMs = periodMs
    this.#origin = clock.now()
  }

  /**
   * The bucket of `client`, of which `limit` requests per period may be taken. Kinds of clients keep apart by a prefix: `key:…`,
   * `address:…`. The same client must always come with the same limit; another limit is another name.
   */
  bucket(client: string, limit: number): Bucket {
    const [first, second] = keyedHash(client, this.#seed)
    const slots: number[] = []
    // Two hashes make all places (Kirsch and Mitzenmacher 2006).
    for (let row = 0; row < ROWS; row++) slots.push(row * SLOTS + ((first + row * second) & (SLOTS - 1)))
    return { limit, costMs: this.#periodMs / limit, slots }
  }

  /**
   * Takes one request out of every bucket, or, when one of them is empty, none out of any. Tells of the bucket with the fewest left. No
   * bucket, no limit: undefined.
   */
  take(buckets: readonly Bucket[]): RateVerdict | undefined {
    const time = this.#clock.now()
    const now = time - this.#origin
    let fewest: Bucket | undefined
    let left = Number.POSITIVE_INFINITY
    let fullAt = Number.NEGATIVE_INFINITY
    for (const bucket of buckets) {
      const after = this.#after(bucket, now)
      const leftHere = Math.floor((now + this.#periodMs - after) / bucket.costMs + ROUNDING)
      // Of several empty ones, the one to wait for.
      if (leftHere > left || (leftHere === left && after <= fullAt)) continue
      fewest = bucket
      left = leftHere
      fullAt = after
    }
    if (fewest === undefined) return undefined
    const { limit, costMs } = fewest
    if (left < 0) {
      const retryAfter = Math.max(1, Math.ceil((fullAt - this.#periodMs - now) / 1000))
      return { allowed: false, limit, remaining: 0, reset: this.#epochSeconds(fullAt - costMs), retryAfter }
    }
    for (const bucket of buckets) this.#set(bucket, this.#after(bucket, now), now)
    return { allowed: true, limit, remaining: left, reset: this.#epochSeconds(fullAt), retryAfter: 0 }
  }

  /** When the bucket would be full again after one more request. */
  #after({ slots, costMs }: Bucket, now: number): number {
    let fullAt = Number.POSITIVE_INFINITY
    for (const slot of slots) fullAt = Math.min(fullAt, this.#fullAt[slot]!)
    return (fullAt < now || this.#isStale(fullAt, now) ? now : fullAt) + costMs
  }

  /** Leaves counters that are further on as they are, because others pushed them there: the conservative update. */
  #set({ slots }: Bucket, fullAt: number, now: number): void {
    for (const slot of slots) {
      const held = this.#fullAt[slot]!
      if (held < fullAt || this.#isStale(held, now)) this.#fullAt[slot] = fullAt
    }
  }

  /** Requests fill a bucket for one period at most. What is much further off was written before the clock was set back. */
  #isStale(fullAt: number, now: number): boolean {
    return fullAt > now + 2 * this.#periodMs
  }

  #epochSeconds(fullAt: number): number {
    return Math.ceil((this.#origin + fullAt) / 1000)
  }
}

/**
 * The address that stands for a client: IPv4 as it is, also where it is mapped into IPv6 (RFC 4291 §2.5.5.2); of IPv6 the four groups of
 * its /64, the least that one site has (RFC 6177).
 */
export function clientAddress(remote: string): string {
  if (!remote.includes(':')) return remote
  const mapped = /^::ffff:([0-9.]+)$/i.exec(remote)
  if (mapped !== null) return mapped[1]!
  const [head = '', tail] = remote.toLowerCase().split('%', 1)[0]!.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  // The last 32 bits may be written as IPv4.
  const written = first.length + last.length + (remote.includes('.') ? 1 : 0)
  const zeros = Array<string>(Math.max(0, 8 - written)).fill('0')
  const groups = [...first, ...zeros, ...last].slice(0, 4)
  return groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':')
}

/** The headers of a verdict, names and values in turn. None where nothing is limited. */
export function rateLimitHeaders(verdict: RateVerdict | undefined): string[] {
  if (verdict === undefined) return []
  const headers = ['X-RateLimit-Limit', String(verdict.limit), 'X-RateLimit-Remaining', String(verdict.remaining)]
  headers.push('X-RateLimit-Reset', String(verdict.reset))
  if (!verdict.allowed) headers.push('Retry-After', String(verdict.retryAfter))
  return headers
}

/** Rounds after the last word, of each half. */
const FINAL_ROUNDS = 3

/**
 * HalfSipHash-1-3 with 64 bits of output (SipHash, Aumasson and Bernstein 2012, with 32-bit words) over UTF-16 code units: who does not
 * know the seed cannot choose a name that shares counters with another.
 */
function keyedHash(text: string, seed: Uint32Array): [number, number] {
  const k0 = seed[0]!
  const k1 = seed[1]!
  let v0 = k0
  let v1 = k1 ^ 0xee
  let v2 = k0 ^ 0x6c796765
  let v3 = k1 ^ 0x74656462
  let firstHalf = 0
  const words = (text.length >> 1) + 1
  for (let round = 0; round < words + 2 * FINAL_ROUNDS; round++) {
    let word = 0
    if (round < words) {
      // Two code units; in the last word the length takes the place of the second.
      const unit = 2 * round < text.length ? text.charCodeAt(2 * round) : 0
      word = unit | ((round === words - 1 ? text.length : text.charCodeAt(2 * round + 1)) << 16)
    } else if (round === words) {
      v2 ^= 0xee
    } else if (round === words + FINAL_ROUNDS) {
      firstHalf = v1 ^ v3
      v1 ^= 0xdd
    }
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  return [firstHalf >>> 0, (v1 ^ v3) >>> 0]
}
