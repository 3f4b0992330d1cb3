import type { Topic } from '../../protocol/protocol-ids.ts'
import type { RoleCertificate, RpcMethods } from '../../protocol/rpc.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { SigningKey } from '../kernel/identity/keys.ts'
import type { Events } from '../kernel/telemetry/events.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { DialBackResult } from './dial-back.ts'
import type { NetworkHandlers } from './handlers.ts'
import type { Wiring } from './host.ts'
import type { ConnectedPeer } from './peers.ts'
import type { SeedState } from './seeds.ts'

/** What a network is made of. */
export interface NetworkInit {
  /** Name of the network: part of every protocol id and signature. */
  readonly network: string
  /** Ed25519 seed of the identity, 32 bytes: the transport's key. */
  readonly identitySeed: Uint8Array
  readonly providerId: string
  /** The key that signs batches, and the identity's certificate for it. */
  readonly wire: { readonly key: SigningKey; readonly certificate: RoleCertificate }
  readonly config: Config['p2p']
  readonly logger: Logger
  readonly metrics: Pick<Metrics, 'registry'>
  readonly events: Pick<Events, 'emit'>
  readonly handlers: NetworkHandlers
  /** Absent: TCP. */
  readonly wiring?: Wiring
}

/** A request to a peer, without the fields that the network fills in. */
export type RequestBody<M extends keyof RpcMethods> = Omit<RpcMethods[M]['request'], 'type' | 'id'>

/** A provider that the DHT names for a key. */
export interface FoundProvider {
  readonly providerId: string
  /** Multiaddrs; may be empty. They are already known to the dialler, as far as its rules allow. */
  readonly addresses: readonly string[]
}

/** The node's side of the peer-to-peer network. Peers are named by provider id. */
export interface Network {
  /** Listens and joins. Throws `StartError` for addresses that cannot be used. */
  start(): Promise<void>
  /** Closes every connection. Afterwards nothing of the network keeps the process alive. */
  stop(): Promise<void>
  /** Multiaddrs under which this node can be dialled, with `/p2p/<provider id>`; the configured ones if there are any. */
  readonly addresses: readonly string[]
  /**
   * Asks a peer over the standing stream, which is opened when needed. Throws the reason of `signal` when that fires first, and
   * `PeerError` otherwise. The answer fits its schema and was signed by the peer; nothing else about it is checked.
   */
  request<M extends keyof RpcMethods>(
    peer: string,
    method: M,
    body: RequestBody<M>,
    options: { readonly signal: AbortSignal },
  ): Promise<RpcMethods[M]['response']>
  /**
   * A package's bytes from chunk `fromChunk` on, as they arrive, unverified. At most four at once per peer: the next one waits. The peer is slowed down while nobody asks for more. Throws
   * `PeerError`, or the reason of `signal`, when the bytes stop before the peer said that they end.
   */
  fetchPackage(
    peer: string,
    digest: string,
    fromChunk: number,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<Uint8Array>
  /** Gossips a message. That nobody listens yet is not an error. Throws `RangeError` for one that is too long for its topic. */
  publish(topic: Topic, bytes: Uint8Array): Promise<void>
  /**
   * Tells the DHT that this node provides `key` (`capability/<name>`, `package/<digest>`), and keeps telling it. Resolves to the number of
   * peers that were told: 0 while none is known, and then nobody will find this node, so call again once a peer is connected.
   */
  provide(key: string, signal: AbortSignal): Promise<number>
  /** Stops telling. What the DHT holds already expires by itself. */
  unprovide(key: string): Promise<void>
  /** Asks the DHT who provides `key`. Ends after `limit` providers; this node is never among them. */
  findProviders(
    key: string,
    options: { readonly signal: AbortSignal; readonly limit: number },
  ): AsyncIterable<FoundProvider>
  /**
   * Remembers where a peer may be dialled. Private and loopback addresses are dropped unless `learnedFrom` (the provider id of the peer
   * whose connection brought the signed record) is connected from the same range, or it is absent: the operator's configuration.
   */
  addAddresses(peer: string, addresses: readonly string[], learnedFrom?: string): Promise<void>
  /** Connects to a peer whose address is known, unless it is connected already. Throws when it cannot, and the reason of `signal`. */
  connect(peer: string, signal: AbortSignal): Promise<void>
  /** Dials a peer that asked for it, where it is seen at and at a port of its choice; bounded. Never throws. */
  dialBack(peer: string, port: number): Promise<DialBackResult>
  /** Connected peers that speak this network's protocol. */
  connectedPeers(): ConnectedPeer[]
  seeds(): SeedState[]
}
