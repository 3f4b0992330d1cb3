import type { Metrics, MultiaddrConnection, PeerId } from '@libp2p/interface'

/** Bytes on the wire, in both directions: messages, packages, gossip, the DHT and what encryption adds. */
export interface Bytes {
  readonly sent: number
  readonly received: number
}

const NONE: Bytes = { sent: 0, received: 0 }

interface Count {
  sent: number
  received: number
  /** Open connections that add to it. */
  connections: number
}

/**
 * How many bytes went to and came from each connected peer, over all its connections. What goes through a relay counts for the relay, too. Of
 * peers that have left nothing is kept.
 */
export class Traffic {
  readonly #connections = new WeakMap<MultiaddrConnection, Count>()
  readonly #peers = new Map<string, Count>()

  /** The same metrics, made to tell of each connection as soon as it exists. */
  watching(make: (components: never) => Metrics): (components: never) => Metrics {
    return (components) => {
      const metrics = make(components)
      const track = metrics.trackMultiaddrConnection.bind(metrics)
      metrics.trackMultiaddrConnection = (connection) => {
        track(connection)
        this.#count(connection)
      }
      return metrics
    }
  }

  /** Who is at the other end of a connection is proven. */
  identified(remote: PeerId, connection: MultiaddrConnection): void {
    const own = this.#connections.get(connection)
    // One that ended meanwhile has told of its end already.
    if (own === undefined || connection.status !== 'open') return
    const peer = remote.toString()
    const count = this.#peers.get(peer) ?? { ...NONE, connections: 0 }
    count.sent += own.sent
    count.received += own.received
    count.connections++
    this.#peers.set(peer, count)
    this.#connections.set(connection, count)
    connection.addEventListener(
      'close',
      () => {
        count.connections--
        if (count.connections === 0) this.#peers.delete(peer)
      },
      { once: true },
    )
  }

  of(peer: string): Bytes {
    const { sent, received } = this.#peers.get(peer) ?? NONE
    return { sent, received }
  }

  #count(connection: MultiaddrConnection): void {
    this.#connections.set(connection, { ...NONE, connections: 0 })
    const add = (direction: 'sent' | 'received', bytes: number) => {
      const count = this.#connections.get(connection)
      if (count !== undefined) count[direction] += bytes
    }
    // A listener of its own would take data out of the buffer before somebody reads it.
    const dispatchEvent = connection.dispatchEvent.bind(connection)
    connection.dispatchEvent = (event) => {
      if (event.type === 'message') add('received', (event as Event & { data: { byteLength: number } }).data.byteLength)
      return dispatchEvent(event)
    }
    const send = connection.send.bind(connection)
    connection.send = (bytes) => {
      add('sent', bytes.byteLength)
      return send(bytes)
    }
  }
}
