import type { FastifyReply, FastifyRequest } from 'fastify'
import { MEMORY_CLASSES, type MemoryPermission } from '../../protocol/memory.ts'
import type { Clock } from '../kernel/base/clock.ts'
import { errorMessage, ProviderError } from '../kernel/base/errors.ts'
import type { Config } from '../kernel/config/schema.ts'
import { type Memory, memoryError } from '../node/memory-api.ts'
import { type Gate, isForSessions, refuse } from './guard.ts'
import { type Bucket, RateLimits, type RateVerdict, rateLimitHeaders } from './rate-limits.ts'
import type { Route } from './route.ts'

/** Seconds that the limits of memory count over. */
const WINDOW = ['X-RateLimit-Window', '60'] as const
const UNAUTHORIZED = ['WWW-Authenticate', 'Bearer'] as const

/** Requests per minute of one session. */
export type MemoryRates = Config['memory']['rate_per_minute']
/** What the document says. */
export const USUAL_RATES: MemoryRates = { ...MEMORY_CLASSES, total: 100 }

/** What decides about requests for sessions, after the guard of all routes. */
export interface SessionGate {
  readonly gate: Pick<Gate, 'hosts' | 'deadlines'>
  readonly memory: Pick<Memory, 'authorize'>
  readonly rates: MemoryRates
  readonly limits: RateLimits
}

export function sessionGate(
  gate: SessionGate['gate'],
  memory: SessionGate['memory'],
  { rates = USUAL_RATES, clock }: { readonly rates: MemoryRates | undefined; readonly clock: Clock },
): SessionGate {
  return { gate, memory, rates, limits: new RateLimits({ clock }) }
}

/**
 * The second hook of routes about sessions: token (401), its session and the one in the path (404), permission (403), rate (429), in this order and before the body
 * is read. Leaves what it found in `request.exchange`. Routes that take no token are limited by address alone.
 */
export function sessionGuard(at: SessionGate, { access, memory }: Pick<Route, 'access' | 'memory'>) {
  const { gate, limits, rates } = at
  const permission = isForSessions(access) ? (access.slice('session:'.length) as MemoryPermission | 'any') : undefined
  const kind = memory?.class

  const bucketsOf = (name: string, isSession: boolean): Bucket[] => {
    const buckets: Bucket[] = []
    if (kind !== undefined && rates[kind] > 0) buckets.push(limits.bucket(`${kind}:${name}`, rates[kind]))
    if (isSession && rates.total > 0) buckets.push(limits.bucket(`total:${name}`, rates.total))
    return buckets
  }

  /** Of all limits that apply, the headers are about the one with the fewest left. */
  const isAllowed = (request: FastifyRequest, name: string, isSession: boolean): boolean => {
    const verdict = limits.take(bucketsOf(name, isSession))
    if (verdict === undefined) return true
    const { exchange } = request
    if (!verdict.allowed || verdict.remaining <= remainingIn(exchange.limits)) exchange.limits = headersOf(verdict)
    else exchange.limits = [...exchange.limits, ...WINDOW]
    return verdict.allowed
  }

  const verify = async (request: FastifyRequest): Promise<ProviderError | undefined> => {
    const { presentedToken } = request.exchange
    if (permission !== undefined) {
      if (presentedToken === undefined) {
        return memoryError('INVALID_SESSION_TOKEN', 'this needs the token of a session, as Authorization: Bearer')
      }
      const session = await at.memory.authorize(presentedToken)
      request.exchange.session = session
      const { session_id: named } = request.params as { readonly session_id?: string }
      if (named !== undefined && named !== session.sessionId) {
        return memoryError('SESSION_NOT_FOUND', 'there is no such session')
      }
      if (permission !== 'any' && !session.permissions.has(permission)) {
        return memoryError('PERMISSION_DENIED', `this needs a token with the permission ${permission}`)
      }
    }
    const { session } = request.exchange
    const name = session?.sessionId ?? `address:${gate.hosts.clientAddress(request.raw)}`
    if (isAllowed(request, name, session !== undefined)) return undefined
    return memoryError('RATE_LIMIT_EXCEEDED', 'too many requests: see Retry-After')
  }

  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    verify(request)
      .catch((error: unknown) =>
        error instanceof ProviderError
          ? error
          : memoryError('MEMORY_SERVICE_ERROR', 'the token cannot be checked now', { cause: errorMessage(error) }),
      )
      .then((error) => {
        if (error === undefined) done()
        else refuse(request, reply, gate.deadlines, error, error.status === 401 ? UNAUTHORIZED : undefined)
      })
      .catch((error: unknown) => reply.raw.destroy(error instanceof Error ? error : undefined))
  }
}

const headersOf = (verdict: RateVerdict): string[] => [...rateLimitHeaders(verdict), ...WINDOW]

function remainingIn(headers: readonly string[]): number {
  const at = headers.indexOf('X-RateLimit-Remaining')
  return at === -1 ? Number.POSITIVE_INFINITY : Number(headers[at + 1])
}
