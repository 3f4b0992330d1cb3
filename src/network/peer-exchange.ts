import type { Multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { KnownPeers } from './known-peers.ts'
import { openPeerRecord } from './peer-records.ts'

/** Milliseconds between two exchanges with one peer, asked and answered. */
const BETWEEN_MS = 60_000
/** Peers whose last exchange is remembered; who asks beyond it waits until a minute has passed. */
const REMEMBERED = 4096

/** What the exchange needs. */
export interface PeerExchangeInit {
  readonly self: string
  readonly known: KnownPeers
  readonly logger: Logger
  isConnected(peer: string): boolean
  /** Asks a peer for records. */
  request(peer: string, signal: AbortSignal): Promise<readonly string[]>
  /** Those of a peer's addresses that may be dialled, given who told them. */
  allowed(peer: string, addresses: readonly Multiaddr[], learnedFrom: string): readonly Multiaddr[]
  /** The peer broke a rule that every node sees. */
  punish(peer: string, event: 'invalid_message'): void
}

/** Peers tell each other of peers, by the signed records of those alone. */
export class PeerExchange {
  readonly #init: PeerExchangeInit
  readonly #asked: Recently
  readonly #answered: Recently

  constructor(init: PeerExchangeInit, now: () => number = Date.now) {
    this.#init = init
    this.#asked = new Recently(now)
    this.#answered = new Recently(now)
  }

  /** What this node tells a peer; nothing when it asks again within a minute. */
  answer(from: string): string[] {
    if (!this.#answered.first(from)) return []
    const { known, isConnected } = this.#init
    return known.recordsFor(from, LIMITS.peersPerExchange, isConnected)
  }

  /** Whether a peer may be asked again. */
  mayAsk(peer: string): boolean {
    return this.#asked.isFree(peer)
  }

  /** Asks a peer, and remembers whom it tells of. Never rejects. */
  async ask(peer: string, signal: AbortSignal): Promise<void> {
    const { logger, request } = this.#init
    if (!this.#asked.first(peer)) return
    try {
      const records = await request(peer, signal)
      for (const record of records) if (!(await this.#learn(record, peer))) return
    } catch (error) {
      if (!signal.aborted) logger.debug({ peer, reason: errorMessage(error) }, 'a peer told of no others')
    }
  }

  /** False for a record that does not hold: nothing more of that answer is read. */
  async #learn(record: string, from: string): Promise<boolean> {
    const { self, known, allowed, punish, logger } = this.#init
    try {
      const signed = await openPeerRecord(record)
      if (signed.peer === self) return true
      const before = known.get(signed.peer)?.record
      if (before !== undefined && (await openPeerRecord(before)).sequence > signed.sequence) return true
      known.heard(signed.peer, allowed(signed.peer, signed.addresses, from), record)
      return true
    } catch (error) {
      logger.info(
        { peer: from, reason: errorMessage(error) },
        'a peer told of another with a record that does not hold',
      )
      punish(from, 'invalid_message')
      return false
    }
  }
}

/** Who did something within the last minute. */
class Recently {
  readonly #now: () => number
  /** Oldest first. */
  readonly #at = new Map<string, number>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** Whether it would be the first time within a minute, and there is room to remember it. */
  isFree(peer: string): boolean {
    const now = this.#now()
    for (const [other, at] of this.#at) {
      if (now - at < BETWEEN_MS) break
      this.#at.delete(other)
    }
    return !this.#at.has(peer) && this.#at.size < REMEMBERED
  }

  /** The same; it counts then. */
  first(peer: string): boolean {
    if (!this.isFree(peer)) return false
    this.#at.set(peer, this.#now())
    return true
  }
}
