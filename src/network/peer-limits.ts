import { setTimeout as wait } from 'node:timers/promises'
import type { RpcMethods } from '../../protocol/rpc.ts'
import type { Config } from '../kernel/config/schema.ts'
import { Lanes } from './lanes.ts'
import type { ScoreEvent } from './scores/score-events.ts'
import { TokenBuckets } from './token-bucket.ts'

/** Requests by which cells are resolved and fetched; all others are control messages. */
const RESOLUTION: ReadonlySet<string> = new Set<keyof RpcMethods>([
  'cell_request',
  'package_request',
  'evidence_request',
  'yank_request',
])

/** What a peer's messages are counted as. */
export type Traffic = 'message' | 'request'

/** As what a request of that type counts; unknown types are control messages. */
export const trafficOf = (type: unknown): Traffic =>
  typeof type === 'string' && RESOLUTION.has(type) ? 'request' : 'message'

/** Where a node's limits for each peer are set. */
type LimitsConfig = Pick<Config['p2p'], 'messages_per_second' | 'message_burst' | 'requests_per_second'>

/** How much each peer may ask of this node. */
export class PeerLimits {
  readonly #buckets: Readonly<Record<Traffic, TokenBuckets>>
  /** One token a second: what is held against a peer is the second, not each message in it. */
  readonly #violations = new TokenBuckets(1, 1)
  readonly #record: (peer: string, event: ScoreEvent) => void

  constructor(config: LimitsConfig, record: (peer: string, event: ScoreEvent) => void) {
    this.#buckets = {
      message: new TokenBuckets(config.messages_per_second, config.message_burst),
      // What a second allows may come at once: requests leave in batches, and a stall of either side bunches them.
      request: new TokenBuckets(config.requests_per_second, config.requests_per_second),
    }
    this.#record = record
  }

  /** Whether a message of a peer is within its limit. One that is not costs the peer score, once a second. */
  admits(peer: string, traffic: Traffic): boolean {
    if (this.#buckets[traffic].of(peer).take()) return true
    this.violated(peer)
    return false
  }

  /** A peer sent more than it may. */
  violated(peer: string): void {
    if (this.#violations.of(peer).take()) this.#record(peer, 'rate_limit')
  }
}

/**
 * Control requests per second to one peer, in a burst, and unanswered. Together they keep the default limit at the other end (100 per second,
 * 20 at once) however late requests arrive: those of any time are at most the burst, the rate, and what was under way.
 */
const PER_SECOND = 80
const BURST = 10
const UNANSWERED = 10

/** Control requests of this node wait here instead of being refused by the peer, so that honest catching up costs no score. */
export class ControlPace {
  readonly #lanes = new Lanes(UNANSWERED)
  readonly #buckets = new TokenBuckets(PER_SECOND, BURST)

  /** Waits for a turn; resolves to what ends it, to be called once. Throws the reason of `signal` when that fires first. */
  async enter(peer: string, signal: AbortSignal): Promise<() => void> {
    const leave = await this.#lanes.enter(peer, signal)
    const ms = this.#buckets.of(peer).reserve()
    if (ms === 0) return leave
    try {
      await wait(ms, undefined, { signal })
      return leave
    } catch {
      leave()
      throw signal.reason
    }
  }
}
