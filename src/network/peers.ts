import type { Connection, PeerId } from '@libp2p/interface'
import type { Events } from '../kernel/telemetry/events.ts'

/** A connected peer that speaks this network's protocol. */
export interface ConnectedPeer {
  readonly providerId: string
  /** Multiaddrs of the other end, one per connection. */
  readonly addresses: readonly string[]
  /** Who opened the first connection. */
  readonly direction: 'inbound' | 'outbound'
  /** Milliseconds since then. */
  readonly connectedMs: number
  readonly seed: boolean
  /** Milliseconds of a round trip, smoothed; absent until one was measured. */
  readonly roundTripMs?: number
}

/** What the table needs from the host. */
export interface PeerTableInit {
  readonly events: Pick<Events, 'emit'>
  connectionsOf(peer: string): readonly Connection[]
  isSeed(peer: string): boolean
  roundTripMs(peer: string): number | undefined
}

/** Who is connected. A peer counts from the moment when it is known to speak this network's protocol. */
export class PeerTable {
  readonly #init: PeerTableInit
  readonly #peers = new Map<string, { readonly since: number; readonly direction: 'inbound' | 'outbound' }>()

  constructor(init: PeerTableInit) {
    this.#init = init
  }

  readonly connected = (peer: PeerId, connection: Connection): void => {
    const providerId = peer.toString()
    if (this.#peers.has(providerId) || connection.status !== 'open') return
    const { direction } = connection
    this.#peers.set(providerId, { since: connection.timeline.open, direction })
    this.#init.events.emit('peer_connected', { providerId, address: connection.remoteAddr.toString(), direction })
  }

  /** The last connection to a peer was closed. */
  disconnected(providerId: string): void {
    if (this.#peers.delete(providerId)) this.#init.events.emit('peer_disconnected', { providerId })
  }

  list(): ConnectedPeer[] {
    const now = Date.now()
    return [...this.#peers].map(([providerId, { since, direction }]) => {
      const roundTripMs = this.#init.roundTripMs(providerId)
      return {
        providerId,
        addresses: this.#init.connectionsOf(providerId).map(({ remoteAddr }) => remoteAddr.toString()),
        direction,
        connectedMs: Math.max(0, now - since),
        seed: this.#init.isSeed(providerId),
        ...(roundTripMs === undefined ? {} : { roundTripMs }),
      }
    })
  }
}
