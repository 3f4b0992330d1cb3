import type { Alternative, Considered, Coverage } from '../../../protocol/cells.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Candidate } from '../../domain/cells/candidate.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { type Ranked, type Rejected, reasonOfLoss, type SelectionPolicy } from '../../domain/cells/resolver.ts'
import { TIERS } from '../../domain/cells/trust.ts'
import { sourceOf } from './close-names.ts'
import type { Elsewhere, Field } from './field.ts'

/** Cells that an answer names instead: those that do not fit, then those with names that are close. */
export const MAX_ALTERNATIVES = 10
/** Candidates that an explanation names, the most relevant first. */
const MAX_EXPLAINED = 100
const OUTCOMES: readonly Considered['outcome'][] = ['won', 'lost', 'rejected']

/** Candidates of one source, judged. */
interface Judged {
  readonly source: Considered['source']
  readonly fitting: readonly Ranked[]
  readonly rejected: readonly Rejected[]
}

/** What is part of a search's answer, beside the cell. */
export interface Winner {
  readonly ranked: Ranked
  readonly source: 'store' | 'peer'
}

/** Where one search looked, what it found there, and why that was not good enough. */
export class SearchRecord {
  readonly field: Field
  readonly sources: Coverage['sources'] = []
  readonly peers: Coverage['peers'] = []
  readonly #query: CellQuery
  readonly #self: string
  readonly #asked = new Set<string>()
  /** Asks that others may cause for this search. */
  #given = 0
  readonly #judged: Judged[] = []

  /** `self`: provider id of this node. */
  constructor(query: CellQuery, field: Field, self: string) {
    this.#query = query
    this.field = field
    this.#self = self
  }

  /** Whether a provider is to be asked: once each, and no more of them than the budget. Counts it as asked. */
  mayAsk(provider: string): boolean {
    if (this.left <= 0 || this.#asked.has(provider)) return false
    this.#asked.add(provider)
    return true
  }

  /** Lets who is asked ask `count` others. */
  give(count: number): void {
    this.#given += count
  }

  /** Asks that are left. */
  get left(): number {
    return LIMITS.askBudget - this.#asked.size - this.#given
  }

  source(
    source: 'directory' | 'partners' | 'dht',
    outcome: Coverage['sources'][number]['outcome'],
    candidates: number,
  ): void {
    this.sources.push({ source, outcome, candidates })
  }

  judged(source: Judged['source'], { fitting, rejected }: Omit<Judged, 'source'>): void {
    if (source === 'store') this.#judged.unshift({ source, fitting, rejected })
    else this.#judged.push({ source, fitting, rejected })
  }

  /** `held`: how many candidates of the own store fit. */
  coverage(held: number, now: number): Coverage {
    const sources: Coverage['sources'] = [{ source: 'store', outcome: 'answered', candidates: held }, ...this.sources]
    if (!this.sources.some(({ source }) => source === 'dht'))
      sources.push({ source: 'dht', outcome: 'not_asked', candidates: 0 })
    const times = this.field.announced.flatMap(({ announcedAt }) => announcedAt ?? [])
    const oldest = times.reduce((least, time) => Math.min(least, time), now)
    return { sources, peers: this.peers, oldest_answer_ms: Math.max(0, Math.round(now - oldest)) }
  }

  /** What did not fit, each cell once. */
  alternatives(): Alternative[] {
    const { by, name } = this.#query
    const byCell = new Map<string, Alternative>()
    for (const { candidate, reason } of this.#judged.flatMap(({ rejected }) => rejected)) {
      if (byCell.size >= MAX_ALTERNATIVES) break
      byCell.set(candidate.id, {
        capability: by === 'capability' ? name : candidate.cellType,
        cell_type: candidate.cellType,
        version: candidate.version,
        compatibility_notes: reason,
        source: sourceOf(candidate),
      })
    }
    return [...byCell.values()]
  }

  /** Every candidate and what became of it: who won, then those that lost, then those that do not fit. */
  explanation(winner: Winner | undefined, policy: SelectionPolicy): Considered[] {
    const entries = new Map<string, Considered>()
    for (const { source, fitting, rejected } of this.#judged) {
      for (const ranked of fitting) {
        const won = winner?.ranked.candidate === ranked.candidate
        const reason = won ? 'the best of all that fit' : this.#whyNot(ranked, winner, policy)
        this.#explain(entries, policy, { source, candidate: ranked.candidate, outcome: won ? 'won' : 'lost', reason })
      }
      for (const { candidate, reason } of rejected)
        this.#explain(entries, policy, { source, candidate, outcome: 'rejected', reason })
    }
    const order = ({ outcome }: Considered): number => OUTCOMES.indexOf(outcome)
    return [...entries.values()].sort((a, b) => order(a) - order(b)).slice(0, MAX_EXPLAINED)
  }

  /** What a provider offers takes the place of what it announced: it says more. */
  #explain(
    entries: Map<string, Considered>,
    { trust }: SelectionPolicy,
    {
      source,
      candidate,
      outcome,
      reason,
    }: Pick<Considered, 'source' | 'outcome' | 'reason'> & { candidate: Candidate },
  ): void {
    const provider = providerOf(candidate) ?? this.#self
    entries.set(`${provider} ${candidate.id}`, {
      cell_id: candidate.id,
      cell_type: candidate.cellType,
      version: candidate.version,
      capability_version: candidate.offered,
      publisher: candidate.publisher,
      publisher_trust: TIERS[trust.tierOf(candidate, this.#query)]!,
      source,
      provider_id: provider,
      outcome,
      reason,
    })
  }

  #whyNot(ranked: Ranked, winner: Winner | undefined, policy: SelectionPolicy): string {
    const lost = winner && reasonOfLoss(this.#query, ranked, winner.ranked, policy)
    if (lost !== undefined) return lost
    if (winner?.ranked.candidate.id === ranked.candidate.id) return 'another copy of the winner was at hand first'
    const provider = providerOf(ranked.candidate)
    const asked = this.peers.find(({ provider_id }) => provider_id === provider)
    return asked === undefined ? 'its provider was not asked' : `its provider was asked: ${asked.outcome}`
  }
}

const providerOf = (candidate: Candidate & Partial<Elsewhere>): string | undefined => candidate.provider
