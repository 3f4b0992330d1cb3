import { BlockList, isIP } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Where an address literal lies: `public`, a private range (its name), or `special` (never dialled because of what a peer said). */
export type AddressRange = 'public' | 'loopback' | 'special' | `private:${string}`

const RANGES: readonly (readonly [AddressRange, BlockList])[] = [
  ['loopback', listOf(['127.0.0.0', 8], ['::1', 128])],
  ['private:10', listOf(['10.0.0.0', 8])],
  ['private:172.16', listOf(['172.16.0.0', 12])],
  ['private:192.168', listOf(['192.168.0.0', 16])],
  ['private:100.64', listOf(['100.64.0.0', 10])],
  ['private:link-local', listOf(['169.254.0.0', 16], ['fe80::', 10])],
  ['private:unique-local', listOf(['fc00::', 7])],
  [
    'special',
    listOf(
      ['0.0.0.0', 8],
      ['192.0.0.0', 24],
      ['198.18.0.0', 15],
      ['224.0.0.0', 3],
      // Forms that carry an IPv4 address, which a gateway may reach (compatible, NAT64, 6to4).
      ['::', 96],
      ['64:ff9b::', 96],
      ['64:ff9b:1::', 48],
      ['2002::', 16],
      ['ff00::', 8],
    ),
  ],
]

function listOf(...subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, isIP(network) === 6 ? 'ipv6' : 'ipv4')
  return list
}

const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

/** One spelling per address: IPv6 as RFC 5952 has it, IPv4-mapped IPv6 (RFC 4291 §2.5.5.2) as its IPv4. Everything else as it is. */
export function canonicalHost(host: string): string {
  if (isIP(host) !== 6 || !URL.canParse(`http://[${host}]`)) return host
  const address = new URL(`http://[${host}]`).hostname.slice(1, -1)
  const mapped = MAPPED.exec(address)
  if (mapped === null) return address
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** The range of an IP literal; IPv4-mapped IPv6 counts as IPv4. Names are `special`: what they resolve to can change after a check. */
export function rangeOfHost(literal: string): AddressRange {
  const host = canonicalHost(literal)
  const version = isIP(host)
  if (version === 0) return 'special'
  const family = version === 6 ? 'ipv6' : 'ipv4'
  return RANGES.find(([, list]) => list.check(host, family))?.[0] ?? 'public'
}

/** Host (in one spelling) and port of a TCP multiaddr, with the peer id if it names one; undefined for every other form (relays included). */
export function tcpTarget(address: Multiaddr): { host: string; port: string; peer: string | undefined } | undefined {
  const [host, port, peer, ...rest] = address.getComponents()
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

/** Dials per minute to one host and port, over all peer ids, so that nobody can point this node at a victim. */
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

  /** Whether a dial is refused. A dial that is not counts against the rate. */
  denies(address: Multiaddr): boolean {
    const key = keyOf(address)
    if (key === undefined) return true
    if (this.#configured.has(key)) return false
    const range = rangeOf(address)
    if (range === 'special') return true
    if (range !== 'public' && !this.#approved.has(key) && !contains(this.#openRanges(), range)) return true
    return !this.#count(key)
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
