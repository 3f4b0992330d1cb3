import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type AddressRange, canonicalHost, rangeOfHost } from '../kernel/egress/address-range.ts'

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

/** The parts of `<TCP address>/p2p/<relay>/p2p-circuit/p2p/<peer>`; undefined for every other form. */
export function relayedTarget(address: Multiaddr): { relay: Multiaddr; relayPeer: string; peer: string } | undefined {
  const components = address.getComponents()
  if (components.length !== 5 || components[3]?.name !== 'p2p-circuit' || components[4]?.name !== 'p2p')
    return undefined
  const relay = multiaddr(components.slice(0, 3))
  const relayPeer = tcpTarget(relay)?.peer
  const peer = components[4].value
  return relayPeer === undefined || peer === undefined ? undefined : { relay, relayPeer, peer }
}

/** The range of a multiaddr; forms other than TCP over IP are `special`. */
export function rangeOf(address: Multiaddr): AddressRange {
  const target = tcpTarget(address)
  return target === undefined ? 'special' : rangeOfHost(target.host)
}

/** Dials per minute to one host and port, over all peer ids, so that nobody can point this node at a victim. */
const DIALS_PER_MINUTE = 10
const MINUTE_MS = 60_000
/** Targets that are remembered; beyond it the oldest make room. */
const REMEMBERED = 10_000

/**
 * Who may be dialled. What the operator configured, always. Public addresses, at a bounded rate. Private and loopback ones only when they
 * were learned over a connection from the same range, or while such a connection is open (what the DHT learns does not say over which
 * connection it came). What holds for an address holds for a relay at it, and each peer behind a relay has a rate of its own.
 */
export class DialRules {
  readonly #openRanges: () => Iterable<AddressRange>
  readonly #now: () => number
  readonly #relays: boolean
  readonly #configured = new Set<string>()
  readonly #approved = new Set<string>()
  readonly #dials = new Map<string, number[]>()

  /** `relays`: whether peers are dialled through relays at all. */
  constructor(openRanges: () => Iterable<AddressRange>, now: () => number = Date.now, relays = false) {
    this.#openRanges = openRanges
    this.#now = now
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
    if (key === undefined) return
    this.#approved.delete(key)
    this.#approved.add(key)
    if (this.#approved.size > REMEMBERED) dropFirst(this.#approved)
  }

  /** Whether a dial is refused. A dial that is not counts against the rate. */
  denies(address: Multiaddr): boolean {
    const relayed = this.#relays ? relayedTarget(address) : undefined
    const key = keyOf(relayed?.relay ?? address)
    if (key === undefined) return true
    const configured = this.#configured.has(key)
    if (!configured && !this.#permits(key, relayed?.relay ?? address)) return true
    if (relayed !== undefined) return !this.#count(`${relayed.relayPeer} ${relayed.peer}`)
    return !configured && !this.#count(key)
  }

  /** Whether an address may be dialled although the operator did not configure it. */
  #permits(key: string, address: Multiaddr): boolean {
    const range = rangeOf(address)
    if (range === 'special') return false
    return range === 'public' || this.#approved.has(key) || contains(this.#openRanges(), range)
  }

  #count(key: string): boolean {
    const now = this.#now()
    const recent = (this.#dials.get(key) ?? []).filter((at) => now - at < MINUTE_MS)
    if (recent.length >= DIALS_PER_MINUTE) return false
    recent.push(now)
    this.#dials.delete(key)
    this.#dials.set(key, recent)
    if (this.#dials.size > REMEMBERED) dropFirst(this.#dials)
    return true
  }
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
