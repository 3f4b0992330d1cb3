import type { Alternative, Coverage } from '../../../protocol/cells.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { type CellAnswerText, finishAnswer } from '../../domain/cells/answer.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { best, compare, type Ranked, type Rejected, rank } from '../../domain/cells/resolver.ts'
import { TIERS, type Tier } from '../../domain/cells/trust.ts'
import { within } from '../../kernel/base/racing.ts'
import type { EventMap } from '../../kernel/telemetry/events.ts'
import type { RequestOutcome } from '../api.ts'
import { candidateOf } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import { Asker, type AskResult } from './ask-provider.ts'
import { type CloseNames, sourceOf } from './close-names.ts'
import { type Elsewhere, type Field, fieldOf, unbeaten } from './field.ts'
import { firstAnswer } from './hedged-asks.ts'

/** Milliseconds that a search may take, whether or not somebody still waits for it. */
const SEARCH_MS = LIMITS.maxWaitSeconds * 1000
/** Milliseconds after which the next peer is asked beside a slow one. */
const HEDGE_MS = 250
/** Searches under way: past that, a request is answered from what is here. */
const MAX_SEARCHES = 10_000
/** Cells that did not fit and are named in the answer. */
const MAX_ALTERNATIVES = 10

const LOCAL: EventMap['request_answered'] = { door: 'http', outcome: 'success', source: 'local' }

interface Parts
  extends Pick<
    NodeParts,
    'clock' | 'logger' | 'events' | 'index' | 'trust' | 'rankers' | 'directory' | 'offers' | 'offerVerifier' | 'network'
  > {
  readonly keys: Pick<NodeParts['keys'], 'providerId'>
  readonly closeNames: Pick<CloseNames, 'alternatives'>
}

/** A peer that may hold what is asked for, and how this node came to know. */
interface Holder {
  readonly provider: string
  readonly source: 'directory' | 'dht'
}

/** A search that goes on until it is done, whoever waits for it. */
interface Running {
  readonly outcome: Promise<RequestOutcome>
  /** Unix milliseconds. */
  readonly startedAt: number
}

/**
 * Provider API, "Request Cell by Capability" and "Request Specific Cell Type": own store, then the directory of announcements,
 * then the DHT. What the directory announces competes with what is here, so that every node gives the same answer.
 */
export class CellRequests {
  readonly #parts: Parts
  readonly #asker: Asker
  readonly #searches = new Map<string, Running>()
  readonly #controllers = new Set<AbortController>()

  constructor(parts: Parts) {
    this.#parts = parts
    this.#asker = new Asker(parts)
  }

  /** Ends the searches under way. */
  stop(): void {
    for (const controller of this.#controllers) controller.abort(new Error('the node is stopping'))
  }

  /** The answer from the own store, unless a peer announces something better. */
  locally(query: CellQuery): CellAnswerText | undefined {
    const { index, events } = this.#parts
    const candidates = index.candidates(query.by, query.name)
    if (candidates.length === 0) return undefined
    const here = unbeaten(query, candidates, this.#parts)
    if (here === undefined) return undefined
    events.emit('request_answered', LOCAL)
    return index.answer(here)
  }

  /** Answers for the federation. When the search takes longer than `waitMs`, it goes on for the next who asks the same. */
  async answer(query: CellQuery, waitMs: number): Promise<RequestOutcome> {
    const key = JSON.stringify(query)
    let search = this.#searches.get(key)
    if (search === undefined) {
      const startedAt = this.#parts.clock.now()
      if (this.#searches.size >= MAX_SEARCHES) return this.#late(query, startedAt)
      search = { startedAt, outcome: this.#run(query).finally(() => this.#searches.delete(key)) }
      this.#searches.set(key, search)
    }
    const { startedAt } = search
    const outcome = await within(search.outcome, waitMs, () => this.#late(query, startedAt))
    const source = outcome.status === 'success' ? outcome.source : 'none'
    this.#parts.events.emit('request_answered', { door: 'http', outcome: outcome.status, source })
    return outcome
  }

  async #run(query: CellQuery): Promise<RequestOutcome> {
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(new Error('the search took too long')), SEARCH_MS)
    this.#controllers.add(controller)
    try {
      return await this.#search(query, controller.signal)
    } finally {
      clearTimeout(timer)
      this.#controllers.delete(controller)
    }
  }

  /** When nobody has answered in time: what is here, if it fits. */
  #late(query: CellQuery, startedAt: number): RequestOutcome {
    const here = this.#here(query, fieldOf(query, this.#parts).floor)
    const cell = here && this.#parts.index.answer(here)
    if (cell !== undefined) return { status: 'success', source: 'local', cell }
    return {
      status: 'pending',
      estimatedWaitMs: Math.max(0, SEARCH_MS - (this.#parts.clock.now() - startedAt)),
    }
  }

  async #search(query: CellQuery, signal: AbortSignal): Promise<RequestOutcome> {
    const field = fieldOf(query, this.#parts)
    const search = new Search(field)
    const announced = rank(query, field.announced, this.#parts, field.floor)
    search.rejected.push(...announced.rejected)
    search.source('directory', 'answered', announced.fitting.length)
    const here = this.#here(query, field.floor)
    const isBetter = (other: Ranked): boolean => here === undefined || compare(query, other, here, this.#parts) < 0
    const providers = new Set(announced.fitting.filter(isBetter).map(({ candidate }) => candidate.provider))
    const lookup = new AbortController()
    try {
      const holders = this.#holders(query, search, {
        announced: this.#healthyFirst(providers),
        beyond: here === undefined,
        signal: AbortSignal.any([signal, lookup.signal]),
      })
      const ask = async ({ provider, source }: Holder): Promise<RequestOutcome | undefined> => {
        const result = await this.#asker.ask(provider, query, { signal, deadlineMs: SEARCH_MS })
        const found = this.#judge(query, result, search)
        return found !== undefined && isBetter(found) ? this.#success(found, source) : undefined
      }
      const success = await firstAnswer(holders, ask, HEDGE_MS)
      if (success !== undefined) return success
    } finally {
      lookup.abort(new Error('the search is over'))
    }
    const cell = here && this.#parts.index.answer(here)
    return cell === undefined ? this.#notFound(query, search) : { status: 'success', source: 'local', cell }
  }

  #here(query: CellQuery, floor: Tier): Ranked | undefined {
    return best(query, this.#parts.index.candidates(query.by, query.name), this.#parts, floor)
  }

  #healthyFirst(providers: Iterable<string>): string[] {
    return [...providers].sort((a, b) => Number(this.#asker.isFailing(a)) - Number(this.#asker.isFailing(b)))
  }

  /** Whom to ask: who announced it, and `beyond` those who the DHT says has it, all within the budget of one search. Never throws. */
  async *#holders(
    query: CellQuery,
    search: Search,
    { announced, beyond, signal }: { announced: readonly string[]; beyond: boolean; signal: AbortSignal },
  ): AsyncGenerator<Holder> {
    for (const provider of announced) {
      if (signal.aborted) return
      if (search.mayAsk(provider)) yield { provider, source: 'directory' }
    }
    if (!beyond) return
    const { network, keys } = this.#parts
    let found = 0
    try {
      const key = `${query.by}/${query.name}`
      for await (const { providerId } of network.findProviders(key, { signal, limit: LIMITS.askBudget })) {
        found++
        if (providerId !== keys.providerId && search.mayAsk(providerId)) yield { provider: providerId, source: 'dht' }
      }
      search.source('dht', 'answered', found)
    } catch (error) {
      this.#parts.logger.debug({ err: error }, 'the DHT did not answer')
      search.source('dht', signal.aborted ? 'timed_out' : 'failed', found)
    }
  }

  /** The best offer of a peer, if one fits. */
  #judge(query: CellQuery, result: AskResult, search: Search): Ranked<Elsewhere> | undefined {
    search.peers.push({ provider_id: result.provider, outcome: result.outcome })
    const { vouched, floor } = search.field
    const candidates = result.offers.flatMap((offer): Elsewhere[] => {
      const candidate = candidateOf(offer, query)
      if (candidate === undefined) return []
      return [{ ...candidate, registered: vouched.has(candidate.publisher), provider: result.provider, offer }]
    })
    const { fitting, rejected } = rank(query, candidates, this.#parts, floor)
    search.rejected.push(...rejected)
    return fitting[0]
  }

  #success({ candidate, tier }: Ranked<Elsewhere>, source: 'directory' | 'dht'): RequestOutcome {
    const text = this.#parts.offers.remember(candidate.offer!, candidate.provider)
    return { status: 'success', source, cell: finishAnswer(text, TIERS[tier]!) }
  }

  async #notFound(query: CellQuery, search: Search): Promise<RequestOutcome> {
    const here = rank(query, this.#parts.index.candidates(query.by, query.name), this.#parts, search.field.floor)
    const rejected = [...here.rejected, ...search.rejected]
    return {
      status: 'not_found',
      code: rejected.length === 0 ? 'PROV_003' : 'PROV_002',
      alternatives: await this.#alternatives(query, rejected),
      coverage: {
        sources: [{ source: 'store', outcome: 'answered', candidates: here.fitting.length }, ...search.sources],
        peers: search.peers,
      },
    }
  }

  /** What has the name and does not fit, then what has a name that is close. */
  async #alternatives(query: CellQuery, rejected: readonly Rejected[]): Promise<Alternative[]> {
    const misfits = alternatives(query, rejected)
    const most = MAX_ALTERNATIVES - misfits.length
    return most === 0 ? misfits : [...misfits, ...(await this.#parts.closeNames.alternatives(query, most))]
  }
}

/** Where one search looked, and what did not fit. */
class Search {
  readonly field: Field
  readonly #asked = new Set<string>()
  readonly sources: Coverage['sources'] = []
  readonly peers: Coverage['peers'] = []
  readonly rejected: Rejected[] = []

  constructor(field: Field) {
    this.field = field
  }

  /** Whether a provider is to be asked: once each, and no more of them than the budget. Counts it as asked. */
  mayAsk(provider: string): boolean {
    if (this.#asked.size >= LIMITS.askBudget || this.#asked.has(provider)) return false
    this.#asked.add(provider)
    return true
  }

  source(source: 'directory' | 'dht', outcome: Coverage['sources'][number]['outcome'], candidates: number): void {
    this.sources.push({ source, outcome, candidates })
  }
}

function alternatives(query: CellQuery, rejected: readonly Rejected[]): Alternative[] {
  const byCell = new Map<string, Alternative>()
  for (const { candidate, reason } of rejected) {
    if (byCell.size >= MAX_ALTERNATIVES) break
    byCell.set(candidate.id, {
      capability: query.by === 'capability' ? query.name : candidate.cellType,
      cell_type: candidate.cellType,
      version: candidate.version,
      compatibility_notes: reason,
      source: sourceOf(candidate),
    })
  }
  return [...byCell.values()]
}
