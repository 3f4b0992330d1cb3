import type { Multiaddr } from '@multiformats/multiaddr'
import { canonicalHost, rangeOfHost } from '../kernel/egress/address-range.ts'
import { tcpTarget } from './addresses.ts'

/** The address that an operator of many hosts pays for: IPv4 as it is, IPv6 by its /64 (RFC 6177 gives one site at least that). */
export function addressGroup(literal: string): string {
  const host = canonicalHost(literal)
  if (!host.includes(':')) return host
  const [head = '', tail] = host.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0')
  return [...first, ...zeros, ...last].slice(0, 4).join(':')
}

/** The group by which a host is limited; undefined where it is not: at loopback and private addresses, which have many nodes behind one. */
export function groupOfHost(host: string): string | undefined {
  const range = rangeOfHost(host)
  return range === 'loopback' || range.startsWith('private:') ? undefined : addressGroup(host)
}

/** The same of a multiaddr; undefined also for one that is no TCP address, relayed ones included. */
export function groupOf(address: Multiaddr): string | undefined {
  const host = tcpTarget(address)?.host
  return host === undefined ? undefined : groupOfHost(host)
}
