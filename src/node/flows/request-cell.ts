import type { Alternative, Coverage } from '../../../protocol/cells.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { type CellAnswerText, finishAnswer } from '../../domain/cells/answer.ts'
import type { Candidate } from '../../domain/cells/candidate.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { best, compare, type Ranked, type Rejected, rank, tierFloor } from '../../domain/cells/resolver.ts'
import { TIERS, type Tier } from '../../domain/cells/trust.ts'
import { firstFound, within } from '../../kernel/base/racing.ts'
import type { EventMap } from '../../kernel/telemetry/events.ts'
import type { RequestOutcome } from '../api.ts'
import { candidateOf, type VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import { Asker, type AskResult } from './ask-provider.ts'

/** Milliseconds that a search may take, whether or not somebody still waits for it. */
const SEARCH_MS = LIMITS.maxWaitSeconds * 1000
/** Milliseconds after which the next peer is asked beside a slow one. */
const HEDGE_MS = 250
/** Searches under way: past that, a request is answered from what is here. */
const MAX_SEARCHES = 10_000
/** Cells that did not fit and are named in the answer. */
const MAX_ALTERNATIVES = 10

const LOCAL: EventMap['request_answered'] = { door: 'http', outcome: 'success', source: 'local' }

type Parts = Pick<
  NodeParts,
  | 'config'
  | 'clock'
  | 'logger'
  | 'events'
  | 'index'
  | 'trust'
  | 'directory'
  | 'offers'
  | 'offerVerifier'
  | 'network'
  | 'keys'
>

/** A candidate that a peer announced or offered. */
interface Elsewhere extends Candidate {
  readonly provider: string
  /** Absent while only the announcement is known. */
  readonly offer?: VerifiedOffer
}

/**
 * Provider API, "Request Cell by Capability" and "Request Specific Cell Type": own store, then the directory of announcements,
 * then the DHT. What the directory announces competes with what is here, so that every node gives the same answer.
 */
export class CellRequests {
  readonly #parts: Parts
  readonly #asker: Asker
  readonly #searches = new Map<string, Promise<RequestOutcome>>()
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
    const { index, trust, directory, events } = this.#parts
    const candidates = index.candidates(query.by, query.name)
    if (candidates.length === 0) return undefined
    let here: Ranked | undefined
    if (directory.has(query.by, query.name)) {
      const field = this.#field(query)
      here = best(query, candidates, trust, field.floor)
      const announced = best(query, field.announced, trust, field.floor)
      if (here !== undefined && announced !== undefined && compare(query, announced, here) < 0) return undefined
    } else here = best(query, candidates, trust)
    if (here === undefined) return undefined
    events.emit('request_answered', LOCAL)
    return index.answer(here)
  }

  /** Answers for the federation. When the search takes longer than `waitMs`, it goes on for the next who asks the same. */
  async answer(query: CellQuery, waitMs: number): Promise<RequestOutcome> {
    const key = JSON.stringify(query)
    let search = this.#searches.get(key)
    const startedAt = this.#parts.clock.now()
    if (search === undefined) {
      if (this.#searches.size >= MAX_SEARCHES) return this.#late(query, startedAt)
      search = this.#run(query).finally(() => this.#searches.delete(key))
      this.#searches.set(key, search)
    }
    const outcome = await within(search, waitMs, () => this.#late(query, startedAt))
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
    const here = this.#here(query, this.#field(query).floor)
    const cell = here && this.#parts.index.answer(here)
    if (cell !== undefined) return { status: 'success', source: 'local', cell }
    return {
      status: 'pending',
      estimatedWaitMs: Math.max(0, SEARCH_MS - (this.#parts.clock.now() - startedAt)),
    }
  }

  async #search(query: CellQuery, signal: AbortSignal): Promise<RequestOutcome> {
    const field = this.#field(query)
    const search = new Search(field)
    const announced = rank(query, field.announced, this.#parts.trust, field.floor)
    search.rejected.push(...announced.rejected)
    search.source('directory', 'answered', announced.fitting.length)
    const here = this.#here(query, field.floor)
    const isBetter = (other: Ranked): boolean => here === undefined || compare(query, other, here) < 0
    const providers = new Set(announced.fitting.filter(isBetter).map(({ candidate }) => candidate.provider))
    const found = await this.#askInTurn(query, this.#healthyFirst(providers), search, signal)
    if (found !== undefined && isBetter(found)) return this.#success(found, 'directory')
    const cell = here && this.#parts.index.answer(here)
    if (cell !== undefined) return { status: 'success', source: 'local', cell }
    const viaDht = await this.#askDht(query, search, signal)
    return viaDht === undefined ? this.#notFound(query, search) : this.#success(viaDht, 'dht')
  }

  /** What is known of a name: what the directory announces, as far as this node may take it, and which tier may win. */
  #field(query: CellQuery): Field {
    const { index, directory, trust } = this.#parts
    const here = index.candidates(query.by, query.name)
    const vouched = new Set(here.filter(({ registered }) => registered).map(({ publisher }) => publisher))
    const announced: Elsewhere[] = []
    for (const { provider, cell, offered } of directory.find(query.by, query.name)) {
      if (!trust.accepts(cell.publisher)) continue
      announced.push({
        id: cell.manifest_digest,
        publisher: cell.publisher,
        cellType: cell.cell_type,
        version: cell.version,
        offered,
        status: 'active',
        registered: vouched.has(cell.publisher),
        provider,
      })
    }
    return { vouched, announced, floor: tierFloor(query, [...here, ...announced], trust) }
  }

  #here(query: CellQuery, floor: Tier): Ranked | undefined {
    return best(query, this.#parts.index.candidates(query.by, query.name), this.#parts.trust, floor)
  }

  #healthyFirst(providers: Iterable<string>): string[] {
    return [...providers].sort((a, b) => Number(this.#asker.isFailing(a)) - Number(this.#asker.isFailing(b)))
  }

  /** Asks one peer after the other, and beside a slow one the next, until an offer fits. */
  async #askInTurn(
    query: CellQuery,
    providers: readonly string[],
    search: Search,
    signal: AbortSignal,
  ): Promise<Ranked<Elsewhere> | undefined> {
    const asks: Promise<Ranked<Elsewhere> | undefined>[] = []
    for (const [position, provider] of providers.entries()) {
      if (search.asked.size >= LIMITS.askBudget || signal.aborted) break
      if (search.asked.has(provider)) continue
      search.asked.add(provider)
      asks.push(
        this.#asker
          .ask(provider, query, { signal, deadlineMs: SEARCH_MS })
          .then((result) => this.#judge(query, result, search)),
      )
      if (position === providers.length - 1) break
      const early = await within(firstFound(asks), HEDGE_MS, () => undefined)
      if (early !== undefined) return early
    }
    return firstFound(asks)
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
    const { fitting, rejected } = rank(query, candidates, this.#parts.trust, floor)
    search.rejected.push(...rejected)
    return fitting[0]
  }

  async #askDht(query: CellQuery, search: Search, signal: AbortSignal): Promise<Ranked<Elsewhere> | undefined> {
    const { network, keys } = this.#parts
    let found = 0
    try {
      const key = `${query.by}/${query.name}`
      for await (const { providerId } of network.findProviders(key, { signal, limit: LIMITS.askBudget })) {
        found++
        if (providerId === keys.providerId) continue
        const answer = await this.#askInTurn(query, [providerId], search, signal)
        if (answer !== undefined) return answer
      }
      search.source('dht', 'answered', found)
    } catch (error) {
      this.#parts.logger.debug({ err: error }, 'the DHT did not answer')
      search.source('dht', signal.aborted ? 'timed_out' : 'failed', found)
    }
    return undefined
  }

  #success({ candidate, tier }: Ranked<Elsewhere>, source: 'directory' | 'dht'): RequestOutcome {
    const text = this.#parts.offers.remember(candidate.offer!, candidate.provider)
    return { status: 'success', source, cell: finishAnswer(text, TIERS[tier]!) }
  }

  #notFound(query: CellQuery, search: Search): RequestOutcome {
    const { index, trust } = this.#parts
    const here = rank(query, index.candidates(query.by, query.name), trust, search.field.floor)
    const rejected = [...here.rejected, ...search.rejected]
    return {
      status: 'not_found',
      code: rejected.length === 0 ? 'PROV_003' : 'PROV_002',
      alternatives: alternatives(query, rejected),
      coverage: {
        sources: [{ source: 'store', outcome: 'answered', candidates: here.fitting.length }, ...search.sources],
        peers: search.peers,
      },
    }
  }
}

/** What is known of a name when a request comes. */
interface Field {
  /** Publishers of what is registered here under that name. */
  readonly vouched: ReadonlySet<string>
  readonly announced: readonly Elsewhere[]
  readonly floor: Tier
}

/** Where one search looked, and what did not fit. */
class Search {
  readonly field: Field
  readonly asked = new Set<string>()
  readonly sources: Coverage['sources'] = []
  readonly peers: Coverage['peers'] = []
  readonly rejected: Rejected[] = []

  constructor(field: Field) {
    this.field = field
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
    })
  }
  return [...byCell.values()]
}
