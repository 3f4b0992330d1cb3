import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import { type GoalTopic, type ProtocolIds, protocolIds, type Topic } from '../../protocol/protocol-ids.ts'
import type { RpcMethods } from '../../protocol/rpc.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { nativeVerifier } from '../kernel/identity/verify.ts'
import type { FoundProvider, Network, NetworkInit, RequestBody } from './api.ts'
import { ProviderRecords } from './dht.ts'
import { DialRules, rangeOf, tcpTarget } from './dial-rules.ts'
import { Gossip } from './gossip.ts'
import type { Judge } from './handlers.ts'
import { createHost, type Host, startHost } from './host.ts'
import { addressGroup } from './inbound-limit.ts'
import { Lanes } from './lanes.ts'
import { PeerError } from './peer-error.ts'
import { ControlPace, PeerLimits, trafficOf } from './peer-limits.ts'
import { type ConnectedPeer, PeerTable } from './peers.ts'
import { RpcClient } from './rpc-client.ts'
import { PACKAGES_PER_STREAM, RPC_STREAMS_PER_PEER, RpcServer } from './rpc-server.ts'
import { PeerScores } from './scores/peer-scores.ts'
import type { ScoreEvent } from './scores/score-events.ts'
import { SeedKeeper, type SeedState } from './seeds.ts'
import type { WireIdentity } from './session.ts'
import { PackageServer, receivePackage, UPLOADS_PER_PEER } from './transfer.ts'

/** What exists while the network runs. */
interface Running {
  readonly host: Host
  readonly client: RpcClient
  readonly records: ProviderRecords
  readonly gossip: Gossip
}

/** {@link Network} over libp2p. */
export class Libp2pNetwork implements Network {
  readonly #init: NetworkInit
  readonly #ids: ProtocolIds
  readonly #self: WireIdentity
  readonly #seeds: SeedKeeper
  readonly #peers: PeerTable
  readonly #dialRules: DialRules
  readonly scores: PeerScores
  readonly #limits: PeerLimits
  readonly #downloads = new Lanes(UPLOADS_PER_PEER)
  readonly #packageRequests = new Lanes(PACKAGES_PER_STREAM)
  readonly #control = new ControlPace()
  #running: Running | undefined

  constructor(init: NetworkInit) {
    this.#init = init
    this.#ids = protocolIds(init.network)
    this.#self = {
      network: init.network,
      providerId: init.providerId,
      key: init.wire.key,
      // Read at each handshake: it is renewed while the node runs.
      get certificate() {
        return init.wire.certificate
      },
      verifier: nativeVerifier,
    }
    this.#dialRules = new DialRules(() => this.#openRanges())
    this.scores = new PeerScores({
      store: init.store,
      events: init.events,
      logger: init.logger,
      disconnect: (peer) => this.#drop(peer),
      groupsOf: (peer) => this.#connectionsOf(peer).flatMap(({ remoteAddr }) => publicGroup(remoteAddr) ?? []),
    })
    this.#limits = new PeerLimits(init.config, (peer, event) => this.scores.record(peer, event))
    this.#seeds = new SeedKeeper({
      seeds: init.config.seeds,
      self: init.providerId,
      logger: init.logger,
      dial: async (address, signal) => (await this.#host.dial(address, { signal })).remotePeer.toString(),
      isConnected: (peer) => this.#connectionsOf(peer).length > 0,
    })
    this.#peers = new PeerTable({
      events: init.events,
      connectionsOf: (peer) => this.#connectionsOf(peer),
      isSeed: (peer) => this.#seeds.isSeed(peer),
    })
  }

  async start(): Promise<void> {
    const init = this.#init
    for (const address of this.#seeds.addresses) this.#dialRules.configure(address)
    await this.scores.start()
    const host = await createHost({ ...init, dialRules: this.#dialRules, scores: this.scores })
    const client = new RpcClient({
      self: this.#self,
      openStream: (peer, signal) => this.#openStream(peer, this.#ids.rpc, signal),
      onViolation: (peer) => this.scores.record(peer, 'protocol_violation'),
    })
    const gossip = new Gossip({
      gossip: host.services.gossip,
      ids: this.#ids,
      judges: init.handlers.gossip,
      scores: this.scores,
      limits: this.#limits,
      config: init.config,
      logger: init.logger,
    })
    const records = new ProviderRecords(host.services.dht, init.network, init.providerId)
    await this.#serve(host)
    await startHost(host, init.config)
    this.#running = { host, client, records, gossip }
    gossip.start()
    this.#seeds.start()
  }

  async stop(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#seeds.stop()
    running.client.stop()
    await running.host.stop()
    this.#running = undefined
    await this.scores.stop()
  }

  get addresses(): readonly string[] {
    return this.#running?.host.getMultiaddrs().map(String) ?? []
  }

  request<M extends keyof RpcMethods>(
    peer: string,
    method: M,
    body: RequestBody<M>,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<RpcMethods[M]['response']> {
    if (method === 'package_request') return this.#requestInLane(this.#packageRequests, peer, method, body, signal)
    if (trafficOf(method) === 'message') return this.#requestInLane(this.#control, peer, method, body, signal)
    return this.#parts.client.request(peer, method, body, signal)
  }

  async *fetchPackage(
    peer: string,
    digest: string,
    fromChunk: number,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    signal.throwIfAborted()
    const leave = await this.#downloads.enter(peer, signal)
    try {
      yield* receivePackage(await this.#openPackageStream(peer, signal), digest, fromChunk, signal)
    } finally {
      leave()
    }
  }

  async publish(topic: Topic | GoalTopic, bytes: Uint8Array): Promise<void> {
    await this.#parts.gossip.publish(topic, bytes)
  }

  joinTopic(topic: GoalTopic, judge: Judge): void {
    this.#parts.gossip.join(topic, judge)
  }

  leaveTopic(topic: GoalTopic): void {
    this.#parts.gossip.leave(topic)
  }

  async provide(key: string, signal: AbortSignal): Promise<number> {
    return this.#parts.records.provide(key, signal)
  }

  async unprovide(key: string): Promise<void> {
    await this.#parts.records.unprovide(key)
  }

  async *findProviders(
    key: string,
    options: { readonly signal: AbortSignal; readonly limit: number },
  ): AsyncGenerator<FoundProvider, void, undefined> {
    for await (const { providerId, addresses, namedBy } of this.#parts.records.find(key, options)) {
      const allowed = this.#allowedAddresses(providerId, addresses, namedBy)
      yield { providerId, addresses: allowed.map(String) }
    }
  }

  async addAddresses(peer: string, addresses: readonly string[], learnedFrom?: string): Promise<void> {
    if (peer === this.#init.providerId) return
    const multiaddrs = this.#allowedAddresses(peer, addresses, learnedFrom)
    if (multiaddrs.length === 0) return
    const { peerStore } = this.#host
    // A signed record tells all of a peer's addresses, so it replaces the older ones; a configured address is one more.
    if (learnedFrom === undefined) await peerStore.merge(peerIdFromString(peer), { multiaddrs })
    else await peerStore.patch(peerIdFromString(peer), { multiaddrs })
  }

  async connect(peer: string, signal: AbortSignal): Promise<void> {
    await this.#host.dial(peerIdFromString(peer), { signal })
  }

  connectedPeers(): ConnectedPeer[] {
    return this.#peers.list()
  }

  seeds(): SeedState[] {
    return this.#seeds.states()
  }

  get #parts(): Running {
    if (this.#running === undefined) throw new PeerError('unreachable', 'the network is not running')
    return this.#running
  }

  get #host(): Host {
    return this.#parts.host
  }

  async #serve(host: Host): Promise<void> {
    const { handlers, logger } = this.#init
    const punish = (peer: string, event: ScoreEvent): void => this.scores.record(peer, event)
    const rpc = new RpcServer({ self: this.#self, handlers, logger, limits: this.#limits, punish })
    const packages = new PackageServer(handlers, logger)
    await host.handle(
      this.#ids.rpc,
      this.#unlessBanned((stream, peer) => rpc.serve(stream, peer)),
      {
        maxInboundStreams: RPC_STREAMS_PER_PEER,
      },
    )
    await host.handle(
      this.#ids.package,
      this.#unlessBanned((stream, peer) => packages.serve(stream, peer)),
      {
        // Those that are being sent, and those whose end has not been noticed yet.
        maxInboundStreams: 2 * UPLOADS_PER_PEER,
      },
    )
    await host.register(this.#ids.rpc, { onConnect: this.#peers.connected })
    host.addEventListener('peer:identify', ({ detail }) => {
      this.#peers.identified(detail.peerId.toString(), detail.agentVersion)
    })
    host.addEventListener('peer:disconnect', ({ detail }) => {
      const peer = detail.toString()
      this.#peers.disconnected(peer)
      this.#seeds.disconnected(peer)
    })
  }

  async #requestInLane<M extends keyof RpcMethods>(
    lanes: Pick<Lanes, 'enter'>,
    peer: string,
    method: M,
    body: RequestBody<M>,
    signal: AbortSignal,
  ): Promise<RpcMethods[M]['response']> {
    const leave = await lanes.enter(peer, signal)
    try {
      return await this.#parts.client.request(peer, method, body, signal)
    } finally {
      leave()
    }
  }

  /** A connection to a peer that was banned meanwhile may still be about to close. */
  #unlessBanned(serve: (stream: Stream, peer: string) => Promise<void>): StreamHandler {
    return async (stream, { remotePeer }) => {
      const peer = remotePeer.toString()
      if (this.scores.isBanned(peer)) stream.abort(new PeerError('violation', `${peer} is banned`))
      else await serve(stream, peer)
    }
  }

  /** Closes every connection of a peer, for its score; streams end with them. */
  #drop(peer: string): void {
    const { score, banned } = this.scores.of(peer)
    if (this.#seeds.isSeed(peer))
      this.#init.logger.warn({ peer, score, banned }, 'a seed is disconnected for its score')
    const reason = banned ? `${peer} is banned` : `the score of ${peer} is ${score}`
    for (const connection of this.#connectionsOf(peer)) connection.abort(new PeerError('violation', reason))
  }

  async #openStream(peer: string, protocol: string, signal: AbortSignal): Promise<Stream> {
    if (this.scores.isBanned(peer)) throw new PeerError('unreachable', `${peer} is banned`)
    return this.#host.dialProtocol(peerIdFromString(peer), protocol, { signal })
  }

  async #openPackageStream(peer: string, signal: AbortSignal): Promise<Stream> {
    try {
      return await this.#openStream(peer, this.#ids.package, signal)
    } catch (error) {
      signal.throwIfAborted()
      throw new PeerError('unreachable', `${peer} cannot be reached: ${errorMessage(error)}`, { cause: error })
    }
  }

  #connectionsOf(peer: string): readonly Connection[] {
    return this.#running?.host.getConnections(peerIdFromString(peer)) ?? []
  }

  *#openRanges() {
    for (const { remoteAddr } of this.#running?.host.getConnections() ?? []) yield rangeOf(remoteAddr)
  }

  /** Those of a peer's addresses that may be dialled, given who told them. The private ones among them are approved. */
  #allowedAddresses(peer: string, addresses: readonly string[], learnedFrom: string | undefined): Multiaddr[] {
    const ranges =
      learnedFrom === undefined ? [] : this.#connectionsOf(learnedFrom).map(({ remoteAddr }) => rangeOf(remoteAddr))
    const allowed: Multiaddr[] = []
    for (const text of addresses.slice(0, LIMITS.announcementAddresses)) {
      const address = parsed(text)
      const target = address && tcpTarget(address)
      if (address === undefined || target === undefined || (target.peer ?? peer) !== peer) continue
      const range = rangeOf(address)
      if (learnedFrom === undefined) this.#dialRules.configure(address)
      else if (range === 'special' || (range !== 'public' && !ranges.includes(range))) continue
      else if (range !== 'public') this.#dialRules.approve(address)
      allowed.push(address)
    }
    return allowed
  }
}

/** The group of a public address; undefined for others: who is behind a private one is the operator's business. */
function publicGroup(address: Multiaddr): string | undefined {
  const target = tcpTarget(address)
  return target === undefined || rangeOf(address) !== 'public' ? undefined : addressGroup(target.host)
}

function parsed(text: string): Multiaddr | undefined {
  try {
    return multiaddr(text)
  } catch {
    return undefined
  }
}
