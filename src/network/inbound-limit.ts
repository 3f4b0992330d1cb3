import { Counts } from '../kernel/base/counts.ts'
import { groupOfHost } from './address-group.ts'
import { TokenBuckets } from './token-bucket.ts'

/** Of all connections, the part that one address may hold: four addresses are needed to shut everybody else out, not one. */
const SHARE = 1 / 4

/** New connections per minute of a group of addresses from which banned peers came: they come back, and each handshake costs. */
const NEW_PER_MINUTE = 20

/**
 * Inbound connections per address group: at most a quarter of all, half of that for each banned peer that came from the group, and one at
 * least: who else is there is not to be shut out. Loopback and private addresses are exempt: a household, a container
 * network or a proxy in front of the node has one address for many nodes, and who is in there is the operator's business.
 */
export class InboundLimit {
  readonly #most: number
  readonly #bannedIn: (group: string) => number
  /** Connections by group. */
  readonly #open = new Counts()
  /** Of groups in which somebody is banned. */
  readonly #arrivals = new TokenBuckets(NEW_PER_MINUTE / 60, NEW_PER_MINUTE)

  /** `bannedIn`: how many banned peers came from a group. */
  constructor(maxConnections: number, bannedIn: (group: string) => number = () => 0) {
    this.#most = Math.max(1, Math.floor(maxConnections * SHARE))
    this.#bannedIn = bannedIn
  }

  /** Counts a connection from `host`. Undefined when it is one too many; otherwise to be called once, when the connection has ended. */
  enter(host: string): (() => void) | undefined {
    const group = groupOfHost(host)
    if (group === undefined) return () => undefined
    const banned = this.#bannedIn(group)
    if (this.#open.of(group) >= Math.max(1, Math.floor(this.#most / 2 ** banned))) return undefined
    if (banned > 0 && !this.#arrivals.of(group).take()) return undefined
    this.#open.add(group, 1)
    return () => this.#open.add(group, -1)
  }
}
