import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { sha256 } from '../kernel/base/hash.ts'

/** Multihash code of SHA-256. */
const SHA2_256 = 0x12

/**
 * The DHT service. Every node serves, and no address is filtered here: the library's own mappers drop private and loopback addresses, which
 * federations in one house need; what may be dialled is decided by the dial rules.
 */
export function dhtService(protocol: string) {
  return kadDHT({
    protocol,
    clientMode: false,
    peerInfoMapper: passthroughMapper,
    allowQueryWithZeroPeers: true,
  })
}

/** The DHT key of `key` in one network: the CID (raw, SHA-256) of `<network>/<key>`. */
export function dhtKey(network: string, key: string): CID {
  return CID.createV1(raw.code, Digest.create(SHA2_256, sha256(`${network}/${key}`)))
}

/** Provider records of one network. */
export class ProviderRecords {
  readonly #dht: KadDHT
  readonly #network: string
  readonly #self: string

  constructor(dht: KadDHT, network: string, self: string) {
    this.#dht = dht
    this.#network = network
    this.#self = self
  }

  /** Stores a record at the closest peers; the library repeats it before it expires. Resolves to the number of peers that were told. */
  async provide(key: string, signal: AbortSignal): Promise<number> {
    let told = 0
    for await (const event of this.#dht.provide(dhtKey(this.#network, key), { signal })) {
      signal.throwIfAborted()
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') told++
    }
    return told
  }

  async unprovide(key: string): Promise<void> {
    await this.#dht.cancelReprovide(dhtKey(this.#network, key))
  }

  /** Providers as they are found, each once, with who named them. */
  async *find(
    key: string,
    options: { readonly signal: AbortSignal; readonly limit: number },
  ): AsyncGenerator<{ providerId: string; addresses: string[]; namedBy: string }, void, undefined> {
    const found = new Set<string>([this.#self])
    if (options.limit <= 0) return
    for await (const event of this.#dht.findProviders(dhtKey(this.#network, key), { signal: options.signal })) {
      if (event.name !== 'PROVIDER') continue
      for (const { id, multiaddrs } of event.providers) {
        const providerId = id.toString()
        if (found.has(providerId)) continue
        found.add(providerId)
        yield { providerId, addresses: multiaddrs.map(String), namedBy: event.from.toString() }
        if (found.size > options.limit) return
      }
    }
  }
}
