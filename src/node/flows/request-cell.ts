import type { CellAnswer, Coverage } from '../../../protocol/cells.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { type CellAnswerText, finishAnswer, parseAnswer } from '../../domain/cells/answer.ts'
import type { Candidate } from '../../domain/cells/candidate.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { best, compare, type Ranked, rank, type SelectionPolicy } from '../../domain/cells/resolver.ts'
import { TIERS, type Tier } from '../../domain/cells/trust.ts'
import { within } from '../../kernel/base/racing.ts'
import type { EventMap } from '../../kernel/telemetry/events.ts'
import type { RequestOutcome } from '../api.ts'
import { candidateOf } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import { Asker, type AskResult } from './ask-provider.ts'
import { inAskingOrder } from './asking-order.ts'
import type { CloseNames } from './close-names.ts'
import { type Elsewhere, fieldOf, heldOf, unbeaten } from './field.ts'
import { firstAnswer } from './hedged-asks.ts'
import type { LogProofs } from './log-proofs.ts'
import { NegativeAnswers } from './negative-answers.ts'
import { registrationProof } from './registration-proof.ts'
import { mayForwardTo, type QuestionRelay } from './relay-question.ts'
import { resolveDependencies } from './resolve-dependencies.ts'
import { MAX_ALTERNATIVES, SearchRecord, type Winner } from './search-record.ts'

/** Milliseconds that a search may take, whether or not somebody still waits for it. */
const SEARCH_MS = LIMITS.maxWaitSeconds * 1000
/** Milliseconds after which others are looked for beside a slow peer. */
const SEEK_MS = 250
/** Searches under way: past that, a request is answered from what is here. */
const MAX_SEARCHES = 10_000

const LOCAL: EventMap['request_answered'] = { door: 'http', outcome: 'success', source: 'local' }

interface Parts
  extends Pick<
    NodeParts,
    | 'clock'
    | 'logger'
    | 'events'
    | 'index'
    | 'trust'
    | 'rankers'
    | 'directory'
    | 'partners'
    | 'freshness'
    | 'offers'
    | 'offerVerifier'
    | 'network'
  > {
  readonly yanks: SelectionPolicy['yanks']
  readonly receipts: Pick<NodeParts['receipts'], 'place'>
  readonly keys: Pick<NodeParts['keys'], 'providerId'>
  readonly config: Pick<NodeParts['config'], 'network'>
  readonly vulnerabilities: Pick<NodeParts['vulnerabilities'], 'openCritical' | 'worstOpen'>
  readonly knownLogs: Pick<NodeParts['knownLogs'], 'standing'>
  readonly closeNames: Pick<CloseNames, 'alternatives'>
  readonly relay: Pick<QuestionRelay, 'ask'>
}

/** A peer that may hold what is asked for, and how this node came to know. */
interface Holder {
  readonly provider: string
  readonly source: 'directory' | 'partners' | 'dht'
  /** Asks that a partner may make for it. */
  readonly budget?: number
  /** Whether who comes next has to be looked for. */
  readonly isLast: boolean
}

/** How far a question may travel. */
type Reach = 'federation' | 'directory'

/** What a search found, before it is put into words. */
interface Found extends Winner {
  readonly outcome: RequestOutcome & { readonly status: 'success' }
}

/** What one search may take: `deadline` in Unix milliseconds. */
interface Limits {
  readonly signal: AbortSignal
  readonly deadline: number
}

/** An outcome that says where was looked. */
type Covered = Exclude<RequestOutcome, { status: 'pending' }> & { readonly coverage: Coverage }

/** A search that goes on until it is done, whoever waits for it. */
interface Running {
  readonly outcome: Promise<RequestOutcome>
  /** Unix milliseconds. */
  readonly startedAt: number
}

/**
 * Provider API, "Request Cell by Capability" and "Request Specific Cell Type": own store, then the directory of announcements,
 * then partners that are asked without an announcement, then the DHT. What the directory announces competes with what is here, so that every node gives the same answer.
 */
export class CellRequests {
  readonly #parts: Parts
  readonly #proofs: Pick<LogProofs, 'isLogged' | 'registration'>
  readonly #asker: Asker
  readonly #negatives: NegativeAnswers
  readonly #searches = new Map<string, Running>()
  readonly #controllers = new Set<AbortController>()

  constructor(parts: Parts, proofs: Pick<LogProofs, 'isLogged' | 'registration'>) {
    this.#parts = parts
    this.#proofs = proofs
    this.#asker = new Asker(parts)
    this.#negatives = new NegativeAnswers(() => parts.clock.now())
  }

  /** Ends the searches under way. */
  stop(): void {
    for (const controller of this.#controllers) controller.abort(new Error('the node is stopping'))
  }

  /** The answer from the own store, unless a peer announces something better, or more is asked than the cell. */
  locally(query: CellQuery): CellAnswerText | undefined {
    if (isElaborate(query) || query.securityLevel === 'maximum') return undefined
    const { index, events } = this.#parts
    const candidates = index.candidates(query.by, query.name)
    if (candidates.length === 0) return undefined
    const here = unbeaten(query, candidates, this.#parts)
    if (here === undefined) return undefined
    events.emit('request_answered', LOCAL)
    return index.answer(here, this.#parts)
  }

  /**
   * Answers for the federation. When the search takes longer than `waitMs`, it goes on for the next who asks the same. What a partner asks
   * (`reach`) goes no further than to who announced it, so that questions do not travel in circles.
   */
  async answer(query: CellQuery, waitMs: number, reach: Reach = 'federation'): Promise<RequestOutcome> {
    const outcome = await this.#outcome(query, waitMs, reach)
    const source = outcome.status === 'success' ? outcome.source : 'none'
    this.#parts.events.emit('request_answered', { door: 'http', outcome: outcome.status, source })
    return outcome
  }

  #outcome(query: CellQuery, waitMs: number, reach: Reach): Promise<RequestOutcome> {
    const key = `${reach} ${JSON.stringify(query)}`
    let search = this.#searches.get(key)
    if (search === undefined) {
      const startedAt = this.#parts.clock.now()
      if (this.#searches.size >= MAX_SEARCHES) return Promise.resolve(this.#late(query, startedAt))
      search = { startedAt, outcome: this.#run(query, reach).finally(() => this.#searches.delete(key)) }
      this.#searches.set(key, search)
    }
    const { startedAt } = search
    return within(search.outcome, waitMs, () => this.#late(query, startedAt))
  }

  async #run(query: CellQuery, reach: Reach): Promise<RequestOutcome> {
    const negative = this.#negative(query)
    if (negative !== undefined) return negative
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(new Error('the search took too long')), SEARCH_MS)
    this.#controllers.add(controller)
    const startedAt = this.#parts.clock.now()
    try {
      const limits = { signal: controller.signal, deadline: startedAt + SEARCH_MS }
      const { search, found } = await this.#search(query, reach, limits)
      if (found !== undefined && !isElaborate(query)) return found.outcome
      const explained = await this.#explained(query, search, found)
      if (reach === 'federation' && !isElaborate(query)) this.#negatives.add(query, explained)
      if (query.resolveDependencies !== true || explained.status !== 'success') return explained
      return await this.#withLock(query, reach, explained, startedAt)
    } finally {
      clearTimeout(timer)
      this.#controllers.delete(controller)
    }
  }

  /** What a search for the same name has just found out, when there is nobody else to ask since. */
  #negative(query: CellQuery): RequestOutcome | undefined {
    const { index, directory, partners } = this.#parts
    const { by, name } = query
    if (isElaborate(query) || index.candidates(by, name).length > 0 || directory.has(by, name)) return undefined
    const negative = this.#negatives.get(query)
    const asked = negative?.coverage.peers.map(({ provider_id }) => provider_id)
    const isCurrent = partners.list().every((partner) => !mayForwardTo(partner) || asked?.includes(partner.provider_id))
    return isCurrent ? negative : undefined
  }

  /** When nobody has answered in time: what is here, if it fits, and nothing more is asked. */
  #late(query: CellQuery, startedAt: number): RequestOutcome {
    if (!isElaborate(query)) {
      const here = this.#here(query, fieldOf(query, this.#parts).floor)
      if (here !== undefined) return here.outcome
    }
    return {
      status: 'pending',
      estimatedWaitMs: Math.max(0, SEARCH_MS - (this.#parts.clock.now() - startedAt)),
    }
  }

  async #search(
    query: CellQuery,
    reach: Reach,
    limits: Limits,
  ): Promise<{ search: SearchRecord; found: Found | undefined }> {
    const field = fieldOf(query, this.#parts)
    const search = new SearchRecord(query, field, this.#parts.keys.providerId)
    const announced = rank(query, field.announced, this.#parts, field.floor)
    search.judged('directory', announced)
    search.source('directory', 'answered', announced.fitting.length)
    const here = this.#here(query, field.floor)
    const found = (await this.#elsewhere(query, reach, search, { announced: announced.fitting, here, limits })) ?? here
    return { search, found }
  }

  /** Something better than what is here, from a peer. */
  async #elsewhere(
    query: CellQuery,
    reach: Reach,
    search: SearchRecord,
    { announced, here, limits }: { announced: readonly Ranked<Elsewhere>[]; here: Found | undefined; limits: Limits },
  ): Promise<Found | undefined> {
    const isBetter = (other: Ranked): boolean =>
      here === undefined || compare(query, other, here.ranked, this.#parts) < 0
    const providers = inAskingOrder(announced.filter(isBetter), {
      isFailing: (provider) => this.#asker.isFailing(provider),
      place: (provider) => this.#parts.receipts.place(provider),
    })
    const lookup = new AbortController()
    const { signal } = limits
    try {
      const holders = this.#holders(query, search, {
        announced: providers,
        beyond: here === undefined && reach === 'federation',
        signal: AbortSignal.any([signal, lookup.signal]),
      })
      const ask = async ({ provider, source, budget }: Holder): Promise<Found | undefined> => {
        const result = await (budget === undefined
          ? this.#asker.ask(provider, query, limits)
          : this.#askPartner(provider, query, { ...limits, budget }))
        const ranked = this.#judge(query, result, search)
        if (ranked === undefined || !isBetter(ranked)) return undefined
        if (query.securityLevel === 'high') return this.#offered(ranked, source, this.#parts.freshness.note())
        if (query.securityLevel !== 'maximum') return this.#offered(ranked, source)
        const log = await registrationProof(this.#parts, provider, ranked.candidate.id, signal)
        return log && this.#offered(ranked, source, { log, ...this.#parts.freshness.note() })
      }
      return await firstAnswer(holders, ask, (holder) => this.#hedgeMs(holder))
    } finally {
      lookup.abort(new Error('the search is over'))
    }
  }

  /** What a partner knows, or its partners. Never throws. */
  async #askPartner(partner: string, query: CellQuery, limits: Limits & { budget: number }): Promise<AskResult> {
    try {
      const answer = await this.#parts.relay.ask(partner, query, limits)
      if (answer === undefined) return { provider: partner, outcome: 'not_found', offers: [] }
      const { provider, offers, trust } = answer
      return { provider: partner, holder: provider, isVouched: trust === 'trusted', outcome: 'answered', offers }
    } catch (error) {
      this.#parts.logger.debug({ partner, err: error }, 'a partner did not answer')
      return { provider: partner, outcome: limits.signal.aborted ? 'timed_out' : 'unreachable', offers: [] }
    }
  }

  /** The best of what is here. */
  #here(query: CellQuery, floor: Tier): Found | undefined {
    const ranked = best(query, this.#held(query), this.#parts, floor)
    if (ranked === undefined) return undefined
    const log = query.securityLevel === 'maximum' ? this.#proofs.registration(ranked.candidate.id) : undefined
    const cell = this.#parts.index.answer(ranked, this.#parts, log && { log })
    return cell && { ranked, source: 'store', outcome: { status: 'success', source: 'local', cell } }
  }

  #held(query: CellQuery): readonly Candidate[] {
    const { index } = this.#parts
    return heldOf(query, this.#parts, { isLogged: (id) => this.#proofs.isLogged(id), get: (id) => index.get(id) })
  }

  /** Milliseconds after which somebody else is asked beside a holder. Looking for somebody costs more than asking. */
  #hedgeMs({ provider, isLast }: Holder): number {
    const ms = this.#asker.hedgeMs(provider)
    return isLast ? Math.max(ms, SEEK_MS) : ms
  }

  /** Whom to ask: who announced it, and `beyond` those who the DHT says has it, after partners that are always asked, all within the budget of one search. Never throws. */
  async *#holders(
    query: CellQuery,
    search: SearchRecord,
    { announced, beyond, signal }: { announced: readonly string[]; beyond: boolean; signal: AbortSignal },
  ): AsyncGenerator<Holder> {
    const { network, keys, partners } = this.#parts
    const asked = beyond ? partners.list().filter(mayForwardTo) : []
    for (const [i, provider] of announced.entries()) {
      if (signal.aborted) return
      const isLast = asked.length === 0 && i === announced.length - 1
      if (this.#isReliable(provider, query) && search.mayAsk(provider)) yield { provider, source: 'directory', isLast }
    }
    if (!beyond) return
    if (asked.length > 0) search.source('partners', 'answered', asked.length)
    // The DHT keeps half of what is left.
    const budget = Math.max(0, Math.floor(search.left / 2 / asked.length) - 1)
    for (const [i, { provider_id: provider }] of asked.entries()) {
      if (signal.aborted) return
      if (!this.#isReliable(provider, query) || !search.mayAsk(provider)) continue
      search.give(budget)
      yield { provider, source: 'partners', budget, isLast: i === asked.length - 1 }
    }
    let found = 0
    try {
      const key = `${query.by}/${query.name}`
      for await (const { providerId } of network.findProviders(key, { signal, limit: LIMITS.askBudget })) {
        found++
        if (providerId === keys.providerId || partners.isUntrusted(providerId)) continue
        if (this.#isReliable(providerId, query) && search.mayAsk(providerId)) {
          yield { provider: providerId, source: 'dht', isLast: true }
        }
      }
      search.source('dht', 'answered', found)
    } catch (error) {
      this.#parts.logger.debug({ err: error }, 'the DHT did not answer')
      search.source('dht', signal.aborted ? 'timed_out' : 'failed', found)
    }
  }

  /** Whether a provider's log is in order, as far as the security level asks. */
  #isReliable(provider: string, { securityLevel }: CellQuery): boolean {
    const standing = this.#parts.knownLogs.standing(provider)
    return standing === 'good' || (standing === 'suspended' && securityLevel !== 'high' && securityLevel !== 'maximum')
  }

  /** The best offer of a peer, if one fits. */
  #judge(query: CellQuery, result: AskResult, search: SearchRecord): Ranked<Elsewhere> | undefined {
    search.peers.push({ provider_id: result.provider, outcome: result.outcome })
    const { vouched, floor } = search.field
    const candidates = result.offers.flatMap((offer): Elsewhere[] => {
      const candidate = candidateOf(offer, query)
      if (candidate === undefined) return []
      // Who answers for others answers for their word, too: the least that anybody on the way is trusted counts.
      const registered = result.isVouched !== false && vouched.has(candidate.publisher)
      return [{ ...candidate, registered, provider: result.holder ?? result.provider, offer }]
    })
    const judged = rank(query, candidates, this.#parts, floor)
    search.judged('peer', judged)
    return judged.fitting[0]
  }

  #offered(ranked: Ranked<Elsewhere>, source: Holder['source'], more?: Pick<CellAnswer, 'log' | 'stale'>): Found {
    const { candidate, tier } = ranked
    const answer = this.#parts.offers.remember(candidate.offer!, candidate.provider)
    const cell = finishAnswer(answer, TIERS[tier]!, null, more)
    return { ranked, source: 'peer', outcome: { status: 'success', source, cell } }
  }

  /** The outcome with everything that is known about it: always where nothing was found. */
  async #explained(query: CellQuery, search: SearchRecord, found: Found | undefined): Promise<Covered> {
    const here = rank(query, this.#held(query), this.#parts, search.field.floor)
    search.judged('store', here)
    const coverage = search.coverage(here.fitting.length, this.#parts.clock.now())
    const explanation = query.explain === true ? { explanation: search.explanation(found, this.#parts) } : {}
    if (found !== undefined) return { ...found.outcome, coverage, ...explanation }
    const misfits = search.alternatives()
    const more = MAX_ALTERNATIVES - misfits.length
    const close = more === 0 ? [] : await this.#parts.closeNames.alternatives(query, more)
    const code = misfits.length === 0 ? 'PROV_003' : 'PROV_002'
    return { status: 'not_found', code, alternatives: [...misfits, ...close], coverage, ...explanation }
  }

  /** With a cell for everything that the one found depends on; not found, where there is none for something. */
  async #withLock(
    query: CellQuery,
    reach: Reach,
    outcome: Covered & { readonly status: 'success' },
    startedAt: number,
  ): Promise<RequestOutcome> {
    const root = parseAnswer(outcome.cell)
    const { device, priority, securityLevel, publishers } = query
    const resolved = await resolveDependencies(root, (name, range) => {
      const left = Math.max(0, SEARCH_MS - (this.#parts.clock.now() - startedAt))
      const need: CellQuery = { by: 'capability', name, range, device, priority, securityLevel, publishers }
      return this.#outcome(need, left, reach)
    })
    if ('lock' in resolved) return { ...outcome, lock: resolved.lock }
    const { conflicts } = resolved
    const { explanation } = outcome
    const needed = conflicts.map(({ capability }) => capability).join(', ')
    const alternative = {
      capability: root.capability,
      cell_type: root.cell_type,
      version: root.version,
      compatibility_notes: `fits, and depends on what was not found: ${needed}`,
    }
    return {
      status: 'not_found',
      code: 'PROV_002',
      alternatives: [alternative],
      coverage: outcome.coverage,
      ...(explanation && { explanation }),
      conflicts,
    }
  }
}

/** Whether more is asked than a cell. */
const isElaborate = ({ explain, resolveDependencies }: Pick<CellQuery, 'explain' | 'resolveDependencies'>): boolean =>
  explain === true || resolveDependencies === true
