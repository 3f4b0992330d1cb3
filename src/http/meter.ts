import type { Metrics } from '../kernel/telemetry/metrics.ts'

/** Seconds. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
/** Durations that are held back before they reach the histogram. */
const HELD = 1024

/** Hears of every request that ended, with its status and its milliseconds. */
export type RequestEnded = (status: number, ms: number) => void

/** Counts the requests of one route. Recording touches plain numbers only; the registry sees them when it is scraped. */
export class RouteMeter {
  readonly route: string
  readonly statuses = new Map<number, number>()
  readonly #held = new Float64Array(HELD)
  #count = 0
  readonly #ended: RequestEnded
  readonly #observe: (seconds: number) => void

  constructor(route: string, ended: RequestEnded, observe: (seconds: number) => void) {
    this.route = route
    this.#ended = ended
    this.#observe = observe
  }

  /** One request ended with `status` after `ms` milliseconds. */
  record(status: number, ms: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    this.#held[this.#count++] = ms
    if (this.#count === HELD) this.flush()
    this.#ended(status, ms)
  }

  /** Moves the durations held back into the histogram. */
  flush(): void {
    for (let i = 0; i < this.#count; i++) this.#observe(this.#held[i]! / 1000)
    this.#count = 0
  }
}

/** Registers the HTTP metrics, and returns how to make a route's meter. */
export function createMeters(metrics: Metrics, ended: RequestEnded): (route: string) => RouteMeter {
  const meters: RouteMeter[] = []
  metrics.counted({
    name: 'cytoplex_http_requests_total',
    help: 'HTTP requests, by route and status',
    labels: ['route', 'status'],
    *read() {
      for (const { route, statuses } of meters) {
        for (const [status, count] of statuses) yield [{ route, status: String(status) }, count]
      }
    },
  })
  const durations = metrics.histogram({
    name: 'cytoplex_http_request_duration_seconds',
    help: 'Time from the head of a request to its answer, by route',
    labels: ['route'],
    buckets: BUCKETS,
    collect() {
      for (const meter of meters) meter.flush()
    },
  })
  return (route) => {
    const meter = new RouteMeter(route, ended, (seconds) => durations.observe({ route }, seconds))
    meters.push(meter)
    return meter
  }
}
