import type { PublisherTrust } from '../../../protocol/cells.ts'
import type { Candidate } from './candidate.ts'
import type { CellQuery } from './query.ts'

/** Publisher tiers, best first. Versions compete only inside a tier. */
export const TIERS: readonly PublisherTrust[] = ['pinned_by_request', 'pinned_by_operator', 'known', 'unknown']

/** Position in `TIERS`. */
export type Tier = 0 | 1 | 2 | 3
export const UNKNOWN: Tier = 3

/**
 * How far this node trusts publishers: what the operator pinned, what was registered here, is followed or trusted partners sign, and
 * everybody else.
 */
export class TrustPolicy {
  readonly #pinned: ReadonlySet<string>
  readonly #self: string
  readonly #acceptAny: boolean
  #partners: ReadonlySet<string> = new Set()
  #followed: ReadonlySet<string> = new Set()

  /** `self` is this node as a publisher. With `accept: pinned`, other publishers' cells are not taken from peers at all. */
  constructor(options: { pinned: readonly string[]; self: string; accept: 'any' | 'pinned' }) {
    this.#pinned = new Set(options.pinned)
    this.#self = options.self
    this.#acceptAny = options.accept === 'any'
  }

  /** The publishers of trusted partners, from now on. */
  followPartners(publishers: Iterable<string>): void {
    this.#partners = new Set(publishers)
  }

  /** The publishers that are followed, from now on. */
  followPublishers(publishers: Iterable<string>): void {
    this.#followed = new Set(publishers)
  }

  tierOf(candidate: Pick<Candidate, 'publisher' | 'registered'>, query: Pick<CellQuery, 'publishers'>): Tier {
    if (query.publishers?.includes(candidate.publisher)) return 0
    if (this.#pinned.has(candidate.publisher)) return 1
    if (candidate.registered || candidate.publisher === this.#self) return 2
    return this.#partners.has(candidate.publisher) || this.#followed.has(candidate.publisher) ? 2 : UNKNOWN
  }

  /** Whether a publisher's cells may be taken from peers. A pin in a request is the request's word, not the operator's. */
  accepts(publisher: string): boolean {
    return this.#acceptAny || this.#pinned.has(publisher) || publisher === this.#self
  }

  isPinned(publisher: string): boolean {
    return this.#pinned.has(publisher)
  }
}
