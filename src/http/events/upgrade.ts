import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { ProviderError } from '../../kernel/base/errors.ts'
import { foreignHost, foreignOrigin, type Gate, severalHosts } from '../guard.ts'
import { countHosts, targetHost } from '../hosts.ts'
import { COMMON, JSON_TYPE } from '../respond.ts'
import { credentialHeaders, type Standing, type StandingInit, standingOf } from './standing.ts'

/** Where the event stream is. */
export const EVENT_PATHS: readonly string[] = ['/subscribe', '/ws']
/** Milliseconds that a refused client gets to read why. */
const LINGER_MS = 1000

/** Whether a request wants to become a connection to the event stream. */
export function wantsEvents({ method, url = '', headers }: IncomingMessage): boolean {
  const isWebSocket = headers.upgrade?.toLowerCase() === 'websocket'
  return method === 'GET' && isWebSocket && EVENT_PATHS.includes(url.split('?', 1)[0]!)
}

/** A client that may connect. */
export interface Admitted {
  readonly standing: Standing | undefined
  /** That stands for it where connections are counted. */
  readonly address: string
}

/**
 * What a route's guard asks, of a WebSocket: Host (400, 421), Origin (403, also where a page only reads: SECURITY 21), rate (429), credential (401).
 * Throws `ProviderError`.
 */
export function admit(gate: Gate, init: StandingInit, request: IncomingMessage): Admitted {
  const { hosts, origins } = gate
  if (countHosts(request.rawHeaders) > 1) throw severalHosts()
  const baseUrl = hosts.baseUrl(request)
  if (baseUrl === undefined) throw foreignHost(targetHost(request))
  const { origin } = request.headers
  const isOwn = origin === undefined || origin === baseUrl || origin === hosts.publicOrigin
  if (!isOwn && !origins.has(origin)) throw foreignOrigin(origin)
  const address = hosts.clientAddress(request)
  const headers = credentialHeaders(request)
  const found = gate.credential(headers)
  const caller = typeof found === 'string' || 'presentedToken' in found ? undefined : found
  if (!gate.limit(address, caller).allowed) throw new ProviderError('PROV_013', 'too many requests')
  const standing = standingOf(init, headers)
  if (standing === undefined && !gate.openReading) {
    throw new ProviderError('PROV_016', 'this needs a key, as X-API-Key or Authorization: Bearer')
  }
  return { standing, address }
}

/** Answers a request that does not become a WebSocket, and closes its connection. */
export function refuseUpgrade(socket: Duplex, { code, message, status }: ProviderError): void {
  const body = JSON.stringify({ status: 'error', message, error: { code, message } })
  const headers = [`Content-Type: ${JSON_TYPE}`, `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close']
  for (let i = 0; i < COMMON.length; i += 2) headers.push(`${COMMON[i]}: ${COMMON[i + 1]}`)
  if (status === 429) headers.push('Retry-After: 60')
  const lingering = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(lingering))
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers.join('\r\n')}\r\n\r\n${body}`)
}
