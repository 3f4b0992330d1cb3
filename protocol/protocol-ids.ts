/** Protocol identifiers of one network on libp2p. Two networks never meet: every id carries the network's name. */
export interface ProtocolIds {
  /** Standing stream of signed frames, one per peer and direction. */
  readonly rpc: string
  /** Package bytes, one stream per transfer. */
  readonly package: string
  /** Kademlia DHT. */
  readonly dht: string
  /** Gossip topic of capability announcements. */
  readonly announcements: string
}

/** The identifiers of `network` (the `network.name` of the configuration). */
export function protocolIds(network: string): ProtocolIds {
  return {
    rpc: `/cytoplex/${network}/rpc/1.0.0`,
    package: `/cytoplex/${network}/package/1.0.0`,
    dht: `/cytoplex/${network}/kad/1.0.0`,
    announcements: `cytoplex/${network}/announcements/1`,
  }
}
