import type { Clock } from '../../kernel/base/clock.ts'
import { type Counting, isCounted } from '../counted-peers.ts'

/** Milliseconds for which yanks count as known after they were reconciled (SECURITY: one hour). */
const FRESH_MS = 60 * 60_000

/** How sure this node is that it knows every yank: it is for an hour after it reconciled yanks with a partner or a pinned witness. */
export class YankFreshness {
  readonly #parts: Counting & { readonly clock: Clock }
  /** Unix milliseconds. */
  #reconciled = Number.NEGATIVE_INFINITY

  constructor(parts: Counting & { readonly clock: Clock }) {
    this.#parts = parts
  }

  /** Every yank that a peer has is known here now, as far as this node takes it. */
  reconciled(peer: string): void {
    if (this.counts(peer)) this.#reconciled = this.#parts.clock.now()
  }

  /** Whether reconciling with a peer makes this node sure. */
  counts(peer: string): boolean {
    return isCounted(this.#parts, peer)
  }

  /** Milliseconds since yanks were reconciled with a peer that counts. */
  get age(): number {
    return this.#parts.clock.now() - this.#reconciled
  }

  /** What an answer says about a cell that is held elsewhere, where it matters that the cell is not yanked. */
  note(): { readonly stale?: true } {
    return this.age <= FRESH_MS ? {} : { stale: true }
  }
}
