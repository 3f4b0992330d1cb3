import type { GoalTopic, Topic } from '../../protocol/protocol-ids.ts'
import type { RoleCertificate, RpcMethods } from '../../protocol/rpc.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { SigningKey } from '../kernel/identity/keys.ts'
import type { Store } from '../kernel/storage/store.ts'
import type { Events } from '../kernel/telemetry/events.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { DialBackResult } from './dial-back.ts'
import type { Judge, NetworkHandlers } from './handlers.ts'
import type { Wiring } from './host.ts'
import type { ConnectedPeer } from './peers.ts'
import type { Swept } from './provide-sweep.ts'
import type { PeerScores } from './scores/peer-scores.ts'
import type { SeedState } from './seeds.ts'
import type { PeerSession } from './session-key.ts'

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
  /** Where known peers, scores and bans outlive the process; absent: nowhere. */
  readonly store?: Pick<Store, 'scan' | 'transact'>
}

/** A request to a peer, without the fields that the network fills in. */
export type RequestBody<M extends keyof RpcMethods> = Omit<RpcMethods[M]['request'], 'type' | 'id'>

/** Chunks of a package that are wanted: `from` is the first one, `to` the one behind the last. */
export interface WantedRange {
  readonly from: number
  readonly to: number
  /** All of them together. */
  readonly bytes: number
}

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
    options: {
      readonly signal: AbortSignal
      /** Id of the session that the request belongs to: `unreachable` when it has ended meanwhile. */
      readonly session?: string
    },
  ): Promise<RpcMethods[M]['response']>
  /**
   * The session in which a peer is asked; the peer's handlers see the same one. It is opened when needed, and lasts as long as the standing stream.
   * Throws as `request` does.
   */
  session(peer: string, options: { readonly signal: AbortSignal }): Promise<PeerSession>
  /**
   * The bytes of the chunks that `nextRange` names, in that order, as they arrive, unverified. `nextRange` is asked again while bytes are still on their way, so that
   * the peer never waits; undefined: that was all. At most four at once per peer: the next one waits. The peer is slowed down while nobody asks for more. Throws
   * `PeerError`, or the reason of `signal`, when the bytes stop before the last one that was asked for.
   */
  fetchPackage(
    peer: string,
    digest: string,
    nextRange: () => WantedRange | undefined,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<Uint8Array>
  /** Gossips a message. That nobody listens yet is not an error. Throws `RangeError` for one that is too long for its topic. */
  publish(topic: Topic | GoalTopic, bytes: Uint8Array): Promise<void>
  /** Joins the gossip about a goal. Throws `RangeError` when the node is in `LIMITS.goalTopics` already. */
  joinTopic(topic: GoalTopic, judge: Judge): void
  /** Leaves it; without effect where the node is not in it. */
  leaveTopic(topic: GoalTopic): void
  /**
   * Tells the DHT that this node provides `keys` (`capability/<name>`, `cell_type/<name>`), region by region, and says so itself to who asks. Resolves to
   * what was done: nothing was told while no peer is known, so call again once one is connected; and within a third of `PROVIDER_VALIDITY_MS`,
   * because records expire.
   */
  provide(keys: readonly string[], signal: AbortSignal): Promise<Swept>
  /** Stops saying so. What the DHT holds already expires by itself. */
  unprovide(key: string): void
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
  /** Milliseconds of a round trip to a peer that is asked now and then, smoothed; undefined while none was measured. */
  roundTripMs(peer: string): number | undefined
  /** Keeps a peer connected, as seeds are: dialled again and again while it is not there, ever more slowly. */
  keepConnected(peer: string): void
  /** Ends that. A connection that is open stays. */
  letGo(peer: string): void
  /** How peers behave, and who is banned: enforced where peers are dialled, accepted, listened to and answered. */
  readonly scores: PeerScores
  /** Dials a peer that asked for it, where it is seen at and at a port of its choice; bounded. Never throws. */
  dialBack(peer: string, port: number): Promise<DialBackResult>
  /** Connected peers that speak this network's protocol. */
  connectedPeers(): ConnectedPeer[]
  seeds(): SeedState[]
}
