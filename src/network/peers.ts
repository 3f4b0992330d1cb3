import type { Connection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Events } from '../kernel/telemetry/events.ts'
import { tcpTarget } from './addresses.ts'
import type { Bytes } from './traffic.ts'

/** A connected peer that speaks this network's protocol. */
export interface ConnectedPeer {
  readonly providerId: string
  /** Multiaddrs of the other end, one per connection. */
  readonly addresses: readonly string[]
  /** The same as `tcp://host:port`, as far as they are of that kind. */
  readonly tcpAddresses: readonly string[]
  /** What it says that it runs, such as `cytoplex/0.1.0`; null before it said so. */
  readonly software: string | null
  /** Who opened the first connection. */
  readonly direction: 'inbound' | 'outbound'
  /** Milliseconds since then. */
  readonly connectedMs: number
  readonly seed: boolean
  /** Milliseconds of a round trip, smoothed; absent until one was measured. */
  readonly roundTripMs?: number
  readonly traffic: Bytes
}

/** Characters of what a peer says that it runs. */
const SOFTWARE_LENGTH = 64

/** What the table needs from the host. */
export interface PeerTableInit {
  readonly events: Pick<Events, 'emit'>
  connectionsOf(peer: string): readonly Connection[]
  isSeed(peer: string): boolean
  roundTripMs(peer: string): number | undefined
  trafficOf(peer: string): Bytes
}

/** Who is connected. A peer counts from the moment when it is known to speak this network's protocol. */
export class PeerTable {
  readonly #init: PeerTableInit
  readonly #peers = new Map<string, { readonly since: number; readonly direction: 'inbound' | 'outbound' }>()
  /** What peers say that they run; of connected ones only. */
  readonly #software = new Map<string, string>()

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

  /** A connected peer said what it runs. */
  identified(providerId: string, software: string | undefined): void {
    if (software === undefined || this.#init.connectionsOf(providerId).length === 0) return
    this.#software.set(providerId, software.slice(0, SOFTWARE_LENGTH).toWellFormed())
  }

  /** The last connection to a peer was closed. */
  disconnected(providerId: string): void {
    this.#software.delete(providerId)
    if (this.#peers.delete(providerId)) this.#init.events.emit('peer_disconnected', { providerId })
  }

  list(): ConnectedPeer[] {
    const now = Date.now()
    return [...this.#peers].map(([providerId, { since, direction }]) => {
      const addresses = this.#init.connectionsOf(providerId).map(({ remoteAddr }) => remoteAddr)
      const roundTripMs = this.#init.roundTripMs(providerId)
      return {
        providerId,
        addresses: addresses.map(String),
        tcpAddresses: addresses.flatMap((address) => tcpUrl(address) ?? []),
        software: this.#software.get(providerId) ?? null,
        direction,
        connectedMs: Math.max(0, now - since),
        seed: this.#init.isSeed(providerId),
        ...(roundTripMs === undefined ? {} : { roundTripMs }),
        traffic: this.#init.trafficOf(providerId),
      }
    })
  }
}

/** `tcp://host:port`; undefined for a connection that is no TCP. */
function tcpUrl(address: Multiaddr): string | undefined {
  const target = tcpTarget(address)
  if (target === undefined || !/^[0-9]+$/.test(target.port)) return undefined
  return `tcp://${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`
}
