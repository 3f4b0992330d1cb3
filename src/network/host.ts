import { isIP } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { GossipSub } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { Connection, Libp2p, MultiaddrConnection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Ping, ping } from '@libp2p/ping'
import { prometheusMetrics } from '@libp2p/prometheus-metrics'
import { tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { protocolIds } from '../../protocol/protocol-ids.ts'
import { errorMessage, StartError } from '../kernel/base/errors.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import { BoundedDatastore } from './bounded-datastore.ts'
import { componentLogger } from './component-logger.ts'
import { type Dht, dhtService } from './dht.ts'
import { type DialRules, tcpTarget } from './dial-rules.ts'
import { gossipService } from './gossip.ts'
import { groupOfHost, InboundLimit } from './inbound-limit.ts'
import { localDiscovery } from './local-discovery.ts'
import { guardedYamux } from './muxer.ts'
import { PROVIDER_VALIDITY_MS } from './provider-store.ts'
import { STREAM_WINDOW_BYTES } from './streams.ts'

/** The libp2p node with this project's services. */
export type Host = Libp2p<{ identify: Identify; ping: Ping; dht: Dht; gossip: GossipSub }>

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
/** Inbound connections whose handshake is under way. */
const PENDING_CONNECTIONS = 64

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
  const inbound = new InboundLimit(config.max_connections)
  const privateKey = await generateKeyPairFromSeed('Ed25519', init.identitySeed)
  const peers = new BoundedDatastore(() => {
    const connected = host.getPeers().map((peer) => `/peers/${peer.toCID()}`)
    return new Set([`/peers/${privateKey.publicKey.toCID()}`, ...connected])
  })
  const host: Host = await createLibp2p({
    start: false,
    privateKey,
    datastore: peers.asDatastore(),
    addresses: { listen: [init.wiring?.listen ?? listenAddress(config)], announce: [...config.announce] },
    transports: (init.wiring?.transports ?? [tcp()]).map((make) => counted(make, init.dialRules)),
    peerDiscovery: config.mdns && init.foundLocally ? [localDiscovery(network, init.foundLocally)] : [],
    connectionEncrypters: init.wiring?.connectionEncrypters ?? [noise()],
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
      maxIncomingPendingConnections: PENDING_CONNECTIONS,
    },
    connectionMonitor: { protocolPrefix, pingTimeout: { minTimeout: PING_MS, maxTimeout: PING_MS } },
    connectionGater: {
      denyDialMultiaddr: (address) => init.dialRules.denies(address),
      denyInboundConnection: (connection) => deniesInbound(inbound, connection),
    },
    metrics: prometheusMetrics({
      registry: init.metrics.registry,
      collectDefaultMetrics: false,
      preserveExistingMetrics: true,
    }),
    logger: componentLogger(init.logger),
    services: {
      identify: identify({ protocolPrefix }),
      ping: ping({ protocolPrefix }),
      dht: dhtService({
        protocol: ids.dht,
        clientMode: config.dht_mode === 'client',
        groupOf: (peer, components) =>
          init.wiring?.groupOf?.(peer) ??
          groupOfPeer(components.connectionManager.getConnections(peerIdFromString(peer))),
      }),
      gossip: gossipService(ids.topics),
    },
  })
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
    const reason = inUse ? 'another program uses that port' : message.trim().replace(/\s+/g, ' ')
    throw new StartError(
      `P2P cannot listen on ${config.host} port ${config.port}: ${reason}. Choose another p2p.host or p2p.port.`,
      {
        cause: error,
      },
    )
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

/** Whether an inbound connection is one too many for its address; one that is not is counted until it ends. */
function deniesInbound(limit: InboundLimit, connection: MultiaddrConnection): boolean {
  const host = tcpTarget(connection.remoteAddr)?.host
  if (host === undefined) return true
  const leave = limit.enter(host)
  if (leave === undefined) return true
  if (connection.status === 'open') connection.addEventListener('close', leave, { once: true })
  else leave()
  return false
}

/** The public address group that a peer is connected from. A peer that is not connected counts to one group with all others that are not. */
function groupOfPeer([connection]: readonly Connection[]): string | undefined {
  const host = connection && tcpTarget(connection.remoteAddr)?.host
  return host === undefined ? 'unknown' : groupOfHost(host)
}

function listenAddress({ host, port }: Config['p2p']): string {
  if (host === 'localhost') return `/ip4/127.0.0.1/tcp/${port}`
  const version = isIP(host)
  if (version === 0) throw new StartError(`p2p.host is "${host}"; allowed are IPv4 and IPv6 addresses and "localhost".`)
  return `/ip${version}/${host}/tcp/${port}`
}
