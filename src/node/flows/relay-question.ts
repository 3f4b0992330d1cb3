import { LIMITS } from '../../../protocol/limits.ts'
import type {
  ForwardAnswer,
  ForwardedQuestion,
  ForwardRequestMessage,
  Hop,
  OfferedCell,
} from '../../../protocol/rpc.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { inRange } from '../../domain/cells/resolver.ts'
import { addHop, questionDigest, verifyHops } from '../../domain/federation/hop-chain.ts'
import type { PartnerRecord } from '../../domain/federation/partners.ts'
import { toBase64Url } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { firstFound } from '../../kernel/base/racing.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import { askOffers } from './ask-offers.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'logger' | 'directory' | 'partners' | 'trust'> {
  readonly config: Pick<NodeParts['config'], 'network'>
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'wire'>
  readonly network: Pick<NodeParts['network'], 'request'>
  readonly offerVerifier: Pick<NodeParts['offerVerifier'], 'known' | 'verify'>
}

/** What a node says to a forwarded question, without the envelope. */
type Answer = Omit<ForwardAnswer, 'type' | 'id'>

/** What the federation says to a question, verified. */
export interface RelayedAnswer extends Omit<Answer, 'cells'> {
  /** Where the packages can be had. */
  readonly provider: string
  readonly cells: readonly OfferedCell[]
  readonly offers: readonly VerifiedOffer[]
}

/** What asking may take: `deadline` in Unix milliseconds, `budget` in asks that follow this one. */
interface Limits {
  readonly signal: AbortSignal
  readonly deadline: number
  readonly budget: number
}

/** Milliseconds of a deadline that each hop keeps for itself, so that an answer is on its way before its asker gives up. */
const HOP_MS = 100
/** Questions that are remembered for as long as they can be asked again. */
const MAX_QUESTIONS = 10_000
const NOTHING: Answer = { cells: [], trust: 'limited' }
const NONCE_BYTES = 16
/** Bytes of an answer beside its cells. */
const ENVELOPE_BYTES = 256

/** Asks partners, who ask theirs (SECURITY 12): within one budget and one deadline for the whole tree, each node signing whom it asked. */
export class QuestionRelay {
  readonly #parts: Parts
  /** JSON of the cells that are held here under a name. */
  readonly #held: (question: ForwardedQuestion) => string
  /** Digest → Unix milliseconds until which it is remembered. */
  readonly #seen = new Map<string, number>()

  constructor(parts: Parts, held: (question: ForwardedQuestion) => string) {
    this.#parts = parts
    this.#held = held
  }

  /** Asks a partner under this node's own name. Throws when it does not answer. */
  ask(partner: string, { by, name, range }: CellQuery, limits: Limits): Promise<RelayedAnswer | undefined> {
    const { keys, clock } = this.#parts
    const question: ForwardedQuestion = {
      by,
      name,
      ...(range === undefined ? {} : { range }),
      origin: keys.providerId,
      nonce: toBase64Url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES))),
      at: clock.now(),
    }
    return this.#forward(partner, question, [], limits)
  }

  /** Answers a partner. Whatever is wrong with the question, nothing is found. */
  async answer({ question, hops, deadline_ms, budget }: ForwardRequestMessage, from: string): Promise<Answer> {
    const { partners, clock, config, keys, logger } = this.#parts
    const partner = partners.get(from)
    if (partner === undefined || !maySee(partner)) return NOTHING
    const now = clock.now()
    let passed: string[]
    try {
      const expected = { network: config.network.name, verifier: nativeVerifier, from, self: keys.providerId, now }
      passed = verifyHops(hops, question, expected)
    } catch (error) {
      logger.info({ partner: from, reason: errorMessage(error) }, 'a forwarded question was refused')
      return NOTHING
    }
    if (this.#isDuplicate(questionDigest(question), now)) return NOTHING
    const held = this.#held(question)
    if (held !== '[]') return { cells: fitting(JSON.parse(held) as OfferedCell[]), trust: 'trusted' }
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(new Error('the asker waits no longer')), deadline_ms)
    try {
      const deadline = now + deadline_ms - HOP_MS
      const limits = { signal: controller.signal, deadline, budget: Math.min(budget, LIMITS.askBudget - hops.length) }
      return (await this.#elsewhere(question, hops, new Set(passed), limits)) ?? NOTHING
    } finally {
      clearTimeout(timer)
      controller.abort(new Error('the question is answered'))
    }
  }

  /** What others hold: who announced it is asked first, then partners share what is left of the budget. */
  async #elsewhere(
    question: ForwardedQuestion,
    hops: readonly Hop[],
    passed: ReadonlySet<string>,
    limits: Limits,
  ): Promise<Answer | undefined> {
    let { budget } = limits
    for (const provider of this.#announced(question, passed)) {
      if (budget-- <= 0 || limits.signal.aborted) return undefined
      const answer = await this.#tried(provider, () => this.#askHolder(provider, question, limits))
      if (answer !== undefined) return answer
    }
    if (hops.length >= LIMITS.forwardHops) return undefined
    const children = this.#parts.partners
      .list()
      .filter((partner) => mayForwardTo(partner) && !passed.has(partner.provider_id))
      .slice(0, budget)
    const share = Math.floor(budget / children.length) - 1
    const asks = children.map(({ provider_id: id, trust_level }) =>
      this.#tried(id, async (): Promise<Answer | undefined> => {
        const answer = await this.#forward(id, question, hops, { ...limits, budget: share })
        if (answer === undefined) return undefined
        const trust = trust_level === 'trusted' ? answer.trust : 'limited'
        return { cells: [...answer.cells], provider: answer.provider, trust }
      }),
    )
    return firstFound(asks)
  }

  *#announced({ by, name, range }: ForwardedQuestion, passed: ReadonlySet<string>): Generator<string> {
    const { directory, partners, keys } = this.#parts
    const providers = new Set<string>()
    for (const { provider, offered } of directory.find(by, name)) {
      if (inRange(offered, range) && !passed.has(provider) && provider !== keys.providerId) providers.add(provider)
    }
    for (const provider of providers) if (!partners.isUntrusted(provider)) yield provider
  }

  async #askHolder(
    provider: string,
    question: ForwardedQuestion,
    { signal, deadline }: Limits,
  ): Promise<Answer | undefined> {
    const { network, partners } = this.#parts
    const cells = await askOffers(network, provider, question, { deadlineMs: this.#left(deadline), signal })
    const trust = partners.get(provider)?.trust_level === 'trusted' ? 'trusted' : 'limited'
    const good = (await this.#verified(cells)).map(({ cell }) => cell)
    return good.length === 0 ? undefined : { cells: good, provider, trust }
  }

  /** Asks a partner with this node's hop added. Undefined when nothing that verifies was found. */
  async #forward(
    partner: string,
    question: ForwardedQuestion,
    hops: readonly Hop[],
    { signal, deadline, budget }: Limits,
  ): Promise<RelayedAnswer | undefined> {
    const { network, keys, config } = this.#parts
    const chain = addHop(hops, question, partner, { network: config.network.name, wire: keys.wire })
    const body = { question, hops: chain, deadline_ms: this.#left(deadline), budget: Math.max(0, budget) }
    const { cells, provider = partner, trust } = await network.request(partner, 'forward_request', body, { signal })
    const good = await this.#verified(cells)
    if (good.length === 0) return undefined
    return { provider, trust, cells: good.map(({ cell }) => cell), offers: good.map(({ offer }) => offer) }
  }

  /** Nothing is passed on that does not verify here. */
  async #verified(cells: readonly OfferedCell[]): Promise<{ cell: OfferedCell; offer: VerifiedOffer }[]> {
    const { offerVerifier, trust } = this.#parts
    const good: { cell: OfferedCell; offer: VerifiedOffer }[] = []
    for (const cell of cells) {
      const offer = offerVerifier.known(cell) ?? (await this.#tried('', () => offerVerifier.verify(cell)))
      if (offer !== undefined && trust.accepts(offer.manifest.publisher)) good.push({ cell, offer })
    }
    return good
  }

  async #tried<Result>(peer: string, work: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await work()
    } catch (error) {
      this.#parts.logger.debug({ peer, reason: errorMessage(error) }, 'a forwarded question was not answered')
      return undefined
    }
  }

  #left(deadline: number): number {
    return Math.min(LIMITS.maxWaitSeconds * 1000, Math.max(1, Math.round(deadline - this.#parts.clock.now())))
  }

  #isDuplicate(digest: string, now: number): boolean {
    if (this.#seen.has(digest)) return true
    for (const [known, until] of this.#seen) {
      if (until > now && this.#seen.size < MAX_QUESTIONS) break
      this.#seen.delete(known)
    }
    this.#seen.set(digest, now + 2 * LIMITS.clockSkewMs)
    return false
  }
}

/** As many cells as a frame holds, from the first on. */
function fitting(cells: readonly OfferedCell[]): OfferedCell[] {
  let room = LIMITS.frameBytes - ENVELOPE_BYTES
  return cells.filter((cell) => {
    room -= Buffer.byteLength(JSON.stringify(cell)) + 1
    return room >= 0
  })
}

const maySee = ({ trust_level, federation_policies }: PartnerRecord): boolean =>
  trust_level !== 'untrusted' && federation_policies.capability_sharing

/** Whether a partner is asked for what nobody announces. */
export const mayForwardTo = ({ federation_policies, trust_level }: PartnerRecord): boolean =>
  federation_policies.auto_forward && trust_level !== 'untrusted'
