import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ProviderError } from '../kernel/base/errors.ts'
import type { BodyDeadlines } from './body-deadlines.ts'
import type { Credential } from './credentials.ts'
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
}

/** What a guard needs to know about its route. */
export interface Guarded {
  readonly state: RouteState
  readonly access: Access
  /** Uploads may take as long as they move. */
  readonly upload: boolean
}

const EXPOSED = ['Access-Control-Expose-Headers', 'ETag, Content-Range, Accept-Ranges, Content-Length, Allow'] as const
const UNAUTHORIZED = ['WWW-Authenticate', 'Bearer'] as const

/**
 * The first hook of a route: Host (400, 421), Origin (403), credential (401), in this order and before the body is read
 * (SECURITY 21, 22). Leaves what it found in `request.exchange`.
 */
export function guard(gate: Gate, { state, access, upload }: Guarded) {
  const { hosts, origins, credential, deadlines } = gate
  const vary = origins.size > 0 ? ['Vary', 'Origin'] : undefined

  return (request: FastifyRequest, reply: FastifyReply, done: () => void): undefined => {
    const { raw } = request
    const startedAt = performance.now()
    const { headers } = raw
    const bodied = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
    if (bodied) deadlines.expect(raw, startedAt, BODY_MS)

    const baseUrl = hosts.baseUrl(raw)
    const { origin } = headers
    const listed = origin !== undefined && origins.has(origin)
    const cors = listed ? ['Access-Control-Allow-Origin', origin, ...EXPOSED, ...(vary ?? [])] : vary
    request.exchange = { route: state, startedAt, baseUrl: baseUrl ?? '', cors }

    if (countHosts(raw.rawHeaders) > 1) return refuse(request, reply, deadlines, severalHosts())
    if (baseUrl === undefined) return refuse(request, reply, deadlines, foreignHost(targetHost(raw)))
    if (origin !== undefined && !listed && raw.method !== 'GET' && raw.method !== 'HEAD') {
      if (origin !== baseUrl && origin !== hosts.publicOrigin)
        return refuse(request, reply, deadlines, foreignOrigin(origin))
    }
    const who = credential(headers)
    if (who === 'wrong') {
      state.logger.warn({ request_id: request.id, method: raw.method, url: raw.url }, 'wrong credential')
      return refuse(request, reply, deadlines, new ProviderError('PROV_016', 'the credential is wrong'), UNAUTHORIZED)
    }
    if (who === 'none' && access === 'admin') {
      const message = "this needs the administrator's key, as X-API-Key or Authorization: Bearer"
      return refuse(request, reply, deadlines, new ProviderError('PROV_016', message), UNAUTHORIZED)
    }
    if (upload) deadlines.release(raw)
    done()
  }
}

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

const severalHosts = (): ProviderError =>
  new ProviderError('PROV_001', 'found several Host headers, allowed is one (RFC 9112, section 3.2)')

function foreignHost(host: string | undefined): ProviderError {
  const found = host === undefined ? 'no Host' : `Host ${JSON.stringify(host)}`
  const message = `found ${found}, allowed are localhost, addresses and the names in http.allowed_hosts`
  return new ProviderError('PROV_001', message, { status: 421 })
}

function foreignOrigin(origin: string): ProviderError {
  const message = `found Origin ${JSON.stringify(origin)}, allowed are this node's own and those in http.allowed_origins`
  return new ProviderError('PROV_015', message)
}
