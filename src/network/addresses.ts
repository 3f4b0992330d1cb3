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

/** Where a multiaddr (as text) leads: to a port of a host, for a relayed one of the relay's. Undefined for every other form. */
export function endpointOf(text: string): { host: string; port: number; relayed: boolean } | undefined {
  const address = multiaddr(text)
  const relayed = relayedTarget(address)
  const target = tcpTarget(relayed?.relay ?? address)
  return target && { host: target.host, port: Number(target.port), relayed: relayed !== undefined }
}

/** The range of a multiaddr; forms other than TCP over IP are `special`. */
export function rangeOf(address: Multiaddr): AddressRange {
  const target = tcpTarget(address)
  return target === undefined ? 'special' : rangeOfHost(target.host)
}
