import { noise } from '@chainsafe/libp2p-noise'
import { type CircuitRelayService, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { dcutr } from '@libp2p/dcutr'
import type { GossipSub } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { Libp2p, MultiaddrConnection } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Ping, ping } from '@libp2p/ping'
import { prometheusMetrics } from '@libp2p/prometheus-metrics'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { protocolIds } from '../../protocol/protocol-ids.ts'
import { errorMessage, StartError } from '../kernel/base/errors.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import { componentLogger } from './component-logger.ts'
import { dhtService } from './dht.ts'
import { type DialRules, relayedTarget, tcpTarget } from './dial-rules.ts'
import { gossipService } from './gossip.ts'
import { InboundLimit } from './inbound-limit.ts'
import { announceAddresses, listenAddresses } from './listen-addresses.ts'
import { guardedYamux } from './muxer.ts'
import { type RelayClient, RelayGate, relayServer } from './relay.ts'
import { STREAM_WINDOW_BYTES } from './streams.ts'

/** The libp2p node with this project's services. */
export type Host = Libp2p<{
  identify: Identify
  ping: Ping
  dht: KadDHT
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
  /** Where this node listens through relays. */
  readonly relayClient?: RelayClient | undefined
  /** What connections are made of; absent: TCP. For many nodes in one process. */
  readonly wiring?: Wiring
}

/** A way of connecting other than TCP. */
export interface Wiring {
  readonly transports: NonNullable<Libp2pOptions['transports']>
  readonly connectionEncrypters: NonNullable<Libp2pOptions['connectionEncrypters']>
  /** Multiaddr to listen on. */
  readonly listen: string
}

/** Makes the host, not started. Throws `StartError` when the configured host is no address. */
export async function createHost(init: HostInit): Promise<Host> {
  const { network, config } = init
  const ids = protocolIds(network)
  // With the network's name in every protocol id, nodes of two networks have nothing to say to each other.
  const protocolPrefix = `cytoplex/${network}`
  const inbound = new InboundLimit(config.max_connections)
  // Exists as soon as the host does, and so before anybody connects.
  let gate: RelayGate | undefined
  const privateKey = await generateKeyPairFromSeed('Ed25519', init.identitySeed)
  const announce = announceAddresses(config, peerIdFromPrivateKey(privateKey).toString())
  const host = await createLibp2p({
    start: false,
    privateKey,
    addresses: {
      listen: init.wiring === undefined ? listenAddresses(config) : [init.wiring.listen],
      ...(init.relayClient === undefined ? { announce } : withRelays(announce, init.relayClient)),
    },
    transports: [
      ...(init.wiring?.transports ?? [tcp()]),
      ...(config.relay === 'off' ? [] : [init.relayClient?.transport ?? circuitRelayTransport()]),
    ],
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
    connectionManager: {
      maxConnections: config.max_connections,
      inboundConnectionThreshold: config.inbound_per_second,
      maxIncomingPendingConnections: PENDING_CONNECTIONS,
    },
    connectionMonitor: { protocolPrefix, pingTimeout: { minTimeout: PING_MS, maxTimeout: PING_MS } },
    connectionGater: {
      denyDialMultiaddr: (address) => init.dialRules.denies(address),
      denyInboundConnection: (connection) => deniesInbound(inbound, connection),
      denyInboundRelayReservation: async (peer) => gate === undefined || gate.deniesReservation(peer),
      denyOutboundRelayedConnection: async (from) => gate === undefined || gate.deniesConnection(from),
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
      dht: dhtService(ids.dht),
      gossip: gossipService(ids.topics),
      ...(config.relay === 'server' ? { relay: relayServer() } : {}),
      ...(config.hole_punching ? { holePunching: dcutr() } : {}),
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
    const failed = [...message.matchAll(/^\s*(\/\S+): (.+)$/gm)].map(([, address, why]) => `${address} (${why})`)
    const where = failed.length > 0 ? failed.join(', ') : `${config.host} port ${config.port}`
    const reason = inUse ? 'another program uses that port' : 'this machine has no such address, or it is not allowed'
    const key = config.listen.length > 0 ? 'other addresses in p2p.listen' : 'another p2p.host or p2p.port'
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

/** Whether an inbound connection is one too many for its address; one that is not is counted until it ends. */
function deniesInbound(limit: InboundLimit, connection: MultiaddrConnection): boolean {
  // What comes through a relay counts as the relay's.
  const host = tcpTarget(relayedTarget(connection.remoteAddr)?.relay ?? connection.remoteAddr)?.host
  if (host === undefined) return true
  const leave = limit.enter(host)
  if (leave === undefined) return true
  if (connection.status === 'open') connection.addEventListener('close', leave, { once: true })
  else leave()
  return false
}
