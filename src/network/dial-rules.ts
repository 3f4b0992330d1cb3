import type { Multiaddr } from '@multiformats/multiaddr'
import { BudgetMap } from '../kernel/base/budget-map.ts'
import type { AddressRange } from '../kernel/egress/address-range.ts'
import { groupOfHost } from './address-group.ts'
import { rangeOf, relayedTarget, tcpTarget } from './addresses.ts'
import { RatePerMinute } from './rate-per-minute.ts'

/**
 * Dials per minute to one target, over all peer ids and ports, so that nobody can point this node at a victim: an IPv4 address or an IPv6 /64. At private
 * and loopback addresses, where many nodes share one, a target is an address and port.
 */
const DIALS_PER_MINUTE = 10
/** Approved targets that are remembered; beyond it the oldest make room. */
const REMEMBERED = 10_000

/**
 * Who may be dialled. What the operator configured, always. Public addresses, at a bounded rate. Private and loopback ones only when they
 * were learned over a connection from the same range, or while such a connection is open (what the DHT learns does not say over which
 * connection it came). What holds for an address holds for a relay at it, and each peer behind a relay has a rate of its own.
 */
export class DialRules {
  readonly #openRanges: () => Iterable<AddressRange>
  readonly #relays: boolean
  readonly #configured = new Set<string>()
  readonly #approved = new BudgetMap<string, true>(REMEMBERED)
  readonly #dials: RatePerMinute

  /** `relays`: whether peers are dialled through relays at all. */
  constructor(openRanges: () => Iterable<AddressRange>, now: () => number = Date.now, relays = false) {
    this.#openRanges = openRanges
    this.#dials = new RatePerMinute(DIALS_PER_MINUTE, now)
    this.#relays = relays
  }

  /** An address from the operator's configuration. */
  configure(address: Multiaddr): void {
    const key = keyOf(address)
    if (key !== undefined) this.#configured.add(key)
  }

  /** A private address that was learned over a connection from its range. */
  approve(address: Multiaddr): void {
    const key = keyOf(address)
    if (key !== undefined) this.#approved.set(key, true)
  }

  /** Whether a dial is refused. Asking does not count as one. */
  denies(address: Multiaddr): boolean {
    const relayed = this.#relays ? relayedTarget(address) : undefined
    const key = keyOf(relayed?.relay ?? address)
    if (key === undefined) return true
    if (!this.#configured.has(key) && !this.#permits(key, relayed?.relay ?? address)) return true
    const rated = this.#ratedBy(address)
    return rated !== undefined && this.#dials.isFull(rated)
  }

  /** To be called for every dial, right before it. False when it is one too many for its target. */
  count(address: Multiaddr): boolean {
    const rated = this.#ratedBy(address)
    return rated === undefined || this.#dials.take(rated)
  }

  /** What dials to an address are counted by; undefined where they are not. */
  #ratedBy(address: Multiaddr): string | undefined {
    const relayed = this.#relays ? relayedTarget(address) : undefined
    if (relayed !== undefined) return `${relayed.relayPeer} ${relayed.peer}`
    const key = keyOf(address)
    return key === undefined || this.#configured.has(key) ? undefined : targetOf(address)
  }

  /** Whether an address may be dialled although the operator did not configure it. */
  #permits(key: string, address: Multiaddr): boolean {
    const range = rangeOf(address)
    if (range === 'special') return false
    return range === 'public' || this.#approved.get(key) === true || contains(this.#openRanges(), range)
  }
}

/** What the rate of dials is counted by. */
function targetOf(address: Multiaddr): string {
  const { host, port } = tcpTarget(address) ?? { host: '', port: '' }
  return groupOfHost(host) ?? `${host} ${port}`
}

function keyOf(address: Multiaddr): string | undefined {
  const target = tcpTarget(address)
  return target === undefined ? undefined : `${target.host} ${target.port}`
}

function contains(ranges: Iterable<AddressRange>, wanted: AddressRange): boolean {
  for (const range of ranges) if (range === wanted) return true
  return false
}
