import { type CircuitRelayService, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { GossipSub } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { Connection, Libp2p, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { type Ping, ping } from '@libp2p/ping'
import { prometheusMetrics } from '@libp2p/prometheus-metrics'
import { tcp } from '@libp2p/tcp'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { protocolIds } from '../../protocol/protocol-ids.ts'
import { errorMessage, StartError } from '../kernel/base/errors.ts'
import { softwareVersion } from '../kernel/config/package-files.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import { groupOfHost } from './address-group.ts'
import { relayedTarget, tcpTarget } from './addresses.ts'
import { BoundedDatastore } from './bounded-datastore.ts'
import { componentLogger } from './component-logger.ts'
import { type Dht, dhtService } from './dht.ts'
import type { DialRules } from './dial-rules.ts'
import { encrypters } from './encryption.ts'
import { gossipService } from './gossip.ts'
import { HalfOpen } from './half-open.ts'
import { InboundLimit } from './inbound-limit.ts'
import { announceAddresses, listenAddresses } from './listen-addresses.ts'
import { guardedYamux } from './muxer.ts'
import { PROVIDER_VALIDITY_MS } from './provider-store.ts'
import { type RelayClient, RelayGate, relayServer } from './relay.ts'
import type { PeerScores } from './scores/peer-scores.ts'
import { START_SCORE } from './scores/score-events.ts'
import { STREAM_WINDOW_BYTES } from './streams.ts'
import type { Traffic } from './traffic.ts'

/** The libp2p node with this project's services. */
export type Host = Libp2p<{
  identify: Identify
  ping: Ping
  dht: Dht
  gossip: GossipSub
  /** Where this node is a relay. */
  relay?: CircuitRelayService
}>

/**
 * Unread bytes of a stream at which it is reset, whatever its window allows: those of the requests of a peer that does not read the answers, or
 * of a stream that nobody serves yet. Streams of package bytes have a larger one (`transfer.ts`).
 */
const READ_BUFFER_BYTES = 2 * 1024 * 1024
/** Streams that a peer may have open on one connection, over all protocols. */
const INBOUND_STREAMS = 128
/**
 * Milliseconds that a connection may owe the answer to a ping before it is given up. A ping waits behind the package bytes that are on their way, a
 * whole stream window of them: on a link of 2 Mbit/s that is a minute.
 */
const PING_MS = 60_000
/**
 * Pings that may wait for their answers on one connection: libp2p's monitor sends one every ten seconds, whether the last one was answered or not, and
 * ends the connection where it may not; the DHT sends some of its own.
 */
const PINGS = 8
/** Inbound connections whose handshake is under way: one from further away takes a second, in which that many others may come. */
const PENDING_CONNECTIONS = 256

/** What a host is made of. */
export interface HostInit {
  readonly network: string
  readonly identitySeed: Uint8Array
  readonly config: Config['p2p']
  readonly logger: Logger
  readonly metrics: Pick<Metrics, 'registry'>
  readonly dialRules: DialRules
  /** Hears of peers that multicast DNS found, where that is on. */
  foundLocally?(peer: string, addresses: readonly Multiaddr[]): void
  /** Absent: everybody is accepted. */
  readonly scores?: Pick<PeerScores, 'isBanned' | 'bannedIn' | 'of'>
  /** Where this node listens through relays. */
  readonly relayClient?: RelayClient | undefined
  /** Hears how many bytes go to and come from whom. */
  readonly traffic?: Traffic
  /** What connections are made of; absent: TCP. For many nodes in one process. */
  readonly wiring?: Wiring
}

/** A way of connecting other than TCP. */
export interface Wiring {
  readonly transports: NonNullable<Libp2pOptions['transports']>
  readonly connectionEncrypters: NonNullable<Libp2pOptions['connectionEncrypters']>
  /** Multiaddr to listen on. */
  readonly listen: string
  /** The public address group of a peer, where addresses do not say it. */
  groupOf?(peer: string): string | undefined
}

/** Makes the host, not started. Throws `StartError` when the configured host is no address. */
export async function createHost(init: HostInit): Promise<Host> {
  const { network, config } = init
  const ids = protocolIds(network)
  // With the network's name in every protocol id, nodes of two networks have nothing to say to each other.
  const protocolPrefix = `cytoplex/${network}`
  const inbound = new InboundLimit(config.max_connections, (group) => init.scores?.bannedIn(group) ?? 0)
  const halfOpen = new HalfOpen(PENDING_CONNECTIONS)
  const denies = (peer: PeerId): boolean => init.scores?.isBanned(peer.toString()) === true
  // Exists as soon as the host does, and so before anybody connects.
  let gate: RelayGate | undefined
  const privateKey = await generateKeyPairFromSeed('Ed25519', init.identitySeed)
  const announce = announceAddresses(config, peerIdFromPrivateKey(privateKey).toString())
  const peers = new BoundedDatastore(() => {
    const connected = host.getPeers().map((peer) => `/peers/${peer.toCID()}`)
    return new Set([`/peers/${privateKey.publicKey.toCID()}`, ...connected])
  })
  // What few nodes need is not loaded by the others.
  const localDiscovery = config.mdns ? (await import('./local-discovery.ts')).localDiscovery : undefined
  const holePunching = config.hole_punching ? (await import('@libp2p/dcutr')).dcutr : undefined
  const metrics = prometheusMetrics({
    registry: init.metrics.registry,
    collectDefaultMetrics: false,
    preserveExistingMetrics: true,
  })
  const host: Host = await createLibp2p({
    start: false,
    datastore: peers.asDatastore(),
    nodeInfo: { name: 'cytoplex', version: softwareVersion(), userAgent: `cytoplex/${softwareVersion()}` },
    privateKey,
    addresses: {
      listen: init.wiring === undefined ? listenAddresses(config) : [init.wiring.listen],
      ...(init.relayClient === undefined ? { announce } : withRelays(announce, init.relayClient)),
    },
    transports: [
      ...(init.wiring?.transports ?? [tcp()]),
      ...(config.relay === 'off' ? [] : [init.relayClient?.transport ?? circuitRelayTransport()]),
    ].map((make) => counted(make, init.dialRules)),
    peerDiscovery: localDiscovery && init.foundLocally ? [localDiscovery(network, init.foundLocally)] : [],
    connectionEncrypters: init.wiring?.connectionEncrypters ?? encrypters(),
    streamMuxers: [
      guardedYamux({
        maxInboundStreams: INBOUND_STREAMS,
        streamOptions: {
          initialStreamWindowSize: STREAM_WINDOW_BYTES,
          maxStreamWindowSize: STREAM_WINDOW_BYTES,
          maxReadBufferLength: READ_BUFFER_BYTES,
        },
      }),
    ],
    // The library would forget where a provider is before its records expire.
    peerStore: { maxAddressAge: PROVIDER_VALIDITY_MS, maxPeerAge: PROVIDER_VALIDITY_MS },
    connectionManager: {
      maxConnections: config.max_connections,
      inboundConnectionThreshold: config.inbound_per_second,
      // Those that are displaced count until libp2p has noticed that they ended.
      maxIncomingPendingConnections: 4 * PENDING_CONNECTIONS,
    },
    connectionMonitor: { protocolPrefix, pingTimeout: { minTimeout: PING_MS, maxTimeout: PING_MS } },
    connectionGater: {
      denyDialMultiaddr: (address) => init.dialRules.denies(address),
      denyInboundConnection: (connection) => deniesInbound(inbound, halfOpen, connection),
      denyInboundUpgradedConnection: (peer, connection) => {
        halfOpen.leave(connection)
        init.traffic?.identified(peer, connection)
        return false
      },
      denyOutboundUpgradedConnection: (peer, connection) => {
        init.traffic?.identified(peer, connection)
        return false
      },
      denyDialPeer: denies,
      // An address may be dialled without saying who is there.
      denyOutboundEncryptedConnection: denies,
      denyInboundEncryptedConnection: denies,
      denyInboundRelayReservation: async (peer) => gate === undefined || gate.deniesReservation(peer),
      denyOutboundRelayedConnection: async (from) => gate === undefined || gate.deniesConnection(from),
    },
    metrics: init.traffic?.watching(metrics) ?? metrics,
    logger: componentLogger(init.logger),
    services: {
      identify: identify({ protocolPrefix }),
      ping: ping({ protocolPrefix, maxInboundStreams: PINGS, maxOutboundStreams: PINGS }),
      dht: dhtService({
        protocol: ids.dht,
        clientMode: config.dht_mode === 'client',
        groupOf: (peer, components) =>
          init.wiring?.groupOf?.(peer) ??
          groupOfPeer(components.connectionManager.getConnections(peerIdFromString(peer))),
      }),
      gossip: gossipService(ids, (peer) => ({
        score: init.scores?.of(peer).score ?? START_SCORE,
        banned: init.scores?.isBanned(peer) ?? false,
      })),
      ...(config.relay === 'server' ? { relay: relayServer() } : {}),
      ...(holePunching === undefined ? {} : { holePunching: holePunching() }),
    },
  })
  if (host.services.relay !== undefined) gate = new RelayGate(host, host.services.relay, ids.rpc)
  return host
}

/** Starts a host. Throws `StartError` when its port cannot be had. */
export async function startHost(host: Host, config: Config['p2p']): Promise<void> {
  try {
    await host.start()
  } catch (error) {
    await host.stop()
    const message = errorMessage(error)
    const inUse = message.includes('EADDRINUSE')
    if (!inUse && !/EACCES|EADDRNOTAVAIL/.test(message)) throw error
    // libp2p lists the addresses that failed, one a line, each with its reason.
    const failed = [...message.matchAll(/^\s*(\/\S+): (.+)$/gm)].map(([, address, why]) =>
      inUse ? address : `${address} (${why})`,
    )
    const where = failed.length > 0 ? failed.join(', ') : `${config.host} port ${config.port}`
    const reason = inUse ? 'another program uses that port' : 'this machine has no such address, or it is not allowed'
    const key =
      config.listen.length > 0
        ? 'other addresses in p2p.listen'
        : 'another p2p.port (--p2p-port) or p2p.host (--p2p-host)'
    throw new StartError(`P2P cannot listen on ${where}: ${reason}. Choose ${key}.`, { cause: error })
  }
}

/** Announced are the configured addresses, else those listened on; and those at relays. */
function withRelays(configured: readonly string[], relays: RelayClient): NonNullable<Libp2pOptions['addresses']> {
  const hosts = new Set(configured.map((text) => multiaddr(text).toString().split('/p2p/')[0]))
  return {
    appendAnnounce: [...configured],
    announceFilter(addresses) {
      const direct = addresses.filter((address) => {
        if (relayedTarget(address) !== undefined) return false
        return hosts.size === 0 || hosts.has(address.toString().split('/p2p/')[0])
      })
      const relayed = addresses.filter((address) => {
        const target = relayedTarget(address)
        return target !== undefined && relays.announces(target)
      })
      return [...direct, ...relayed]
    },
  }
}

type MakeTransport = NonNullable<Libp2pOptions['transports']>[number]

/** A transport whose dials count: libp2p asks the rules about many addresses that it does not dial then. */
const counted =
  (make: MakeTransport, rules: DialRules): MakeTransport =>
  (components) => {
    const transport = make(components)
    const dial = transport.dial.bind(transport)
    transport.dial = async (address, options) => {
      if (!rules.count(address)) throw new Error(`too many dials to ${address}`)
      return dial(address, options)
    }
    return transport
  }

/** Whether an inbound connection is one too many for its address; one that is not is counted until it ends, and its handshake until that is over. */
function deniesInbound(limit: InboundLimit, halfOpen: HalfOpen, connection: MultiaddrConnection): boolean {
  // What comes through a relay counts as the relay's.
  const host = tcpTarget(relayedTarget(connection.remoteAddr)?.relay ?? connection.remoteAddr)?.host
  if (host === undefined) return true
  const leave = limit.enter(host)
  if (leave === undefined) return true
  if (connection.status !== 'open') {
    leave()
    return false
  }
  halfOpen.enter(connection, groupOfHost(host) ?? host)
  connection.addEventListener(
    'close',
    () => {
      halfOpen.leave(connection)
      leave()
    },
    { once: true },
  )
  return false
}

/** The public address group that a peer is connected from. A peer that is not connected counts to one group with all others that are not. */
function groupOfPeer([connection]: readonly Connection[]): string | undefined {
  const host = connection && tcpTarget(connection.remoteAddr)?.host
  return host === undefined ? 'unknown' : groupOfHost(host)
}
