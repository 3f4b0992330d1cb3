import type { Coverage } from '../../../protocol/cells.ts'
import type { OfferedCell } from '../../../protocol/rpc.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import { AnswerTimes } from './answer-times.ts'
import { askOffers } from './ask-offers.ts'

/** How a peer answered, as coverage reports it. */
export type AskOutcome = Coverage['peers'][number]['outcome']

/** What a peer offers for a query, verified; and how it went. Never throws. */
export interface AskResult {
  readonly provider: string
  readonly outcome: AskOutcome
  readonly offers: readonly VerifiedOffer[]
  /** Who holds them, where it is not the peer itself. */
  readonly holder?: string
  /** Whether everybody on the way to them is trusted; absent when nobody is. */
  readonly isVouched?: boolean
}

/** Milliseconds after which a peer that failed to answer is asked again when there is somebody else to ask. */
const FAILURE_MEMORY_MS = 15_000
const MAX_FAILURES = 10_000

/** Asks single peers what they hold, under this node's own key, for a name and a range only: they learn neither who asked nor for what device. */
export class Asker {
  readonly #parts: Pick<NodeParts, 'network' | 'offerVerifier' | 'trust' | 'clock' | 'logger' | 'events'>
  /** Provider id → when it may be asked first again. */
  readonly #failures = new Map<string, number>()
  readonly #times = new AnswerTimes()

  constructor(parts: Pick<NodeParts, 'network' | 'offerVerifier' | 'trust' | 'clock' | 'logger' | 'events'>) {
    this.#parts = parts
  }

  /** Whether a peer failed to answer a moment ago. */
  isFailing(provider: string): boolean {
    const until = this.#failures.get(provider)
    return until !== undefined && until > this.#parts.clock.now()
  }

  /** Milliseconds after which somebody else is to be asked beside a peer. */
  hedgeMs(provider: string): number {
    return this.#times.hedgeMs(provider)
  }

  /** `deadline`: Unix milliseconds until which the whole search may take; the peer is told how long that is. */
  async ask(
    provider: string,
    query: CellQuery,
    options: { signal: AbortSignal; deadline: number },
  ): Promise<AskResult> {
    const { network, offerVerifier, trust, clock, events } = this.#parts
    const askedAt = performance.now()
    try {
      const deadlineMs = Math.max(1, Math.round(options.deadline - clock.now()))
      const cells = await askOffers(network, provider, query, { deadlineMs, signal: options.signal })
      this.#failures.delete(provider)
      const roundTripMs = performance.now() - askedAt
      this.#times.add(provider, roundTripMs)
      if (cells.length === 0) return { provider, outcome: 'not_found', offers: [] }
      const offers: VerifiedOffer[] = []
      for (const cell of cells) {
        const offer = offerVerifier.known(cell) ?? (await this.#verified(provider, cell))
        if (offer !== undefined && trust.accepts(offer.manifest.publisher)) offers.push(offer)
      }
      const cellId = offers[0]?.id
      if (cellId !== undefined) {
        events.emit('provider_asked', {
          providerId: provider,
          offered: { cellId, roundTripMs: Math.round(roundTripMs) },
        })
      }
      return { provider, outcome: offers.length > 0 ? 'answered' : 'rejected', offers }
    } catch (error) {
      if (this.#failures.size >= MAX_FAILURES) this.#failures.clear()
      this.#failures.set(provider, this.#parts.clock.now() + FAILURE_MEMORY_MS)
      this.#parts.logger.debug({ provider, err: error }, 'a peer did not answer')
      // That the search was over before it answered is not its fault.
      if (!options.signal.aborted) events.emit('provider_asked', { providerId: provider })
      return { provider, outcome: options.signal.aborted ? 'timed_out' : 'unreachable', offers: [] }
    }
  }

  async #verified(provider: string, cell: OfferedCell): Promise<VerifiedOffer | undefined> {
    try {
      const { offerVerifier, trust } = this.#parts
      return await offerVerifier.verify(cell, (publisher) => trust.isPinned(publisher))
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      this.#parts.logger.warn({ provider, reason: error.message }, 'a peer offered a cell that does not verify')
      return undefined
    }
  }
}
