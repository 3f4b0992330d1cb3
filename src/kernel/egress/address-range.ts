import { BlockList, isIP } from 'node:net'

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
