import type { TLSSocket } from 'node:tls'
import { noise } from '@chainsafe/libp2p-noise'
import type { ConnectionEncrypter, MessageStream, SecuredConnection } from '@libp2p/interface'
import { tls } from '@libp2p/tls'
import type { Libp2pOptions } from 'libp2p'

type Encrypters = NonNullable<Libp2pOptions['connectionEncrypters']>

/** What the TLS connection is made of. */
interface TlsConnection extends MessageStream {
  readonly socket: TLSSocket
  sendData(data: Iterable<Uint8Array> & { readonly byteLength: number; slice(): Uint8Array }): {
    sentBytes: number
    canSendMore: boolean
  }
}

/** TLS 1.3 where the other end speaks it, which all of these nodes do: it carries bulk bytes faster than noise, which the others get. */
export const encrypters = (): Encrypters => [wholeTls(), noise()]

function wholeTls(): Encrypters[number] {
  const factory = tls()
  return (components) => {
    const encrypter = factory(components)
    for (const way of ['secureInbound', 'secureOutbound'] as const) {
      const secure: ConnectionEncrypter[typeof way] = encrypter[way].bind(encrypter)
      encrypter[way] = async (connection: never, options?: never) => takingAll(await secure(connection, options))
    }
    return encrypter
  }
}

/**
 * Lets a TLS connection take all bytes at once. By itself it queues what it cannot encrypt yet without copying, so that bytes would change under it
 * whose owner was told that they were sent; and it writes the header of each frame on its own.
 */
function takingAll<S extends SecuredConnection>(secured: S): S {
  const connection = secured.connection as unknown as TlsConnection
  const { socket } = connection
  connection.sendData = (data) => {
    const sentBytes = data.byteLength
    if (socket.writableLength > 0) return { sentBytes, canSendMore: socket.write(data.slice()) }
    let canSendMore = true
    socket.cork()
    for (const part of data) canSendMore = socket.write(part)
    // Encrypts them before it returns.
    socket.uncork()
    return { sentBytes, canSendMore }
  }
  return secured
}
