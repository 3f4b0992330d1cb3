import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { roleCovers } from '../../protocol/access.ts'
import { ProviderError } from '../kernel/base/errors.ts'
import type { BodyDeadlines } from './body-deadlines.ts'
import type { BodyRoom } from './body-room.ts'
import { type Caller, CONTRIBUTOR, type Credential, REFUSED } from './credentials.ts'
import { sendError } from './errors.ts'
import { countHosts, type HostPolicy, targetHost } from './hosts.ts'
import type { RouteState } from './respond.ts'
import type { Access } from './route.ts'

/** Milliseconds for a JSON body to arrive. */
const BODY_MS = 30_000
/** Milliseconds for the rest of a refused body to arrive, so that its sender can read why. */
const REFUSED_MS = 5_000

/** What decides about requests before their bodies are read. */
export interface Gate {
  readonly hosts: HostPolicy
  /** Origins of web pages that may call this node, beside its own. */
  readonly origins: ReadonlySet<string>
  readonly credential: (headers: IncomingMessage['headers']) => Credential
  readonly deadlines: BodyDeadlines
  readonly room: BodyRoom
  /** Whether routes for readers are open to everybody. */
  readonly openReading: boolean
  /** Whether contributing needs the agent network's `api_key`, or a publisher's. */
  readonly closedContributing: boolean
  /** Whether chats spend a credential of the operator. */
  readonly spends: boolean
  /** The headers of the limits that apply to a caller, or why the request is one too many. */
  readonly limit: (address: string, caller: Caller | undefined) => { allowed: boolean; headers: readonly string[] }
}

/** What a guard needs to know about its route. */
export interface Guarded {
  readonly state: RouteState
  readonly access: Access
  /** Whether a federation token may be presented. */
  readonly forPartners: boolean
  /** Uploads may take as long as they move. */
  readonly upload: boolean
  /** Bytes of a JSON body at most, where that is more than the usual. */
  readonly largeBody?: number | undefined
  /** Headers about the end of the route, names and values in turn. */
  readonly end?: readonly string[]
}

const EXPOSED = [
  'Access-Control-Expose-Headers',
  'ETag, Content-Range, Accept-Ranges, Content-Length, Allow, Request-Token, Retry-After, Deprecation, Sunset, Link, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset',
] as const
/** What a role is asked for by. */
const NEEDED = {
  reader: 'a key',
  contributor: "the agent network's api_key or a publisher's key",
  publisher: "a publisher's or the administrator's key",
  admin: "the administrator's key",
} as const
const UNAUTHORIZED = ['WWW-Authenticate', 'Bearer'] as const

/**
 * The first hook of a route: Host (400, 421), Origin (403), rate (429), credential (401, 403), in this order and before the body is read
 * (SECURITY 21, 22). Leaves what it found in `request.exchange`.
 */
export function guard(gate: Gate, { state, access, forPartners, upload, largeBody, end = [] }: Guarded) {
  const { hosts, origins, credential, deadlines, room, limit } = gate
  const needed = neededFor(access, gate)
  const vary = origins.size > 0 ? ['Vary', 'Origin'] : undefined

  return (request: FastifyRequest, reply: FastifyReply, done: () => void): undefined => {
    const { raw } = request
    const startedAt = performance.now()
    const { headers } = raw
    // Kept whatever headers an answer brings.
    for (let i = 0; i < end.length; i += 2) reply.raw.setHeader(end[i]!, end[i + 1]!)
    const bodied = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
    if (bodied) deadlines.expect(raw, startedAt, BODY_MS)

    const baseUrl = hosts.baseUrl(raw)
    const { origin } = headers
    const listed = origin !== undefined && origins.has(origin)
    const cors = listed ? ['Access-Control-Allow-Origin', origin, ...EXPOSED, ...(vary ?? [])] : vary
    const found = credential(headers)
    const known = typeof found === 'string' || 'federationToken' in found ? undefined : found
    const caller = known === CONTRIBUTOR && state.family !== 'goals' ? undefined : known
    const federationToken = typeof found !== 'string' && 'federationToken' in found ? found.federationToken : undefined
    request.exchange = { route: state, startedAt, baseUrl: baseUrl ?? '', cors, caller, federationToken, limits: [] }

    if (countHosts(raw.rawHeaders) > 1) return refuse(request, reply, deadlines, severalHosts())
    if (baseUrl === undefined) return refuse(request, reply, deadlines, foreignHost(targetHost(raw)))
    if (origin !== undefined && !listed && raw.method !== 'GET' && raw.method !== 'HEAD') {
      if (origin !== baseUrl && origin !== hosts.publicOrigin)
        return refuse(request, reply, deadlines, foreignOrigin(origin))
    }
    const address = hosts.clientAddress(raw)
    const verdict = limit(address, caller)
    request.exchange.limits = verdict.headers
    if (!verdict.allowed) {
      return refuse(request, reply, deadlines, new ProviderError('PROV_013', 'too many requests: see Retry-After'))
    }
    if (typeof found === 'string' && found !== 'none') {
      state.logger.warn({ request_id: request.id, method: raw.method, url: raw.url }, `${found} credential`)
      return refuse(request, reply, deadlines, new ProviderError('PROV_016', REFUSED[found]), UNAUTHORIZED)
    }
    if (federationToken !== undefined) {
      if (!forPartners)
        return refuse(request, reply, deadlines, new ProviderError('PROV_016', REFUSED.wrong), UNAUTHORIZED)
      done()
      return
    }
    if (needed !== undefined && (caller === undefined || (needed === 'contributor' && !mayContribute(caller)))) {
      const message = `this needs ${NEEDED[needed]}, as X-API-Key or Authorization: Bearer`
      return refuse(request, reply, deadlines, new ProviderError('PROV_016', message), UNAUTHORIZED)
    }
    if (needed !== undefined && needed !== 'contributor' && caller !== undefined && !roleCovers(caller.role, needed)) {
      const message = `this needs ${NEEDED[needed]}, the one that was presented is a ${caller.role}'s`
      return refuse(request, reply, deadlines, new ProviderError('PROV_015', message))
    }
    if (largeBody !== undefined && bodied && !room.take(address, largeBody, raw, reply.raw)) {
      const message = 'too many large bodies are being read: see Retry-After'
      return refuse(request, reply, deadlines, new ProviderError('PROV_013', message))
    }
    if (upload) deadlines.release(raw)
    done()
  }
}

/** What a caller of a route needs; undefined for nothing. */
function neededFor(access: Access, gate: Gate): Exclude<Access, 'open' | 'spending'> | undefined {
  if (access === 'spending') return gate.spends ? 'reader' : undefined
  const wanted = access === 'contributor' && !gate.closedContributing ? 'reader' : access
  return wanted === 'open' || (wanted === 'reader' && gate.openReading) ? undefined : wanted
}

const mayContribute = (caller: Caller): boolean => caller === CONTRIBUTOR || roleCovers(caller.role, 'publisher')

function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  deadlines: BodyDeadlines,
  error: ProviderError,
  more?: readonly string[],
): undefined {
  deadlines.expect(request.raw, request.exchange.startedAt, REFUSED_MS)
  return sendError(error, request, reply, more)
}

export const severalHosts = (): ProviderError =>
  new ProviderError('PROV_001', 'found several Host headers, allowed is one (RFC 9112, section 3.2)')

export function foreignHost(host: string | undefined): ProviderError {
  const found = host === undefined ? 'no Host' : `Host ${JSON.stringify(host)}`
  const message = `found ${found}, allowed are localhost, addresses and the names in http.allowed_hosts`
  return new ProviderError('PROV_001', message, { status: 421 })
}

export function foreignOrigin(origin: string): ProviderError {
  const message = `found Origin ${JSON.stringify(origin)}, allowed are this node's own and those in http.allowed_origins`
  return new ProviderError('PROV_015', message)
}
