import type { PeerId, Stream } from '@libp2p/interface'
import { type KadDHT, type KadDHTComponents, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { concatBytes } from '../kernel/base/bytes.ts'
import { sha256 } from '../kernel/base/hash.ts'
import { addProviderMessage, PING_MESSAGE, providerPeer } from './dht-messages.ts'
import { REPLICAS, type Swept, type SweptPeer, sweep } from './provide-sweep.ts'
import { ProviderStore } from './provider-store.ts'
import { quietPeerStore } from './quiet-peer-store.ts'
import { RoutingGuard } from './routing-guard.ts'
import { drained, withSignal } from './streams.ts'

/** Multihash code of SHA-256. */
const SHA2_256 = 0x12
/** Milliseconds for telling one peer its keys, and after which a peer that takes no bytes is given up. */
const TELL_MS = 60_000
const DRAIN_MS = 10_000
/** Bytes that are written at a time. */
const BLOCK_BYTES = 64 * 1024
/** Own addresses in a provider record: it is stored twenty times. */
const ADDRESSES = 8

/** What the DHT service needs. */
export interface DhtServiceInit {
  readonly protocol: string
  readonly clientMode: boolean
  /** Public address group of a connected peer; undefined for private ones, which are not limited. */
  groupOf(peer: string, components: KadDHTComponents): string | undefined
}

/** The library's DHT, and its provider records. */
export type Dht = KadDHT & { readonly records: ProviderStore }

/** The library's routing table holds more than its interface shows. */
interface VisibleTable {
  readonly routingTable: { readonly kb: { toIterable(): Iterable<{ readonly peerId: PeerId }> } }
}

/**
 * The DHT service. No address is filtered here: the library's own mappers drop private and loopback addresses, which federations in one house
 * need; what may be dialled is decided by the dial rules. Provider records and the routing table are bounded per address group.
 */
export function dhtService({ protocol, clientMode, groupOf }: DhtServiceInit) {
  return (components: KadDHTComponents): Dht => {
    const group = (peer: string): string | undefined => groupOf(peer, components)
    const store = new ProviderStore({
      self: components.peerId.toString(),
      groupOf: group,
      isKnown: (peer) => components.peerStore.has(peerIdFromString(peer)),
    })
    const guard = new RoutingGuard({
      groupOf: group,
      *inTable() {
        for (const { peerId } of table.kb.toIterable()) yield peerId.toString()
      },
    })
    const dht = kadDHT({
      protocol,
      clientMode,
      kBucketSize: REPLICAS,
      peerInfoMapper: passthroughMapper,
      allowQueryWithZeroPeers: true,
    })({
      peerId: components.peerId,
      privateKey: components.privateKey,
      registrar: components.registrar,
      addressManager: components.addressManager,
      peerStore: quietPeerStore(components.peerStore),
      ...(components.metrics === undefined ? {} : { metrics: components.metrics }),
      connectionManager: components.connectionManager,
      events: components.events,
      logger: components.logger,
      datastore: store.asDatastore(),
      ping: guard.guard(components.ping),
    })
    const { routingTable: table } = dht as unknown as VisibleTable
    return Object.assign(dht, { records: store })
  }
}

/** The DHT key of `key` in one network: the CID (raw, SHA-256) of `<network>/<key>`. */
export function dhtKey(network: string, key: string): CID {
  return CID.createV1(raw.code, Digest.create(SHA2_256, sha256(`${network}/${key}`)))
}

/** What the records need. */
export interface ProviderRecordsInit {
  readonly dht: Dht
  readonly network: string
  readonly self: string
  /** Own multiaddrs, as bytes. */
  addresses(): readonly Uint8Array[]
  openStream(peer: string, signal: AbortSignal): Promise<Stream>
}

/** Provider records of one network. */
export class ProviderRecords {
  readonly #init: ProviderRecordsInit

  constructor(init: ProviderRecordsInit) {
    this.#init = init
  }

  /** Stores records at the closest peers of each key. They expire unless this is repeated (`PROVIDER_VALIDITY_MS`). */
  async provide(keys: readonly string[], signal: AbortSignal): Promise<Swept> {
    const { dht, network, self, addresses } = this.#init
    const multihashes = keys.map((key) => dhtKey(network, key).multihash.bytes)
    for (const multihash of multihashes) dht.records.addOwn(multihash)
    const peer = providerPeer(peerIdFromString(self).toMultihash().bytes, addresses().slice(0, ADDRESSES))
    return sweep(
      multihashes,
      {
        closestPeers: (key, until) => this.#closestPeers(key, until),
        tell: (other, told, until) => this.#tell(other, told, peer, until),
      },
      signal,
    )
  }

  /** What the DHT holds already expires by itself. */
  unprovide(key: string): void {
    const { dht, network } = this.#init
    dht.records.removeOwn(dhtKey(network, key).multihash.bytes)
  }

  /** Providers as they are found, each once, with who named them. */
  async *find(
    key: string,
    options: { readonly signal: AbortSignal; readonly limit: number },
  ): AsyncGenerator<{ providerId: string; addresses: string[]; namedBy: string }, void, undefined> {
    const { dht, network, self } = this.#init
    const found = new Set<string>([self])
    if (options.limit <= 0) return
    for await (const event of dht.findProviders(dhtKey(network, key), { signal: options.signal })) {
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

  async #closestPeers(key: Uint8Array, signal: AbortSignal): Promise<SweptPeer[]> {
    const peers = new Map<string, SweptPeer>()
    for await (const event of this.#init.dht.getClosestPeers(key, { signal })) {
      signal.throwIfAborted()
      if (event.name !== 'FINAL_PEER') continue
      const { id } = event.peer
      peers.set(id.toString(), { id: id.toString(), multihash: id.toMultihash().bytes })
    }
    return [...peers.values()]
  }

  async #tell(to: SweptPeer, keys: readonly Uint8Array[], self: Uint8Array, until: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([until, AbortSignal.timeout(TELL_MS)])
    const stream = await this.#init.openStream(to.id, signal)
    try {
      const answered = answerOn(stream)
      answered.catch(() => undefined)
      for (const block of blocks(keys, self)) {
        signal.throwIfAborted()
        if (!stream.send(block)) await withSignal(drained(stream, DRAIN_MS), signal)
      }
      await withSignal(answered, signal)
      await stream.close({ signal })
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }
}

/** One message per key, and the ping behind them, in blocks. */
function* blocks(keys: readonly Uint8Array[], self: Uint8Array): Generator<Uint8Array> {
  let block: Uint8Array[] = []
  let bytes = 0
  for (const key of keys) {
    const message = addProviderMessage(key, self)
    block.push(message)
    bytes += message.length
    if (bytes < BLOCK_BYTES) continue
    yield concatBytes(block)
    block = []
    bytes = 0
  }
  yield concatBytes([...block, PING_MESSAGE])
}

/** Resolves with the first bytes that come back. */
function answerOn(stream: Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.addEventListener('message', () => resolve(), { once: true })
    stream.addEventListener('close', () => reject(new Error('the peer closed the stream without an answer')), {
      once: true,
    })
  })
}
