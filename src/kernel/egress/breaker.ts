import {
  type CircuitBreakerPolicy,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
} from 'cockatiel'
import { EgressError } from './connect.ts'

export { isBrokenCircuitError } from 'cockatiel'

/** Failures in a row after which a service is left alone. */
const FAILURES = 5
/** Milliseconds for which it is, then twice as long with each failure, a little more or less so that not all nodes come back at once. */
const FIRST_MS = 1000

/**
 * A circuit breaker for calls that leave the node. `counts` says which errors mean that the service is away; `mostMs` bounds how long it
 * is left alone. Meanwhile `execute` throws an error of which `isBrokenCircuitError` is true.
 */
export const createBreaker = (counts: (error: Error) => boolean, mostMs: number): CircuitBreakerPolicy =>
  circuitBreaker(handleWhen(counts), {
    breaker: new ConsecutiveBreaker(FAILURES),
    halfOpenAfter: new ExponentialBackoff({ initialDelay: FIRST_MS, maxDelay: mostMs }),
  })

/** Milliseconds for which an origin is left alone, at most. */
const MOST_MS = 30_000
/** Origins whose failures are remembered, those that were called last: some hundred bytes each. */
const REMEMBERED = 1000

const breakers = new Map<string, CircuitBreakerPolicy>()

/** The breaker of an origin such as `https://node.example:8000`, the same for everybody in this process. */
export function breakerOf(origin: string): CircuitBreakerPolicy {
  const breaker = breakers.get(origin) ?? createBreaker(isAway, MOST_MS)
  breakers.delete(origin)
  breakers.set(origin, breaker)
  const [oldest] = breakers.keys()
  if (breakers.size > REMEMBERED && oldest !== undefined) breakers.delete(oldest)
  return breaker
}

/** No answer, unless nobody waited for one any more. An answer that is refused comes from a service that is there. */
const isAway = (error: Error): boolean =>
  error instanceof EgressError &&
  (error.reason === 'unreachable' || (error.reason === 'timed_out' && isTimeout(error.cause)))

const isTimeout = (cause: unknown): boolean => cause instanceof Error && cause.name === 'TimeoutError'
