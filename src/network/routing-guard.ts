import type { PeerId } from '@libp2p/interface'
import type { KadDHTComponents } from '@libp2p/kad-dht'

type Ping = KadDHTComponents['ping']

/** Peers of one public address group in the routing table: whoever owns one address cannot stand around a key. */
export const MOST_PER_GROUP = 3
/** Milliseconds after a ping in which the library adds the peer, or does not. */
const ADDING_MS = 10_000

/**
 * Bounds the peers of one address group in the routing table. The library pings a peer before it adds it: here that ping fails for one too many.
 * Peers that are in the table are pinged as ever.
 */
export class RoutingGuard {
  readonly #groupOf: (peer: string) => string | undefined
  readonly #now: () => number
  readonly #inTable = new Map<string, string>()
  /** Peers that were let through and are not in the table yet. */
  readonly #adding = new Map<string, { readonly group: string; readonly until: number }>()

  /** `groupOf`: public address group of a connected peer; undefined for private ones, which are not limited. */
  constructor(groupOf: (peer: string) => string | undefined, now: () => number = Date.now) {
    this.#groupOf = groupOf
    this.#now = now
  }

  /** `ping` as the DHT is to have it. */
  guard(ping: Ping): Ping {
    return {
      ping: async (peer, options) => {
        // A dial shows where the peer really is.
        const ms = await ping.ping(peer, options)
        if ('toMultihash' in peer) this.#admit(peer.toString())
        return ms
      },
    } as Ping
  }

  added(peer: PeerId): void {
    const name = peer.toString()
    const group = this.#adding.get(name)?.group ?? this.#groupOf(name)
    this.#adding.delete(name)
    if (group !== undefined) this.#inTable.set(name, group)
  }

  removed(peer: PeerId): void {
    this.#inTable.delete(peer.toString())
  }

  /** Throws for one too many. */
  #admit(peer: string): void {
    if (this.#inTable.has(peer)) return
    const group = this.#groupOf(peer)
    if (group === undefined) return
    const now = this.#now()
    for (const [other, { until }] of this.#adding) if (until < now) this.#adding.delete(other)
    let others = 0
    for (const other of this.#inTable.values()) if (other === group) others++
    for (const [other, adding] of this.#adding) if (other !== peer && adding.group === group) others++
    if (others >= MOST_PER_GROUP) throw new Error(`the routing table has ${others} peers of ${group}`)
    this.#adding.set(peer, { group, until: now + ADDING_MS })
  }
}
