import type { Clock } from '../../kernel/base/clock.ts'

/** Milliseconds until what failed is tried again; each further failure doubles them, up to the second number. */
const RETRY_MS = 2000
const MAX_RETRY_MS = 5 * 60_000
/** Failures that are remembered. */
const REMEMBERED = 10_000

interface Failure {
  readonly tries: number
  /** Unix milliseconds. */
  readonly until: number
  readonly error: string
}

/** What failed, why, and when it may be tried again. In memory: after a restart everything may be tried. */
export class FailedAttempts {
  readonly #clock: Clock
  readonly #failures = new Map<string, Failure>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Why it failed last; undefined where nothing failed. */
  errorOf(key: string): string | undefined {
    return this.#failures.get(key)?.error
  }

  mayTry(key: string): boolean {
    const failure = this.#failures.get(key)
    return failure === undefined || failure.until <= this.#clock.now()
  }

  failed(key: string, error: string): void {
    const tries = (this.#failures.get(key)?.tries ?? 0) + 1
    const wait = Math.min(RETRY_MS * 2 ** (tries - 1), MAX_RETRY_MS)
    const until = this.#clock.now() + wait * (1 + Math.random() / 4)
    this.#failures.delete(key)
    this.#failures.set(key, { tries, until, error })
    if (this.#failures.size > REMEMBERED) this.#failures.delete(this.#failures.keys().next().value!)
  }

  forget(key: string): void {
    this.#failures.delete(key)
  }

  /** Forgets what may be tried again and is not wanted any more. */
  keepOnly(isWanted: (key: string) => boolean): void {
    const now = this.#clock.now()
    for (const [key, { until }] of this.#failures) if (until <= now && !isWanted(key)) this.#failures.delete(key)
  }

  /** Milliseconds until the first of what failed may be tried again; undefined where nothing waits. */
  get nextIn(): number | undefined {
    const now = this.#clock.now()
    let first = Number.POSITIVE_INFINITY
    for (const { until } of this.#failures.values()) if (until > now) first = Math.min(first, until)
    return first < Number.POSITIVE_INFINITY ? first - now : undefined
  }
}
