import type { Connection, PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import type { Store } from '../kernel/storage/store.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { rangeOf } from './addresses.ts'
import type { DialRules } from './dial-rules.ts'
import type { Host } from './host.ts'
import { KnownPeers } from './known-peers.ts'
import { PeerExchange, type PeerExchangeInit } from './peer-exchange.ts'
import { PeerFinder, type PeerFinderInit } from './peer-finder.ts'
import { openPeerRecord, recordText } from './peer-records.ts'
import type { ToldAddresses } from './told-addresses.ts'

/** What discovery needs. */
export interface DiscoveryInit
  extends Pick<PeerExchangeInit, 'self' | 'isConnected' | 'request' | 'punish'>,
    Pick<PeerFinderInit, 'maxConnections' | 'connected'> {
  /** Absent: what is known does not outlive the process. */
  readonly store?: Pick<Store, 'scan' | 'transact'> | undefined
  readonly logger: Logger
  readonly rules: Pick<DialRules, 'approve'>
  readonly told: ToldAddresses
  dial(addresses: Multiaddr[], signal: AbortSignal): Promise<unknown>
}

/** Learns where peers are, remembers it, tells others of it, and looks for more peers while the node has few. */
export class Discovery {
  readonly #init: DiscoveryInit
  readonly #known: KnownPeers
  readonly #exchange: PeerExchange
  readonly #finder: PeerFinder

  constructor(init: DiscoveryInit) {
    this.#init = init
    this.#known = new KnownPeers(init.store, init.logger)
    this.#exchange = new PeerExchange({
      ...init,
      known: this.#known,
      allowed: (peer, addresses, learnedFrom) => init.told.allowed(peer, addresses.map(String), learnedFrom),
    })
    this.#finder = new PeerFinder({
      ...init,
      known: this.#known,
      exchange: this.#exchange,
      dial: (peer, addresses, signal) => this.#dial(peer, addresses, signal),
    })
  }

  /** Reads what is known from before. */
  async load(): Promise<void> {
    await this.#known.load()
  }

  /** Looks for peers from now on. */
  start(): void {
    this.#finder.start()
  }

  /** Looks for no more of them. */
  async stop(): Promise<void> {
    await this.#finder.stop()
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    await this.#known.close()
  }

  /** What this node tells a peer of others. */
  answer(from: string): string[] {
    return this.#exchange.answer(from)
  }

  /** A peer was lost. */
  lost(): void {
    this.#finder.changed()
  }

  /** A peer that speaks the protocol is connected. Never rejects. */
  async met({ peerStore }: Pick<Host, 'peerStore'>, peer: PeerId, connection: Connection): Promise<void> {
    this.#finder.changed()
    try {
      const { peerRecordEnvelope } = await peerStore.get(peer)
      const record = peerRecordEnvelope && recordText(peerRecordEnvelope)
      const told = record === undefined ? [] : (await openPeerRecord(record)).addresses
      const name = peer.toString()
      const allowed = this.#init.told.allowed(name, told.map(String), name)
      if (connection.direction === 'inbound') this.#known.heard(name, allowed, record)
      else if (rangeOf(connection.remoteAddr) === 'special') this.#known.reached(name, allowed, record)
      else this.#known.reached(name, [connection.remoteAddr, ...allowed], record)
    } catch (error) {
      this.#init.logger.debug({ peer: peer.toString(), reason: errorMessage(error) }, 'a peer is not remembered')
    }
  }

  /** Multicast reaches this network only, so that private addresses may be dialled that a peer tells over it. */
  foundLocally(peer: string, addresses: readonly Multiaddr[]): void {
    if (peer === this.#init.self) return
    const near = addresses
      .slice(0, LIMITS.announcementAddresses)
      .filter((address) => !['public', 'special'].includes(rangeOf(address)))
    for (const address of near) this.#init.rules.approve(address)
    this.#known.heard(peer, near)
    this.#finder.changed()
  }

  /** What is known was learned over a connection of its range, now or before a restart. */
  async #dial(peer: string, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    const multiaddrs = addresses.map((address) => multiaddr(`${address}/p2p/${peer}`))
    for (const address of multiaddrs) if (rangeOf(address) !== 'public') this.#init.rules.approve(address)
    await this.#init.dial(multiaddrs, signal)
  }
}
