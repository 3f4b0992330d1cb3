import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type GoalTopic, type ProtocolIds, protocolIds, type Topic } from '../../protocol/protocol-ids.ts'
import type { RpcMethods } from '../../protocol/rpc.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { RateCap } from '../kernel/base/rate-cap.ts'
import { nativeVerifier } from '../kernel/identity/verify.ts'
import { groupOf } from './address-group.ts'
import { rangeOf } from './addresses.ts'
import type { FoundProvider, Network, NetworkInit, RequestBody, WantedRange } from './api.ts'
import { ConnectionRoom } from './connection-room.ts'
import { ProviderRecords } from './dht.ts'
import { DhtModeChooser } from './dht-mode.ts'
import { DialBack, type DialBackResult } from './dial-back.ts'
import { DialRules } from './dial-rules.ts'
import { Discovery } from './discovery.ts'
import { Gossip } from './gossip.ts'
import type { Judge } from './handlers.ts'
import { createHost, type Host, startHost } from './host.ts'
import { IncompleteBatches } from './incomplete-batches.ts'
import { Lanes } from './lanes.ts'
import { PeerError } from './peer-error.ts'
import { ControlPace, PeerLimits, trafficOf } from './peer-limits.ts'
import { type ConnectedPeer, PeerTable } from './peers.ts'
import type { Swept } from './provide-sweep.ts'
import { Redialler, type RedialTarget } from './redialler.ts'
import { RelayClient } from './relay.ts'
import { RoundTrips } from './round-trips.ts'
import { RpcClient } from './rpc-client.ts'
import { PACKAGES_PER_STREAM, RPC_STREAMS_PER_PEER, RpcServer } from './rpc-server.ts'
import { PeerScores } from './scores/peer-scores.ts'
import type { ScoreEvent } from './scores/score-events.ts'
import { reasonOf, SeedKeeper, type SeedState } from './seeds.ts'
import type { WireIdentity } from './session.ts'
import type { PeerSession } from './session-key.ts'
import { ToldAddresses } from './told-addresses.ts'
import { Traffic } from './traffic.ts'
import { PackageServer, receivePackage, UPLOADS_PER_PEER } from './transfer.ts'

/** Milliseconds for the streams of a connection to end by themselves, where it is closed to make room. */
const CLOSE_MS = 1000

/** What exists while the network runs. */
interface Running {
  readonly host: Host
  readonly client: RpcClient
  readonly records: ProviderRecords
  readonly gossip: Gossip
  readonly roundTrips: RoundTrips
  readonly dialBack: DialBack
  /** Where the operator leaves the mode open. */
  readonly dhtMode: DhtModeChooser | undefined
  readonly room: ConnectionRoom
}

/** {@link Network} over libp2p. */
export class Libp2pNetwork implements Network {
  readonly #init: NetworkInit
  readonly #ids: ProtocolIds
  readonly #self: WireIdentity
  readonly #seeds: SeedKeeper
  readonly #peers: PeerTable
  readonly #dialRules: DialRules
  readonly #redialler: Redialler
  readonly #told: ToldAddresses
  readonly #discovery: Discovery
  readonly #kept = new Map<string, RedialTarget>()
  readonly scores: PeerScores
  readonly #limits: PeerLimits
  readonly #relayClient: RelayClient | undefined
  #toldAddresses = ''
  readonly #downloads = new Lanes(UPLOADS_PER_PEER)
  readonly #incomplete = new IncompleteBatches()
  readonly #traffic = new Traffic()
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
    this.#dialRules = new DialRules(() => this.#openRanges(), Date.now, init.config.relay !== 'off')
    this.#relayClient =
      init.config.relay === 'client'
        ? new RelayClient(this.#ids.rpc, init.logger, () => this.#tellAddresses())
        : undefined
    const isConnected = (peer: string): boolean => this.#connectionsOf(peer).length > 0
    this.#redialler = new Redialler(isConnected)
    this.scores = new PeerScores({
      store: init.store,
      events: init.events,
      logger: init.logger,
      disconnect: (peer) => this.#drop(peer),
      groupsOf: (peer) => this.#connectionsOf(peer).flatMap(({ remoteAddr }) => groupOf(remoteAddr) ?? []),
    })
    this.#limits = new PeerLimits(init.config, (peer, event) => this.scores.record(peer, event))
    this.#seeds = new SeedKeeper({
      seeds: init.config.seeds,
      self: init.providerId,
      logger: init.logger,
      redialler: this.#redialler,
      dial: async (address, signal) => (await this.#host.dial(address, { signal })).remotePeer.toString(),
      isConnected,
    })
    this.#told = new ToldAddresses({
      self: init.providerId,
      relays: init.config.relay !== 'off',
      rules: this.#dialRules,
      rangesOf: (peer) => this.#connectionsOf(peer).map(({ remoteAddr }) => rangeOf(remoteAddr)),
    })
    this.#discovery = new Discovery({
      self: init.providerId,
      store: init.store,
      logger: init.logger,
      maxConnections: init.config.max_connections,
      rules: this.#dialRules,
      told: this.#told,
      connected: () => this.#peers.list().map(({ providerId }) => providerId),
      isConnected,
      request: async (peer, signal) => (await this.request(peer, 'peer_exchange', {}, { signal })).records,
      dial: (addresses, signal) => this.#host.dial(addresses, { signal }),
      punish: (peer, event) => this.scores.record(peer, event),
    })
    this.#peers = new PeerTable({
      events: init.events,
      connectionsOf: (peer) => this.#connectionsOf(peer),
      isSeed: (peer) => this.#seeds.isSeed(peer),
      roundTripMs: (peer) => this.roundTripMs(peer),
      trafficOf: (peer) => this.#traffic.of(peer),
    })
  }

  async start(): Promise<void> {
    const init = this.#init
    for (const address of this.#seeds.addresses) this.#dialRules.configure(address)
    await this.scores.start()
    await this.#discovery.load()
    const host = await createHost({
      ...init,
      dialRules: this.#dialRules,
      scores: this.scores,
      traffic: this.#traffic,
      relayClient: this.#relayClient,
      foundLocally: (peer, addresses) => this.#discovery.foundLocally(peer, addresses),
    })
    const client = new RpcClient({
      self: this.#self,
      incomplete: this.#incomplete,
      openStream: (peer, signal) => this.#openStream(peer, this.#ids.rpc, signal),
      onOpen: (peer) => roundTrips.measure(peer),
      onViolation: (peer) => this.scores.record(peer, 'protocol_violation'),
    })
    const roundTrips = new RoundTrips({
      peers: () => client.peers(),
      ping: async (peer, signal) => void (await client.request(peer, 'ping', {}, signal)),
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
    const records = new ProviderRecords({
      dht: host.services.dht,
      network: init.network,
      self: init.providerId,
      addresses: () => host.getMultiaddrs().map(({ bytes }) => bytes),
      openStream: (peer, signal) => this.#openStream(peer, this.#ids.dht, signal),
    })
    const room = new ConnectionRoom({
      maxConnections: init.config.max_connections,
      connections: () => host.getConnections(),
      isNeeded: (connection) => this.#isNeeded(connection),
      scoreOf: (peer) => this.scores.of(peer).score,
      close(connection) {
        connection.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch((error: Error) => connection.abort(error))
      },
    })
    const dhtMode =
      init.config.dht_mode === 'auto'
        ? new DhtModeChooser({
            logger: init.logger,
            own: () => host.getMultiaddrs().map(rangeOf),
            peers: () => this.#openRanges(),
            setMode: (mode) => host.services.dht.setMode(mode),
          })
        : undefined
    await this.#serve(host, dhtMode)
    await startHost(host, init.config)
    await this.#relayClient?.start(host)
    const dialBack = new DialBack(host, this.#self, this.#ids.rpc)
    this.#running = { host, client, records, gossip, roundTrips, dialBack, dhtMode, room }
    this.#watchAddresses(host)
    gossip.start()
    roundTrips.start()
    room.start()
    dhtMode?.start()
    this.#redialler.start()
    this.#discovery.start()
  }

  async stop(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#redialler.stop()
    running.roundTrips.stop()
    this.#relayClient?.stop()
    running.dhtMode?.stop()
    running.room.stop()
    await this.#discovery.stop()
    running.client.stop()
    await running.host.stop()
    this.#running = undefined
    await this.#discovery.close()
    await this.scores.stop()
  }

  get addresses(): readonly string[] {
    return this.#running?.host.getMultiaddrs().map(String) ?? []
  }

  request<M extends keyof RpcMethods>(
    peer: string,
    method: M,
    body: RequestBody<M>,
    { signal, session }: { readonly signal: AbortSignal; readonly session?: string },
  ): Promise<RpcMethods[M]['response']> {
    if (method === 'package_request') {
      return this.#requestInLane(this.#packageRequests, peer, method, body, { signal, session })
    }
    if (trafficOf(method) === 'message')
      return this.#requestInLane(this.#control, peer, method, body, { signal, session })
    return this.#parts.client.request(peer, method, body, signal, session)
  }

  async session(peer: string, { signal }: { readonly signal: AbortSignal }): Promise<PeerSession> {
    return this.#parts.client.session(peer, signal)
  }

  roundTripMs(peer: string): number | undefined {
    return this.#running?.roundTrips.of(peer)
  }

  async *fetchPackage(
    peer: string,
    digest: string,
    nextRange: () => WantedRange | undefined,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    signal.throwIfAborted()
    const leave = await this.#downloads.enter(peer, signal)
    try {
      yield* receivePackage(await this.#openPackageStream(peer, signal), digest, nextRange, signal)
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

  async provide(keys: readonly string[], signal: AbortSignal): Promise<Swept> {
    return this.#parts.records.provide(keys, signal)
  }

  unprovide(key: string): void {
    this.#running?.records.unprovide(key)
  }

  async *findProviders(
    key: string,
    options: { readonly signal: AbortSignal; readonly limit: number },
  ): AsyncGenerator<FoundProvider, void, undefined> {
    for await (const { providerId, addresses, namedBy } of this.#parts.records.find(key, options)) {
      const allowed = this.#told.allowed(providerId, addresses, namedBy)
      yield { providerId, addresses: allowed.map(String) }
    }
  }

  async addAddresses(peer: string, addresses: readonly string[], learnedFrom?: string): Promise<void> {
    if (peer === this.#init.providerId) return
    const multiaddrs = this.#told.allowed(peer, addresses, learnedFrom)
    if (multiaddrs.length === 0) return
    const { peerStore } = this.#host
    // A signed record tells all of a peer's addresses, so it replaces the older ones; a configured address is one more.
    if (learnedFrom === undefined) await peerStore.merge(peerIdFromString(peer), { multiaddrs })
    else await peerStore.patch(peerIdFromString(peer), { multiaddrs })
  }

  async connect(peer: string, signal: AbortSignal): Promise<void> {
    if (this.#connectionTo(peer) === undefined) await this.#host.dial(peerIdFromString(peer), { signal })
  }

  keepConnected(peer: string): void {
    if (this.#kept.has(peer) || peer === this.#init.providerId) return
    const target: RedialTarget = {
      peer: () => peer,
      dial: async (signal) => void (await this.#host.dial(peerIdFromString(peer), { signal })),
      failed: (error) => {
        this.#init.logger.debug({ peer, reason: reasonOf(error) }, 'a peer that is kept connected does not answer')
        return true
      },
    }
    this.#kept.set(peer, target)
    this.#redialler.add(target)
  }

  letGo(peer: string): void {
    const target = this.#kept.get(peer)
    this.#kept.delete(peer)
    if (target !== undefined) this.#redialler.remove(target)
  }

  async dialBack(peer: string, port: number): Promise<DialBackResult> {
    return this.#parts.dialBack.dial(peer, this.#connectionsOf(peer), port)
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

  async #serve(host: Host, dhtMode: DhtModeChooser | undefined): Promise<void> {
    const { handlers, logger } = this.#init
    const answers = {
      ...handlers.answers,
      peer_exchange: (_request: object, from: string) => ({ records: this.#discovery.answer(from) }),
    }
    const punish = (peer: string, event: ScoreEvent): void => this.scores.record(peer, event)
    const rpc = new RpcServer({
      self: this.#self,
      handlers: { ...handlers, answers },
      logger,
      limits: this.#limits,
      punish,
      incomplete: this.#incomplete,
    })
    const packages = new PackageServer(handlers, logger, new RateCap(this.#init.config.upload_bytes_per_second))
    await host.handle(
      this.#ids.rpc,
      this.#unlessBanned((stream, peer) => rpc.serve(stream, peer)),
      {
        maxInboundStreams: RPC_STREAMS_PER_PEER,
        runOnLimitedConnection: true,
      },
    )
    await host.handle(
      this.#ids.package,
      this.#unlessBanned((stream, peer) => packages.serve(stream, peer)),
      {
        // Those that are being sent, and those whose end has not been noticed yet.
        maxInboundStreams: 2 * UPLOADS_PER_PEER,
        runOnLimitedConnection: true,
      },
    )
    await host.register(this.#ids.rpc, {
      onConnect: (peer, connection) => {
        this.#peers.connected(peer, connection)
        dhtMode?.choose()
        void this.#discovery.met(host, peer, connection)
      },
      notifyOnLimitedConnection: true,
    })
    host.addEventListener('peer:identify', ({ detail }) => {
      this.#peers.identified(detail.peerId.toString(), detail.agentVersion)
    })
    host.addEventListener('peer:disconnect', ({ detail }) => {
      const peer = detail.toString()
      this.#peers.disconnected(peer)
      this.#running?.roundTrips.forget(peer)
      this.#redialler.disconnected(peer)
      this.#discovery.lost()
      dhtMode?.choose()
    })
    host.addEventListener('self:peer:update', () => dhtMode?.choose())
  }

  #watchAddresses(host: Host): void {
    this.#toldAddresses = this.addresses.join()
    host.addEventListener('self:peer:update', () => this.#tellAddresses())
  }

  /** The library tells of its own addresses a second later, and not of those that came and went meanwhile. */
  #tellAddresses(): void {
    const { addresses } = this
    if (this.#running === undefined || addresses.join() === this.#toldAddresses) return
    this.#toldAddresses = addresses.join()
    this.#init.events.emit('addresses_changed', { addresses })
  }

  async #requestInLane<M extends keyof RpcMethods>(
    lanes: Pick<Lanes, 'enter'>,
    peer: string,
    method: M,
    body: RequestBody<M>,
    { signal, session }: { readonly signal: AbortSignal; readonly session: string | undefined },
  ): Promise<RpcMethods[M]['response']> {
    const leave = await lanes.enter(peer, signal)
    try {
      return await this.#parts.client.request(peer, method, body, signal, session)
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
  /** Whether a connection carries something, or is to a peer that is there for a reason. */
  #isNeeded({ remotePeer, streams }: Connection): boolean {
    const { host, client, gossip } = this.#parts
    const peer = remotePeer.toString()
    return (
      this.#seeds.isSeed(peer) ||
      this.#kept.has(peer) ||
      client.isAsking(peer) ||
      streams.some(({ protocol }) => protocol === this.#ids.package) ||
      gossip.isInMesh(peer) ||
      host.services.relay?.reservations.has(remotePeer) === true
    )
  }

  #drop(peer: string): void {
    const { score, banned } = this.scores.of(peer)
    if (this.#seeds.isSeed(peer))
      this.#init.logger.warn({ peer, score, banned }, 'a seed is disconnected for its score')
    const reason = banned ? `${peer} is banned` : `the score of ${peer} is ${score}`
    for (const connection of this.#connectionsOf(peer)) connection.abort(new PeerError('violation', reason))
  }

  async #openStream(peer: string, protocol: string, signal: AbortSignal): Promise<Stream> {
    if (this.scores.isBanned(peer)) throw new PeerError('unreachable', `${peer} is banned`)
    const options = { signal, runOnLimitedConnection: true }
    const connection = this.#connectionTo(peer)
    if (connection !== undefined) return connection.newStream(protocol, options)
    return this.#host.dialProtocol(peerIdFromString(peer), protocol, options)
  }

  /**
   * The oldest open connection to a peer, a direct one if there is any. libp2p would take the newest, which may be a dial-back that is about to be
   * closed, and would dial again where there are only relayed ones.
   */
  #connectionTo(peer: string): Connection | undefined {
    const open = this.#connectionsOf(peer).filter(({ status }) => status === 'open')
    return open.find(({ limits }) => limits === undefined) ?? open[0]
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
}
