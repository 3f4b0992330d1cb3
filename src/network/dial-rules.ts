import type { Multiaddr } from '@multiformats/multiaddr'
import { type AddressRange, canonicalHost, rangeOfHost } from '../kernel/egress/address-range.ts'
import { groupOfHost } from './inbound-limit.ts'

/**
 * Host (in one spelling) and port of a TCP multiaddr, with the peer id if it names one; undefined for every other form (relays included). An
 * address inside this process counts as one on loopback.
 */
export function tcpTarget(address: Multiaddr): { host: string; port: string; peer: string | undefined } | undefined {
  const [host, port, peer, ...rest] = address.getComponents()
  if (host?.name === 'memory' && peer === undefined && (port === undefined || port.name === 'p2p')) {
    return { host: '127.0.0.1', port: `memory/${host.value}`, peer: port?.value }
  }
  if (host?.value === undefined || !/^(ip4|ip6|dns|dns4|dns6)$/.test(host.name)) return undefined
  if (port?.value === undefined || port.name !== 'tcp') return undefined
  if (rest.length > 0 || (peer !== undefined && peer.name !== 'p2p')) return undefined
  return { host: canonicalHost(host.value), port: port.value, peer: peer?.value }
}

/** The range of a multiaddr; forms other than TCP over IP are `special`. */
export function rangeOf(address: Multiaddr): AddressRange {
  const target = tcpTarget(address)
  return target === undefined ? 'special' : rangeOfHost(target.host)
}

/**
 * Dials per minute to one target, over all peer ids and ports, so that nobody can point this node at a victim: an IPv4 address or an IPv6 /64. At private
 * and loopback addresses, where many nodes share one, a target is an address and port.
 */
const DIALS_PER_MINUTE = 10
const MINUTE_MS = 60_000
/** Targets that are remembered; beyond it the oldest make room. */
const REMEMBERED = 10_000

/**
 * Who may be dialled. What the operator configured, always. Public addresses, at a bounded rate. Private and loopback ones only when they
 * were learned over a connection from the same range, or while such a connection is open (what the DHT learns does not say over which
 * connection it came).
 */
export class DialRules {
  readonly #openRanges: () => Iterable<AddressRange>
  readonly #now: () => number
  readonly #configured = new Set<string>()
  readonly #approved = new Set<string>()
  readonly #dials = new Map<string, number[]>()

  constructor(openRanges: () => Iterable<AddressRange>, now: () => number = Date.now) {
    this.#openRanges = openRanges
    this.#now = now
  }

  /** An address from the operator's configuration. */
  configure(address: Multiaddr): void {
    const key = keyOf(address)
    if (key !== undefined) this.#configured.add(key)
  }

  /** A private address that was learned over a connection from its range. */
  approve(address: Multiaddr): void {
    const key = keyOf(address)
    if (key === undefined) return
    this.#approved.delete(key)
    this.#approved.add(key)
    if (this.#approved.size > REMEMBERED) dropFirst(this.#approved)
  }

  /** Whether a dial is refused. Asking does not count as one. */
  denies(address: Multiaddr): boolean {
    const key = keyOf(address)
    if (key === undefined) return true
    if (this.#configured.has(key)) return false
    const range = rangeOf(address)
    if (range === 'special') return true
    if (range !== 'public' && !this.#approved.has(key) && !contains(this.#openRanges(), range)) return true
    return this.#recent(targetOf(address)).length >= DIALS_PER_MINUTE
  }

  /** To be called for every dial, right before it. False when it is one too many for its target. */
  count(address: Multiaddr): boolean {
    const key = keyOf(address)
    if (key === undefined || this.#configured.has(key)) return true
    const target = targetOf(address)
    const recent = this.#recent(target)
    if (recent.length >= DIALS_PER_MINUTE) return false
    this.#dials.delete(target)
    this.#dials.set(target, [...recent, this.#now()])
    if (this.#dials.size > REMEMBERED) dropFirst(this.#dials)
    return true
  }

  #recent(target: string): number[] {
    const now = this.#now()
    return (this.#dials.get(target) ?? []).filter((at) => now - at < MINUTE_MS)
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

function dropFirst(entries: { keys(): Iterator<string>; delete(key: string): boolean }): void {
  const first = entries.keys().next()
  if (first.done !== true) entries.delete(first.value)
}
