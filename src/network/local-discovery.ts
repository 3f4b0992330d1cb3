import { mdns } from '@libp2p/mdns'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'

type MakeDiscovery = NonNullable<Libp2pOptions['peerDiscovery']>[number]

/** Peers of one network that multicast DNS finds on the local network. Anybody there can answer: who it is shows in the handshake. */
export const localDiscovery =
  (network: string, found: (peer: string, addresses: readonly Multiaddr[]) => void): MakeDiscovery =>
  (components) => {
    const discovery = mdns({ serviceTag: `_cytoplex-${network}._udp.local` })(components)
    discovery.addEventListener('peer', ({ detail: { id, multiaddrs } }) => found(id.toString(), multiaddrs))
    return discovery
  }
