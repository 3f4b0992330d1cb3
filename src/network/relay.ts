import {
  type CircuitRelayService,
  circuitRelayServer,
  circuitRelayTransport,
  RELAY_V2_HOP_CODEC,
} from '@libp2p/circuit-relay-v2'
import type { PeerId, Transport } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { errorMessage } from '../kernel/base/errors.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { groupOf } from './address-group.ts'
import { type relayedTarget, tcpTarget } from './addresses.ts'

/** Peers whose connections a server carries. Each holds a place whether or not anybody connects. */
const RESERVATIONS = 32
/** Of them, those of one address group: eight hosts are needed to take every place. */
const RESERVATIONS_PER_GROUP = 4
/** Milliseconds that a reservation lasts unless it is renewed; a peer that leaves loses it at once. */
const RESERVATION_MS = 30 * 60_000
/** Relayed connections per peer and direction. With all places taken, 512 streams of at most two buffers each. */
const CONNECTIONS_PER_PEER = 16
/** Milliseconds and bytes, both directions together, after which a relayed connection is closed: a package of usual size passes, a mirror does not. */
const CONNECTION_MS = 10 * 60_000
const CONNECTION_BYTES = 64n * 1024n * 1024n
/** Milliseconds for a request to a relay. */
const HOP_MS = 10_000
/** Milliseconds for a peer that was just met to say which protocols it speaks. */
const IDENTIFY_MS = 3000

/** Relays that a client listens through: the second takes over when the first goes. */
const RELAYS = 2
/** Milliseconds after which a client without enough relays tries those of its peers again that refused. */
const RETRY_MS = 30_000
/** Relays that a client uses in its life, at most: the library keeps a listener for each. */
const LISTENERS = 64

/** The service of a relay server. Who may use it is decided by {@link RelayGate}. */
export const relayServer = () =>
  circuitRelayServer({
    hopTimeout: HOP_MS,
    maxInboundHopStreams: CONNECTIONS_PER_PEER,
    maxOutboundStopStreams: CONNECTIONS_PER_PEER,
    reservations: {
      maxReservations: RESERVATIONS,
      reservationTtl: RESERVATION_MS,
      defaultDurationLimit: CONNECTION_MS,
      defaultDataLimit: CONNECTION_BYTES,
    },
  })

type RelayHost = Pick<
  Libp2p,
  'peerStore' | 'getConnections' | 'addEventListener' | 'removeEventListener' | 'register' | 'unregister'
>

/** Who may use this node as a relay: peers of its network, few of them per address. */
export class RelayGate {
  readonly #host: RelayHost
  readonly #service: Pick<CircuitRelayService, 'reservations'>
  readonly #protocol: string

  /** `protocol`: what peers of the network speak. */
  constructor(host: RelayHost, service: Pick<CircuitRelayService, 'reservations'>, protocol: string) {
    this.#host = host
    this.#service = service
    this.#protocol = protocol
    host.addEventListener('peer:disconnect', ({ detail }) => service.reservations.delete(detail))
  }

  async deniesReservation(peer: PeerId): Promise<boolean> {
    if (!(await speaks(this.#host, peer, this.#protocol))) return true
    if (this.#service.reservations.has(peer)) return false
    const address = this.#host.getConnections(peer)[0]?.remoteAddr
    const group = address && groupOf(address)
    if (group === undefined) return false
    let same = 0
    for (const { addr } of this.#service.reservations.values()) if (groupOf(addr) === group) same++
    return same >= RESERVATIONS_PER_GROUP
  }

  async deniesConnection(from: PeerId): Promise<boolean> {
    return !(await speaks(this.#host, from, this.#protocol))
  }
}

/** Whether a peer speaks a protocol; waits for its word when it was just met. */
async function speaks(host: RelayHost, peer: PeerId, protocol: string): Promise<boolean> {
  const known = async (): Promise<boolean> =>
    (await host.peerStore.get(peer).catch(() => undefined))?.protocols.includes(protocol) === true
  if (await known()) return true
  const { promise, resolve } = Promise.withResolvers<void>()
  const identified = ({ detail }: CustomEvent<{ peerId: PeerId }>): void => {
    if (detail.peerId.equals(peer)) resolve()
  }
  host.addEventListener('peer:identify', identified)
  const timer = setTimeout(resolve, IDENTIFY_MS)
  try {
    // It may have said so between the first look and now.
    if (await known()) return true
    await promise
    return await known()
  } finally {
    clearTimeout(timer)
    host.removeEventListener('peer:identify', identified)
  }
}

type Components = Parameters<ReturnType<typeof circuitRelayTransport>>[0]

/** What the transport keeps about the relays that this node listens through. */
interface Reservations {
  hasReservation(peer: PeerId): boolean
  addRelay(peer: PeerId, type: 'configured'): Promise<unknown>
}

/**
 * Listens through relays among the connected peers. The library's own search would dial peers at random, and gives a relay up for good after one
 * failed dial.
 */
export class RelayClient {
  readonly #protocol: string
  readonly #logger: Logger
  readonly #onChange: () => void
  /** Connected peers that relay. */
  readonly #candidates = new Map<string, PeerId>()
  readonly #listeners = new Set<string>()
  #transports: Pick<Components['transportManager'], 'listen'> | undefined
  #reservations: Reservations | undefined
  #host: RelayHost | undefined
  #asking = false
  #topology: string | undefined
  #retry: NodeJS.Timeout | undefined

  /** `protocol`: what peers of the network speak. `onChange` hears when a relay may have come or gone. */
  constructor(protocol: string, logger: Logger, onChange: () => void) {
    this.#protocol = protocol
    this.#logger = logger
    this.#onChange = onChange
  }

  /** The transport of relayed connections, for one host. */
  readonly transport = (components: Components): Transport => {
    const transport = circuitRelayTransport()(components)
    this.#transports = components.transportManager
    this.#reservations = (transport as unknown as { readonly reservationStore: Reservations }).reservationStore
    return transport
  }

  async start(host: RelayHost): Promise<void> {
    this.#host = host
    this.#topology = await host.register(RELAY_V2_HOP_CODEC, {
      onConnect: (peer) => {
        this.#candidates.set(peer.toString(), peer)
        void this.#fill()
      },
      onDisconnect: (peer) => {
        this.#candidates.delete(peer.toString())
        this.#onChange()
        void this.#fill()
      },
    })
    this.#retry = setInterval(() => void this.#fill(), RETRY_MS)
  }

  stop(): void {
    clearInterval(this.#retry)
    if (this.#topology !== undefined) this.#host?.unregister(this.#topology)
    this.#candidates.clear()
  }

  /** Whether others are told of a relayed address: at a relay that was asked, and at the host where this node reaches it itself. */
  announces({ relay: address, relayPeer }: NonNullable<ReturnType<typeof relayedTarget>>): boolean {
    const relay = this.#candidates.get(relayPeer)
    if (relay === undefined || !this.#isReserved(relay)) return false
    const host = tcpTarget(address)?.host
    return this.#host?.getConnections(relay).some(({ remoteAddr }) => tcpTarget(remoteAddr)?.host === host) === true
  }

  #isReserved(relay: PeerId): boolean {
    return this.#reservations?.hasReservation(relay) === true
  }

  /** Asks one relay after the other until there are enough. Never throws. */
  async #fill(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    for (const [id, relay] of this.#candidates) {
      if ([...this.#candidates.values()].filter((other) => this.#isReserved(other)).length >= RELAYS) break
      if (!this.#isReserved(relay)) await this.#reserve(id, relay)
    }
    this.#asking = false
  }

  async #reserve(id: string, relay: PeerId): Promise<void> {
    try {
      if (this.#host === undefined || !(await speaks(this.#host, relay, this.#protocol))) return
      if (this.#listeners.has(id)) await this.#reservations?.addRelay(relay, 'configured')
      else if (this.#listeners.size < LISTENERS) {
        await this.#transports?.listen([multiaddr(`/p2p/${id}/p2p-circuit`)])
        this.#listeners.add(id)
      }
      this.#logger.info({ relay: id }, 'peers can connect to this node through a relay')
      this.#onChange()
    } catch (error) {
      this.#logger.debug({ relay: id, reason: errorMessage(error) }, 'a relay did not take this node')
    }
  }
}
