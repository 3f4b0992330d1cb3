import { errorMessage } from '../kernel/base/errors.ts'
import type { AddressRange } from '../kernel/egress/address-range.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'

/** Whether a node answers the DHT's queries, or only asks. */
export type DhtMode = 'server' | 'client'

/**
 * What a node is when its operator leaves it open. A server where others can dial it: it has a public address (or a name that the operator announces,
 * which counts as one), or every peer that it has is in a private range like itself. A node without a public address among public peers is
 * behind a router: it would be found and not reached.
 */
export function dhtModeOf(own: readonly AddressRange[], peers: Iterable<AddressRange>): DhtMode {
  if (own.length === 0) return 'client'
  if (own.some((range) => range === 'public' || range === 'special')) return 'server'
  for (const range of peers) if (range === 'public') return 'client'
  return 'server'
}

/** What choosing needs. */
export interface DhtModeChooserInit {
  readonly logger: Pick<Logger, 'warn'>
  /** Ranges of the own addresses. */
  own(): readonly AddressRange[]
  /** Ranges from which peers are connected. */
  peers(): Iterable<AddressRange>
  setMode(mode: DhtMode): Promise<void>
}

/** Keeps the mode of a node whose operator leaves it open in line with its addresses and its peers. */
export class DhtModeChooser {
  readonly #init: DhtModeChooserInit
  #changed: Promise<void> = Promise.resolve()
  #isRunning = false

  constructor(init: DhtModeChooserInit) {
    this.#init = init
  }

  start(): void {
    this.#isRunning = true
    this.choose()
  }

  stop(): void {
    this.#isRunning = false
  }

  /** To be called when an address or a peer came or went. Changes follow each other: the library loses one that comes while another is under way. */
  choose(): void {
    const { own, peers, setMode, logger } = this.#init
    this.#changed = this.#changed
      .then(() => (this.#isRunning ? setMode(dhtModeOf(own(), peers())) : undefined))
      .catch((error: unknown) => {
        logger.warn({ reason: errorMessage(error) }, 'the DHT did not change its mode')
      })
  }
}
