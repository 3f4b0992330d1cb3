import { isIP } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { GossipSub } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { Libp2p, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import { prometheusMetrics } from '@libp2p/prometheus-metrics'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { protocolIds } from '../../protocol/protocol-ids.ts'
import { errorMessage, StartError } from '../kernel/base/errors.ts'
import { softwareVersion } from '../kernel/config/package-files.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import { componentLogger } from './component-logger.ts'
import { dhtService } from './dht.ts'
import { type DialRules, tcpTarget } from './dial-rules.ts'
import { gossipService } from './gossip.ts'
import { InboundLimit } from './inbound-limit.ts'
import { guardedYamux } from './muxer.ts'
import type { PeerScores } from './scores/peer-scores.ts'
import { START_SCORE } from './scores/score-events.ts'
import { STREAM_WINDOW_BYTES } from './streams.ts'

/** The libp2p node with this project's services. */
export type Host = Libp2p<{ identify: Identify; ping: Ping; dht: KadDHT; gossip: GossipSub }>

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
  /** Absent: everybody is accepted. */
  readonly scores?: Pick<PeerScores, 'isBanned' | 'bannedIn' | 'of'>
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
  const inbound = new InboundLimit(config.max_connections, (group) => init.scores?.bannedIn(group) ?? 0)
  const denies = (peer: PeerId): boolean => init.scores?.isBanned(peer.toString()) === true
  return createLibp2p({
    start: false,
    nodeInfo: { name: 'cytoplex', version: softwareVersion(), userAgent: `cytoplex/${softwareVersion()}` },
    privateKey: await generateKeyPairFromSeed('Ed25519', init.identitySeed),
    addresses: { listen: [init.wiring?.listen ?? listenAddress(config)], announce: [...config.announce] },
    transports: init.wiring?.transports ?? [tcp()],
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
      denyDialPeer: denies,
      // An address may be dialled without saying who is there.
      denyOutboundEncryptedConnection: denies,
      denyInboundEncryptedConnection: denies,
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
      gossip: gossipService(ids, (peer) => ({
        score: init.scores?.of(peer).score ?? START_SCORE,
        banned: init.scores?.isBanned(peer) ?? false,
      })),
    },
  })
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

function listenAddress({ host, port }: Config['p2p']): string {
  if (host === 'localhost') return `/ip4/127.0.0.1/tcp/${port}`
  const version = isIP(host)
  if (version === 0) throw new StartError(`p2p.host is "${host}"; allowed are IPv4 and IPv6 addresses and "localhost".`)
  return `/ip${version}/${host}/tcp/${port}`
}
