import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import { type ProtocolIds, protocolIds, type Topic } from '../../protocol/protocol-ids.ts'
import type { RpcMethods } from '../../protocol/rpc.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { nativeVerifier } from '../kernel/identity/verify.ts'
import type { FoundProvider, Network, NetworkInit, RequestBody } from './api.ts'
import { ProviderRecords } from './dht.ts'
import { DialBack, type DialBackResult } from './dial-back.ts'
import { DialRules, rangeOf, relayedTarget, tcpTarget } from './dial-rules.ts'
import { Gossip } from './gossip.ts'
import { createHost, type Host, startHost } from './host.ts'
import { Lanes } from './lanes.ts'
import { PeerError } from './peer-error.ts'
import { type ConnectedPeer, PeerTable } from './peers.ts'
import { RelayClient } from './relay.ts'
import { RpcClient } from './rpc-client.ts'
import { PACKAGES_PER_STREAM, RPC_STREAMS_PER_PEER, RpcServer } from './rpc-server.ts'
import { SeedKeeper, type SeedState } from './seeds.ts'
import type { WireIdentity } from './session.ts'
import { PackageServer, receivePackage, UPLOADS_PER_PEER } from './transfer.ts'

/** What exists while the network runs. */
interface Running {
  readonly host: Host
  readonly client: RpcClient
  readonly records: ProviderRecords
  readonly gossip: Gossip
  readonly dialBack: DialBack
}

/** {@link Network} over libp2p. */
export class Libp2pNetwork implements Network {
  readonly #init: NetworkInit
  readonly #ids: ProtocolIds
  readonly #self: WireIdentity
  readonly #seeds: SeedKeeper
  readonly #peers: PeerTable
  readonly #dialRules: DialRules
  readonly #relayClient: RelayClient | undefined
  readonly #downloads = new Lanes(UPLOADS_PER_PEER)
  readonly #packageRequests = new Lanes(PACKAGES_PER_STREAM)
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
    this.#relayClient = init.config.relay === 'client' ? new RelayClient(this.#ids.rpc, init.logger) : undefined
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
    const host = await createHost({ ...init, dialRules: this.#dialRules, relayClient: this.#relayClient })
    const client = new RpcClient({
      self: this.#self,
      openStream: (peer, signal) => this.#openStream(peer, this.#ids.rpc, signal),
    })
    const gossip = new Gossip(host.services.gossip, this.#ids.topics, init.handlers.gossip, init.logger)
    const records = new ProviderRecords(host.services.dht, init.network, init.providerId)
    await this.#serve(host)
    await startHost(host, init.config)
    await this.#relayClient?.start(host)
    const dialBack = new DialBack(host, this.#self, this.#ids.rpc)
    this.#running = { host, client, records, gossip, dialBack }
    this.#watchAddresses(host)
    gossip.start()
    this.#seeds.start()
  }

  async stop(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#seeds.stop()
    this.#relayClient?.stop()
    running.client.stop()
    await running.host.stop()
    this.#running = undefined
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
    if (method === 'package_request') return this.#requestInLane(peer, method, body, signal)
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

  async publish(topic: Topic, bytes: Uint8Array): Promise<void> {
    await this.#parts.gossip.publish(topic, bytes)
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
    if (this.#connectionTo(peer) === undefined) await this.#host.dial(peerIdFromString(peer), { signal })
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

  async #serve(host: Host): Promise<void> {
    const { handlers, logger } = this.#init
    const rpc = new RpcServer({ self: this.#self, handlers, logger })
    const packages = new PackageServer(handlers, logger)
    await host.handle(this.#ids.rpc, (stream, { remotePeer }) => rpc.serve(stream, remotePeer.toString()), {
      maxInboundStreams: RPC_STREAMS_PER_PEER,
      runOnLimitedConnection: true,
    })
    await host.handle(this.#ids.package, (stream, { remotePeer }) => packages.serve(stream, remotePeer.toString()), {
      // Those that are being sent, and those whose end has not been noticed yet.
      maxInboundStreams: 2 * UPLOADS_PER_PEER,
      runOnLimitedConnection: true,
    })
    await host.register(this.#ids.rpc, { onConnect: this.#peers.connected, notifyOnLimitedConnection: true })
    host.addEventListener('peer:disconnect', ({ detail }) => {
      const peer = detail.toString()
      this.#peers.disconnected(peer)
      this.#seeds.disconnected(peer)
    })
  }

  #watchAddresses(host: Host): void {
    let last = this.addresses.join()
    host.addEventListener('self:peer:update', () => {
      const addresses = this.addresses.join()
      if (addresses === last) return
      last = addresses
      this.#init.events.emit('addresses_changed', { addresses: this.addresses })
    })
  }

  async #requestInLane<M extends keyof RpcMethods>(
    peer: string,
    method: M,
    body: RequestBody<M>,
    signal: AbortSignal,
  ): Promise<RpcMethods[M]['response']> {
    const leave = await this.#packageRequests.enter(peer, signal)
    try {
      return await this.#parts.client.request(peer, method, body, signal)
    } finally {
      leave()
    }
  }

  async #openStream(peer: string, protocol: string, signal: AbortSignal): Promise<Stream> {
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

  /** Those of a peer's addresses that may be dialled, given who told them. The private ones among them are approved. */
  #allowedAddresses(peer: string, addresses: readonly string[], learnedFrom: string | undefined): Multiaddr[] {
    const ranges =
      learnedFrom === undefined ? [] : this.#connectionsOf(learnedFrom).map(({ remoteAddr }) => rangeOf(remoteAddr))
    const allowed: Multiaddr[] = []
    for (const text of addresses.slice(0, LIMITS.announcementAddresses)) {
      const address = parsed(text)
      const relayed = address && relayedTarget(address)
      if (relayed !== undefined && (this.#init.config.relay === 'off' || relayed.relayPeer === this.#init.providerId))
        continue
      // What is said of a relayed address below is said of the relay's.
      const direct = relayed?.relay ?? address
      const target = direct && tcpTarget(direct)
      if (address === undefined || direct === undefined || target === undefined) continue
      if ((relayed?.peer ?? target.peer ?? peer) !== peer) continue
      const range = rangeOf(direct)
      if (learnedFrom === undefined) this.#dialRules.configure(direct)
      else if (range === 'special' || (range !== 'public' && !ranges.includes(range))) continue
      else if (range !== 'public') this.#dialRules.approve(direct)
      allowed.push(address)
    }
    return allowed
  }
}

function parsed(text: string): Multiaddr | undefined {
  try {
    return multiaddr(text)
  } catch {
    return undefined
  }
}
