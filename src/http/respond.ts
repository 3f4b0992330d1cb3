import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { SessionAccess } from '../node/memory-api.ts'
import type { Caller } from './credentials.ts'
import type { RouteMeter } from './meter.ts'
import type { Family } from './route.ts'
import { endTogether } from './write-together.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the guard of its route found out about a request. */
    exchange: Exchange
  }
}

/** What is the same for all requests of a route. */
export interface RouteState {
  readonly meter: RouteMeter
  readonly logger: Logger
  readonly family: Family
  /** What errors about sessions call it. */
  readonly operation?: string | undefined
}

/** What is known about a request before its body is read. */
export interface Exchange {
  readonly route: RouteState
  /** Milliseconds, as `performance.now()`. */
  readonly startedAt: number
  /** Base URL of this node as the client sees it, without a slash at the end. */
  readonly baseUrl: string
  /** Headers for a web page that may read the answer; undefined for everybody else. */
  readonly cors: readonly string[] | undefined
  /** Who calls; undefined without a credential. */
  readonly caller: Caller | undefined
  /** What looks like a token of the kind that the route takes. Nobody has verified it. */
  readonly presentedToken: string | undefined
  /** What a session token that was verified allows; undefined where none was. */
  session?: SessionAccess
  /** `X-RateLimit-*`; none where nothing is limited. */
  limits: readonly string[]
}

/** Who calls, as the node's log names them. */
export const callerOf = ({ exchange }: Pick<FastifyRequest, 'exchange'>): string => exchange.caller?.name ?? 'nobody'

export const JSON_TYPE = 'application/json; charset=utf-8'
export const TEXT_TYPE = 'text/plain; charset=utf-8'

/** On every answer that brings no policy of its own. */
const POLICY = [
  'Content-Security-Policy',
  "default-src 'none'; frame-ancestors 'none'",
  'Cache-Control',
  'no-store',
] as const
/** On every answer. */
export const COMMON = [
  'X-Content-Type-Options',
  'nosniff',
  'Referrer-Policy',
  'no-referrer',
  'Cross-Origin-Resource-Policy',
  'same-origin',
] as const
const USUAL: readonly string[] = [...COMMON, ...POLICY]

/**
 * Sends text in one write, with raw headers: each `reply.header` call costs about as much as finding the answer. `more` are
 * header names and values in turn, `headers` replaces the usual security headers beside {@link COMMON}.
 */
export function sendText(
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  type: string,
  text: string | Buffer,
  more?: readonly string[],
  base: readonly string[] = USUAL,
): undefined {
  const bytes = Buffer.byteLength(text)
  const headers = ['Content-Type', type, 'Content-Length', String(bytes), ...base]
  if (more !== undefined) headers.push(...more)
  const { cors, limits } = request.exchange
  if (cors !== undefined) headers.push(...cors)
  if (limits.length > 0) headers.push(...limits)
  reply.raw.writeHead(status, headers)
  // As many bytes as characters: all are ASCII.
  endTogether(reply.raw, text, bytes === text.length)
  return finished(request, status)
}

/** Sends `value` as JSON. */
export function sendJson(
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  value: unknown,
  more?: readonly string[],
): undefined {
  return sendText(request, reply, status, JSON_TYPE, JSON.stringify(value), more)
}

/** Sends `data` in the envelope of the agent network. */
export const sendData = (request: FastifyRequest, reply: FastifyReply, status: number, data: unknown): undefined =>
  sendJson(request, reply, status, { success: true, data, error: null, timestamp: Date.now() })

/** What logs say was asked for. Of routes about sessions, not whose: paths there name agents, and may be signed. */
export const loggedUrl = (request: FastifyRequest): string =>
  request.exchange.route.operation === undefined ? request.url : (request.routeOptions.url ?? '')

/** Counts an answer, and logs it for who looks closely. Called once per request. */
export function finished(request: FastifyRequest, status: number): undefined {
  const { route, startedAt } = request.exchange
  const ms = performance.now() - startedAt
  route.meter.record(status, ms)
  if (route.logger.isLevelEnabled('debug')) {
    route.logger.debug(
      {
        request_id: request.id,
        method: request.method,
        url: loggedUrl(request),
        status,
        ms: Math.round(ms * 1000) / 1000,
      },
      'request',
    )
  }
}
