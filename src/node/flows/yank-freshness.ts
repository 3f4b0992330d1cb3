import type { Partners } from '../../domain/federation/partners.ts'
import type { Clock } from '../../kernel/base/clock.ts'

/** Milliseconds for which yanks count as known after they were reconciled (SECURITY: one hour). */
const FRESH_MS = 60 * 60_000

/** How sure this node is that it knows every yank: it is for an hour after it reconciled yanks with a partner. */
export class YankFreshness {
  readonly #parts: { readonly clock: Clock; readonly partners: Pick<Partners, 'get' | 'isUntrusted'> }
  /** Unix milliseconds. */
  #reconciled = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, partners: Pick<Partners, 'get' | 'isUntrusted'>) {
    this.#parts = { clock, partners }
  }

  /** Every yank that a peer has is known here now, as far as this node takes it. */
  reconciled(peer: string): void {
    if (this.counts(peer)) this.#reconciled = this.#parts.clock.now()
  }

  /** Whether reconciling with a peer makes this node sure. */
  counts(peer: string): boolean {
    const { partners } = this.#parts
    return partners.get(peer) !== undefined && !partners.isUntrusted(peer)
  }

  /** Milliseconds since yanks were reconciled with a partner. */
  get age(): number {
    return this.#parts.clock.now() - this.#reconciled
  }

  /** What an answer says about a cell that is held elsewhere, where it matters that the cell is not yanked. */
  note(): { readonly stale?: true } {
    return this.age <= FRESH_MS ? {} : { stale: true }
  }
}
