import type { ProviderHealth } from '../../protocol/discovery.ts'
import type { NodeEvent } from '../../protocol/events.ts'

/** Milliseconds of a bucket, and how many make the window of five minutes. */
const BUCKET_MS = 10_000
const BUCKETS = 30

/** What the event stream tells of a moment. */
export type TrafficSample = Extract<NodeEvent, { type: 'traffic_sample' }>['data']

/** What was answered in the last five minutes, of all routes, in a ring of buckets. Recording touches plain numbers only. */
export class Traffic {
  readonly #now: () => number
  readonly #startedAt: number
  readonly #numbers = new Float64Array(BUCKETS)
  readonly #answers = new Float64Array(BUCKETS)
  readonly #failures = new Float64Array(BUCKETS)
  readonly #milliseconds = new Float64Array(BUCKETS)
  #sampledAt: number
  #sample = { requests: 0, failures: 0, milliseconds: 0, slowest: 0 }

  /** `now` in milliseconds that only grow. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#startedAt = now()
    this.#sampledAt = this.#startedAt
    this.#numbers.fill(-1)
  }

  /** One request ended with `status` after `ms` milliseconds. */
  record(status: number, ms: number): void {
    const number = Math.floor(this.#now() / BUCKET_MS)
    const at = number % BUCKETS
    if (this.#numbers[at] !== number) {
      this.#numbers[at] = number
      this.#answers[at] = 0
      this.#failures[at] = 0
      this.#milliseconds[at] = 0
    }
    this.#answers[at]! += 1
    this.#milliseconds[at]! += ms
    if (status >= 500) this.#failures[at]! += 1
    const sample = this.#sample
    sample.requests++
    sample.milliseconds += ms
    if (status >= 500) sample.failures++
    if (ms > sample.slowest) sample.slowest = ms
  }

  /** What was answered since the last call. */
  sample(): TrafficSample {
    const now = this.#now()
    const { requests, failures, milliseconds, slowest } = this.#sample
    const seconds = Math.max(0.001, (now - this.#sampledAt) / 1000)
    this.#sample = { requests: 0, failures: 0, milliseconds: 0, slowest: 0 }
    this.#sampledAt = now
    const isIdle = requests === 0
    return {
      seconds,
      requests,
      failures,
      average_ms: isIdle ? null : milliseconds / requests,
      slowest_ms: isIdle ? null : slowest,
    }
  }

  /** Rate per second, since the start where that is less than the window. */
  metrics(): ProviderHealth['metrics'] {
    const now = this.#now()
    const oldest = Math.floor(now / BUCKET_MS) - BUCKETS + 1
    let answers = 0
    let failures = 0
    let milliseconds = 0
    for (let at = 0; at < BUCKETS; at++) {
      if (this.#numbers[at]! < oldest) continue
      answers += this.#answers[at]!
      failures += this.#failures[at]!
      milliseconds += this.#milliseconds[at]!
    }
    // A burst right after the start is no rate yet.
    const seconds = Math.max(1, (now - Math.max(this.#startedAt, oldest * BUCKET_MS)) / 1000)
    return {
      current_request_rate: answers / seconds,
      average_response_time_ms: answers === 0 ? null : milliseconds / answers,
      success_rate_percent: answers === 0 ? null : ((answers - failures) / answers) * 100,
    }
  }
}
