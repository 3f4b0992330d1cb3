import { constants } from 'node:crypto'
import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { noise } from '@chainsafe/libp2p-noise'
import type {
  ConnectionEncrypter,
  MessageStream,
  PrivateKey,
  SecureConnectionOptions,
  SecuredConnection,
  StreamMuxerFactory,
  Upgrader,
} from '@libp2p/interface'
import { UnexpectedPeerError } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import { peerOfCertificate } from './peer-certificate.ts'

/** Read in with the first connection: it is a fifth of what a node has to load before it is ready. */
const tlsTools = () => import('@libp2p/tls/utils')

type Encrypters = NonNullable<Libp2pOptions['connectionEncrypters']>

/** TLS 1.3 where the other end speaks it, which all of these nodes do: it carries bulk bytes faster than noise, which the others get. */
export const encrypters = (): Encrypters => [(components) => new Tls(components), noise()]

/** What libp2p gives to an encrypter, as far as it is needed here. */
interface Components {
  readonly privateKey: PrivateKey
  readonly upgrader: Upgrader
}

/** Chosen by ALPN (RFC 7301) when no muxer is. */
const NO_MUXER = 'libp2p'

/**
 * libp2p's TLS (specs/tls/tls.md) with one certificate for all connections. `@libp2p/tls` makes one for each, before the other end has shown
 * anything, and checks the other's in JavaScript: that costs twice the rest of the handshake.
 */
class Tls implements ConnectionEncrypter {
  readonly protocol = '/tls/1.0.0'
  readonly #components: Components
  #context: Promise<SecureContext> | undefined

  constructor(components: Components) {
    this.#components = components
  }

  async secureInbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    const [secureContext, { toNodeDuplex }] = await Promise.all([this.#secureContext(), tlsTools()])
    const muxers = this.#muxers(options)
    let streamMuxer: StreamMuxerFactory | undefined
    const socket = new TLSSocket(toNodeDuplex(connection), {
      isServer: true,
      secureContext,
      requestCert: true,
      // The certificate is checked below, by the rules of libp2p.
      rejectUnauthorized: false,
      ALPNCallback: ({ protocols }) => {
        const chosen = protocols.find((protocol) => protocol === NO_MUXER || muxers.has(protocol))
        streamMuxer = chosen === undefined ? undefined : muxers.get(chosen)
        return chosen
      },
    })
    const remotePeer = await verified(connection, socket, options)
    return secured(connection, socket, remotePeer, streamMuxer)
  }

  async secureOutbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    const [secureContext, { toNodeDuplex }] = await Promise.all([this.#secureContext(), tlsTools()])
    const muxers = this.#muxers(options)
    const socket = connect({
      socket: toNodeDuplex(connection),
      secureContext,
      rejectUnauthorized: false,
      ALPNProtocols: [...muxers.keys(), NO_MUXER],
    })
    const remotePeer = await verified(connection, socket, options)
    return secured(connection, socket, remotePeer, muxers.get(socket.alpnProtocol || NO_MUXER))
  }

  #muxers(options: SecureConnectionOptions | undefined): Map<string, StreamMuxerFactory> {
    return options?.skipStreamMuxerNegotiation === true ? new Map() : this.#components.upgrader.getStreamMuxers()
  }

  #secureContext(): Promise<SecureContext> {
    this.#context ??= this.#makeContext()
    return this.#context
  }

  async #makeContext(): Promise<SecureContext> {
    const { generateCertificate } = await tlsTools()
    return createSecureContext({
      ...(await generateCertificate(this.#components.privateKey)),
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      // Every connection proves its identity anew.
      secureOptions: constants.SSL_OP_NO_TICKET,
    })
  }
}

/** Who is at the other end, once the handshake has proved it. Ends the connection when that fails, or `options.signal` fires first. */
function verified(
  connection: MessageStream,
  socket: TLSSocket,
  options: SecureConnectionOptions | undefined,
): Promise<SecuredConnection['remotePeer']> {
  return new Promise<SecuredConnection['remotePeer']>((resolve, reject) => {
    const signal = options?.signal
    const fail = (error: Error): void => {
      signal?.removeEventListener('abort', abort)
      socket.destroy()
      connection.abort(error)
      reject(error)
    }
    const abort = (): void => fail(new Error('the TLS handshake took too long', { cause: signal?.reason }))
    // It stays: an error of the connection's later life ends it, too.
    socket.on('error', fail)
    socket.once('close', () => fail(new Error('the connection was closed during the TLS handshake')))
    socket.once('secure', () => {
      const { raw } = socket.getPeerCertificate()
      if (raw === undefined) return fail(new Error('the other end has no certificate'))
      peerOfCertificate(raw).then((remotePeer) => {
        const { remotePeer: expected } = options ?? {}
        if (expected?.equals(remotePeer) === false) {
          return fail(new UnexpectedPeerError(`${remotePeer} answers where ${expected} was expected`))
        }
        signal?.removeEventListener('abort', abort)
        socket.removeAllListeners('close')
        resolve(remotePeer)
      }, fail)
    })
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort)
  })
}

/** What `toMessageStream` makes. */
interface TlsConnection extends MessageStream {
  sendData(data: Iterable<Uint8Array> & { readonly byteLength: number; slice(): Uint8Array }): {
    sentBytes: number
    canSendMore: boolean
  }
}

/**
 * The encrypted connection. It takes all bytes at once: by itself it queues what it cannot encrypt yet without copying, so that bytes would change under it
 * whose owner was told that they were sent; and it writes the header of each frame on its own.
 */
async function secured(
  connection: MessageStream,
  socket: TLSSocket,
  remotePeer: SecuredConnection['remotePeer'],
  streamMuxer: StreamMuxerFactory | undefined,
): Promise<SecuredConnection> {
  const { toMessageStream } = await tlsTools()
  const encrypted = toMessageStream(connection, socket) as TlsConnection
  encrypted.sendData = (data) => {
    const sentBytes = data.byteLength
    if (socket.writableLength > 0) return { sentBytes, canSendMore: socket.write(data.slice()) }
    let canSendMore = true
    socket.cork()
    for (const part of data) canSendMore = socket.write(part)
    // Encrypts them before it returns.
    socket.uncork()
    return { sentBytes, canSendMore }
  }
  return { connection: encrypted, remotePeer, ...(streamMuxer === undefined ? {} : { streamMuxer }) }
}
