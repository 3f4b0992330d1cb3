import type { KadDHTComponents } from '@libp2p/kad-dht'

type Ping = KadDHTComponents['ping']

/** Peers of one public address group in the routing table: whoever owns one address cannot stand around a key. */
export const MOST_PER_GROUP = 3
/** Milliseconds after a ping in which the library adds the peer, or does not. */
const ADDING_MS = 10_000

/** What the guard needs. */
export interface RoutingGuardInit {
  /** Public address group of a connected peer; undefined for private ones, which are not limited. */
  groupOf(peer: string): string | undefined
  /** Peers in the routing table. */
  inTable(): Iterable<string>
}

/**
 * Bounds the peers of one address group in the routing table. The library pings a peer before it adds it: here that ping fails for one too many.
 * Peers that are in the table are pinged as ever.
 */
export class RoutingGuard {
  readonly #init: RoutingGuardInit
  readonly #now: () => number
  /** Peers that were let through, with their group then, and until when they may be on their way into the table. */
  readonly #admitted = new Map<string, { readonly group: string; readonly until: number }>()

  constructor(init: RoutingGuardInit, now: () => number = Date.now) {
    this.#init = init
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

  /** Throws for one too many. */
  #admit(peer: string): void {
    const { groupOf, inTable } = this.#init
    const group = groupOf(peer)
    if (group === undefined) return
    const now = this.#now()
    const table = new Set(inTable())
    let others = 0
    for (const [other, admitted] of this.#admitted) {
      if (admitted.until < now && !table.has(other)) this.#admitted.delete(other)
      else if (other === peer) return
      else if (admitted.group === group) others++
    }
    if (others >= MOST_PER_GROUP) throw new Error(`the routing table has ${others} peers of ${group}`)
    this.#admitted.set(peer, { group, until: now + ADDING_MS })
  }
}
