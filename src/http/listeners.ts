import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { errorMessage, hasCode, StartError } from '../kernel/base/errors.ts'
import type { Certificate } from './certificates.ts'
import { refuseConnection } from './errors.ts'
import { wantsEvents } from './events/upgrade.ts'

/** Settings of every listener. */
export const LISTENER = {
  /** Bytes of all headers of a request. */
  maxHeaderSize: 16 * 1024,
  /** Milliseconds for the head of a request. Bodies: `BodyDeadlines`. */
  headersTimeout: 15_000,
  requestTimeout: 0,
  /** Milliseconds between two checks of that. */
  connectionsCheckingInterval: 5_000,
  /** Whoever wants to upgrade to something else gets an answer over HTTP (RFC 9110, section 7.8). */
  shouldUpgradeCallback: wantsEvents,
} as const
/** Milliseconds for the handshake of TLS. */
const HANDSHAKE_MS = 15_000
/**
 * Connections at once of the main listener; more are closed when they come. One that reads nothing of its download holds 128 KiB: all of them
 * stay below 320 MiB, with those of two further listeners below 450, and below the usual limit of open files.
 */
export const MAX_CONNECTIONS = 2048
/** The same of a further listener: those who watch the node, or its events. */
const MAX_FURTHER_CONNECTIONS = 512
/** Milliseconds that a connection may be silent in the middle of a request or answer. */
export const SILENT_MS = 120_000
/** Milliseconds that a connection may wait for its next request. */
export const KEEP_ALIVE_MS = 60_000

/** The same with TLS. */
export const secureListener = (certificate: Certificate) => ({
  ...LISTENER,
  cert: certificate.cert,
  key: certificate.key,
  handshakeTimeout: HANDSHAKE_MS,
})

/** Another port of the same application: what the main listener answers is answered there too. Throws `StartError`. */
export async function listenAlso(
  app: FastifyInstance,
  where: { readonly host: string; readonly port: number; readonly key: string },
  certificate: Certificate | undefined,
): Promise<Server> {
  const server: Server =
    certificate === undefined
      ? createServer(LISTENER, app.routing)
      : createSecureServer(secureListener(certificate), app.routing)
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.setTimeout(SILENT_MS)
  server.maxConnections = MAX_FURTHER_CONNECTIONS
  refuseFailedHandshakes(server)
  server.on('clientError', (error: Error, socket) => refuseConnection(error, socket as Socket))
  // Who takes upgrades of the main listener takes these.
  server.on('upgrade', (request, socket, head) => {
    if (!app.server.emit('upgrade', request, socket, head)) socket.destroy()
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: where.host, port: where.port, backlog: MAX_FURTHER_CONNECTIONS }, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    throw cannotListen(`${where.host}:${where.port}`, where.key, error)
  }
  return server
}

/** Why a port cannot be listened on, and what to do about it; `key` is where it is configured. */
export function cannotListen(where: string, key: string, error: unknown): StartError {
  const [reason, advice] = hasCode(error, 'EADDRINUSE')
    ? ['another program uses that port', `end it (ss -ltnp shows it), or choose another ${key}`]
    : hasCode(error, 'EACCES')
      ? ['this user may not listen there', `choose a ${key} from 1024 on`]
      : [errorMessage(error), `choose another ${key}`]
  return new StartError(`cannot listen for HTTP on ${where}: ${reason}: ${advice}`, { cause: error })
}

/** Closes connections that do not get to HTTP: whoever sends nonsense to TLS would not understand an answer. */
export function refuseFailedHandshakes(server: Server): void {
  server.prependListener('tlsClientError', (_error: Error, socket: Socket) => socket.destroy())
}

/** The URL of a listener that works on this machine. */
export function listenerUrl(server: Server, scheme: 'http' | 'https'): string {
  const { address, family, port } = server.address() as AddressInfo
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return family === 'IPv6' ? `${scheme}://[${host}]:${port}` : `${scheme}://${host}:${port}`
}
