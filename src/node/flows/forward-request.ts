import { setTimeout as pause } from 'node:timers/promises'
import { Annotations } from '../../../protocol/annotations.ts'
import { type CellAnswer, CellResponse, type Coverage } from '../../../protocol/cells.ts'
import { type ForwardRequest, ForwardResponse } from '../../../protocol/federation.ts'
import { ProviderId } from '../../../protocol/fields.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { finishAnswer } from '../../domain/cells/answer.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { rank } from '../../domain/cells/resolver.ts'
import { TIERS } from '../../domain/cells/trust.ts'
import { noPartner, type PartnerRecord } from '../../domain/federation/partners.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import { EgressError } from '../../kernel/egress/request-json.ts'
import type { RequestOutcome } from '../api.ts'
import { candidateOf, type VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import { fieldOf } from './field.ts'
import { originalOf, queryOf } from './original-request.ts'
import type { PartnerCalls } from './partner-calls.ts'

type Parts = Pick<
  NodeParts,
  | 'index'
  | 'yanks'
  | 'vulnerabilities'
  | 'directory'
  | 'trust'
  | 'rankers'
  | 'freshness'
  | 'offers'
  | 'offerVerifier'
  | 'partners'
  | 'logger'
>

/** A request that a partner took. */
export interface Forwarded {
  readonly query: CellQuery
  readonly partner: string
  /** The partner's id for it. */
  readonly requestId: string
}

const PATH = '/api/v1/federation/forward'
/** Milliseconds between two polls of a partner. */
const POLL_MS = { least: 100, most: 2000 }

const forwardResponse = checkerOf(ForwardResponse)
const cellResponse = checkerOf(CellResponse)
const annotationsSchema = checkerOf(Annotations)
const providerId = checkerOf(ProviderId)

/** Provider API, "Forward Request", towards a partner: asks under this node's own name, and verifies the answer like every peer's offer. */
export class Forwarding {
  readonly #parts: Parts
  readonly #calls: PartnerCalls

  constructor(parts: Parts, calls: PartnerCalls) {
    this.#parts = parts
    this.#calls = calls
  }

  /** Throws `PROV_010`, `PROV_011` where the partner is not to be asked or refuses, `PROV_006` when it does not answer. */
  async send({ target_provider_id: id, original_request }: ForwardRequest): Promise<Forwarded> {
    const query = queryOf(original_request)
    const partner = this.#parts.partners.get(id)
    if (partner === undefined) throw noPartner(id)
    const reachable = askable(partner)
    if (typeof reachable === 'string') throw rejected(reachable)
    const body = {
      request_id: crypto.randomUUID(),
      target_provider_id: id,
      original_request: originalOf(query),
      reason: 'forwarded',
      federation_token: reachable.token,
    }
    const answer = await this.#calls.call(reachable, { method: 'POST', path: PATH, body }).catch((error: unknown) => {
      if (!(error instanceof EgressError)) throw error
      if (error.reason === 'address') throw rejected(`${id} cannot be asked: ${error.message}`)
      throw failed(`${id} cannot be asked: ${error.message}`, error)
    })
    const response = answer.body
    if (answer.status === 202 && forwardResponse.Check(response) && response.forwarded_request_id !== undefined) {
      return { query, partner: id, requestId: response.forwarded_request_id }
    }
    if (answer.status === 401 || answer.status === 403) {
      throw rejected(`${id} refuses the request (HTTP status ${answer.status})`)
    }
    throw failed(`${id} did not take the request (HTTP status ${answer.status})`)
  }

  /** Waits for a partner's answer to a forwarded request. Never throws. */
  async follow({ query, partner: id, requestId }: Forwarded, signal: AbortSignal): Promise<RequestOutcome> {
    const partner = this.#parts.partners.get(id)
    const reachable = partner === undefined ? 'it is no partner any more' : askable(partner)
    if (typeof reachable === 'string') return notFound(id, 'unreachable')
    try {
      const path = `/api/v1/cells/request/${encodeURIComponent(requestId)}`
      while (true) {
        const { body } = await this.#calls.call(reachable, { method: 'GET', path }, signal)
        if (!cellResponse.Check(body)) return notFound(id, 'rejected')
        if (body.status === 'success' && body.cell !== undefined) return await this.#judge(query, id, body.cell)
        if (body.status !== 'pending') return notFound(id, body.status === 'not_found' ? 'not_found' : 'rejected')
        const wait = Math.min(POLL_MS.most, Math.max(POLL_MS.least, body.estimated_wait_time_ms ?? 0))
        await pause(wait, undefined, { signal })
      }
    } catch (error) {
      this.#parts.logger.info({ partner: id, reason: errorMessage(error) }, 'a partner did not answer a forward')
      return notFound(id, signal.aborted ? 'timed_out' : 'unreachable')
    }
  }

  /** The answer counts when its manifest and signature hold, and it fits by this node's own rules: the partner knew no device. */
  async #judge(query: CellQuery, partner: string, cell: CellAnswer): Promise<RequestOutcome> {
    const { trust, offers, offerVerifier, logger } = this.#parts
    let offer: VerifiedOffer
    try {
      offer = await offerVerifier.verify(offered(cell), (publisher) => trust.isPinned(publisher))
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      logger.warn({ partner, reason: error.message }, 'a partner answered with a cell that does not verify')
      return notFound(partner, 'rejected')
    }
    const candidate = candidateOf(offer, query)
    if (candidate === undefined || !trust.accepts(candidate.publisher)) return notFound(partner, 'rejected')
    const { vouched, floor } = fieldOf(query, this.#parts)
    const { fitting } = rank(
      query,
      // A partner is not asked for the proof that security level maximum needs.
      [{ ...candidate, registered: vouched.has(candidate.publisher), logged: false }],
      this.#parts,
      floor,
    )
    const [found] = fitting
    if (found === undefined) return notFound(partner, 'rejected')
    // The partner may have it from somebody else, who is asked for the package where the partner does not hold it.
    const { provider } = cell.metadata
    if (provider !== partner && providerId.Check(provider)) offers.remember(offer, provider)
    const answer = offers.remember(offer, partner)
    return {
      status: 'success',
      source: 'partners',
      cell: finishAnswer(
        answer,
        TIERS[found.tier]!,
        null,
        query.securityLevel === 'high' ? this.#parts.freshness.note() : undefined,
      ),
    }
  }
}

/** A partner with everything that asking it needs; else why it is not asked. */
function askable(partner: PartnerRecord): (PartnerRecord & { url: string; token: string }) | string {
  const { provider_id: id, url, token } = partner
  if (partner.trust_level === 'untrusted') return `${id} is untrusted here: nothing is asked of it`
  if (url === null) return `this node knows no URL of ${id}`
  if (token === null) return `${id} gave this node no token: set it as partner_token`
  return { ...partner, url, token }
}

/** An answer as an offer. What a partner says beside the manifest counts as far as it has the form of an annotation. */
function offered({ manifest, signature, metadata }: CellAnswer) {
  const said = { description: metadata.description, performance: metadata.performance_characteristics }
  const time = Date.parse(metadata.created_at)
  return {
    manifest,
    signature,
    status: 'active' as const,
    created_at: new Date(Number.isNaN(time) ? 0 : time).toISOString(),
    annotations: annotationsSchema.Check(said) ? said : {},
  }
}

function notFound(partner: string, outcome: Coverage['peers'][number]['outcome']): RequestOutcome {
  const sources: Coverage['sources'] = [
    { source: 'partners', outcome: OUTCOMES[outcome], candidates: outcome === 'rejected' ? 1 : 0 },
  ]
  return {
    status: 'not_found',
    code: outcome === 'not_found' ? 'PROV_003' : 'PROV_002',
    alternatives: [],
    coverage: { sources, peers: [{ provider_id: partner, outcome }], oldest_answer_ms: 0 },
  }
}

const OUTCOMES = {
  answered: 'answered',
  not_found: 'answered',
  rejected: 'answered',
  timed_out: 'timed_out',
  unreachable: 'failed',
} as const satisfies Record<Coverage['peers'][number]['outcome'], Coverage['sources'][number]['outcome']>

const rejected = (message: string): ProviderError =>
  new ProviderError('PROV_011', message, { details: { status: 'rejected' } })

const failed = (message: string, cause?: unknown): ProviderError => new ProviderError('PROV_006', message, { cause })

/** Milliseconds that a partner is waited for. */
export const FORWARD_MS = LIMITS.maxWaitSeconds * 1000
