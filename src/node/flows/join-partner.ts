import {
  FEDERATION_LIMITS,
  type Introduction,
  JoinChallenge,
  type JoinHello,
  type JoinProof,
  JoinWelcome,
  type PartnerAddition,
} from '../../../protocol/federation.ts'
import type { Administration } from '../../domain/access/administration.ts'
import { type Invitation, isProof, newNonce, proofOf, type Transcript } from '../../domain/federation/invitations.ts'
import { checkMessage, signMessage } from '../../domain/federation/join-messages.ts'
import { alreadyThere, type PartnerRecord } from '../../domain/federation/partners.ts'
import type { FederationTokens } from '../../domain/federation/tokens.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import { EgressError, type OutboundAnswer, requestJson } from '../../kernel/egress/request-json.ts'
import type { NodeParts } from '../parts.ts'
import { describePartner, introductionOf } from './introduce.ts'

type Parts = Pick<NodeParts, 'config' | 'clock' | 'keys' | 'network' | 'partners' | 'logger'>

/** Milliseconds for one step of joining, and bytes of its answer. */
const STEP_MS = 10_000
const STEP_BYTES = 64 * 1024
/** Milliseconds before another try, doubled each time. */
const RETRY_MS = { first: 1000, most: 30_000 }

const challengeSchema = checkerOf(JoinChallenge)
const welcomeSchema = checkerOf(JoinWelcome)

/** A joining that waits for the other node. */
interface Waiting {
  readonly url: string
  readonly since: number
  attempts: number
  lastError: string
  timer: NodeJS.Timeout | undefined
}

/** The other node did not answer, or not now: worth another try. */
class NotNow extends Error {}

/** Becoming a partner of a node that sent an invitation: this node calls it, and both prove who they are and that they hold the invitation. */
export class PartnerJoining {
  readonly #parts: Parts
  readonly #tokens: FederationTokens
  readonly #administration: Administration
  readonly #waiting = new Map<string, Waiting>()
  #stopped = false

  constructor(parts: Parts, tokens: FederationTokens, administration: Administration) {
    this.#parts = parts
    this.#tokens = tokens
    this.#administration = administration
  }

  /** Joinings that wait for the other node. */
  get waiting(): readonly {
    readonly partner: string
    readonly since: number
    readonly url: string
    readonly attempts: number
    readonly lastError: string
  }[] {
    return Array.from(this.#waiting, ([partner, { since, url, attempts, lastError }]) => ({
      partner,
      since,
      url,
      attempts,
      lastError,
    }))
  }

  stop(): void {
    this.#stopped = true
    for (const id of [...this.#waiting.keys()]) this.forget(id)
  }

  /** Gives up a joining that waits. False when there is none. */
  forget(id: string): boolean {
    clearTimeout(this.#waiting.get(id)?.timer)
    return this.#waiting.delete(id)
  }

  /**
   * Becomes a partner of whoever invited; undefined when it does not answer now, and is tried again until the invitation must have expired.
   * Throws what the operator can mend.
   */
  async join(invitation: Invitation, addition: PartnerAddition, by: string): Promise<PartnerRecord | undefined> {
    const { providerId: id } = invitation
    const { keys, partners, clock } = this.#parts
    if (id === keys.providerId) throw new ProviderError('PROV_001', 'this invitation is by this node itself')
    if (addition.provider_id !== undefined && addition.provider_id !== id) {
      throw new ProviderError('PROV_001', `the invitation is by ${id}, not by ${addition.provider_id}`)
    }
    if (partners.get(id) !== undefined) throw alreadyThere(id)
    if (!this.#waiting.has(id) && this.#waiting.size >= FEDERATION_LIMITS.pending) {
      throw new ProviderError('PROV_013', `${this.#waiting.size} additions of partners are pending, the most at a time`)
    }
    try {
      const partner = await this.#attempt(invitation, addition, by)
      this.forget(id)
      return partner
    } catch (error) {
      if (!(error instanceof NotNow)) {
        this.forget(id)
        throw error
      }
      this.forget(id)
      const waiting: Waiting = {
        url: addition.url,
        since: clock.now(),
        attempts: 1,
        lastError: error.message,
        timer: undefined,
      }
      this.#waiting.set(id, waiting)
      this.#later(waiting, invitation, addition, by)
      return undefined
    }
  }

  #later(waiting: Waiting, invitation: Invitation, addition: PartnerAddition, by: string): void {
    if (this.#stopped) return
    const ms = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** (waiting.attempts - 1))
    waiting.timer = setTimeout(() => void this.#again(waiting, invitation, addition, by), ms)
  }

  async #again(waiting: Waiting, invitation: Invitation, addition: PartnerAddition, by: string): Promise<void> {
    const { providerId: id } = invitation
    const { clock, logger } = this.#parts
    waiting.attempts++
    try {
      await this.#attempt(invitation, addition, by)
      logger.info({ partner: id }, 'a partner was added')
    } catch (error) {
      if (this.#waiting.get(id) !== waiting) return
      waiting.lastError = errorMessage(error)
      if (error instanceof NotNow && clock.now() - waiting.since < FEDERATION_LIMITS.invitationMs) {
        this.#later(waiting, invitation, addition, by)
        return
      }
      logger.warn({ partner: id, reason: waiting.lastError }, 'a partner could not be added')
    }
    if (this.#waiting.get(id) === waiting) this.#waiting.delete(id)
  }

  async #attempt(
    { providerId: inviter, id, key }: Invitation,
    addition: PartnerAddition,
    by: string,
  ): Promise<PartnerRecord> {
    const { config, clock, keys, partners } = this.#parts
    const network = config.network.name
    const joiner = keys.providerId
    const nonce = newNonce()
    const hello = signMessage(keys.token, network, {
      type: 'join_hello' as const,
      provider_id: joiner,
      audience: inviter,
      invitation: id,
      nonce,
    }) satisfies JoinHello
    const { body: challenge } = await this.#step(addition.url, hello)
    if (!challengeSchema.Check(challenge) || challenge.provider_id !== inviter || challenge.joiner_nonce !== nonce) {
      throw strange(addition.url, inviter)
    }
    checkMessage(network, challenge, joiner, clock.now())
    const transcript: Transcript = {
      inviter,
      joiner,
      inviter_nonce: challenge.nonce,
      joiner_nonce: nonce,
      inviter_key: challenge.certificate.public_key,
      joiner_key: hello.certificate.public_key,
    }
    const generation = await partners.nextGeneration()
    const partnerKey = challenge.certificate.public_key
    const proof = signMessage(keys.token, network, {
      type: 'join_proof' as const,
      provider_id: joiner,
      audience: inviter,
      invitation: id,
      nonce,
      inviter_nonce: challenge.nonce,
      proof: proofOf(key, network, 'joiner', transcript),
      introduction: this.#introduction(addition.own_url),
      token: await this.#tokens.issue({ provider_id: inviter, generation, key: partnerKey }),
    }) satisfies JoinProof
    const { body: welcome, range } = await this.#step(addition.url, proof)
    if (
      !welcomeSchema.Check(welcome) ||
      welcome.provider_id !== inviter ||
      welcome.joiner_nonce !== nonce ||
      welcome.nonce !== challenge.nonce ||
      welcome.certificate.public_key !== partnerKey
    ) {
      throw strange(addition.url, inviter)
    }
    checkMessage(network, welcome, joiner, clock.now())
    if (!isProof(welcome.proof, key, network, 'inviter', transcript)) {
      throw new ProviderError('PROV_011', `${inviter} does not prove that it holds the invitation`)
    }
    const { introduction, token } = welcome
    return partners.add(
      {
        provider_id: inviter,
        name: addition.name ?? introduction.name,
        url: addition.url.replace(/\/+$/, ''),
        private_url: range !== 'public',
        contact_info: addition.contact_info ?? {},
        ...this.#terms(addition),
        generation,
        joined_by: 'invitation',
        publisher: introduction.publisher,
        key: partnerKey,
        token,
        addresses: introduction.addresses,
      },
      {
        replace: false,
        witness: (tx, partner) =>
          this.#administration.add(tx, { act: 'partner_added', by, details: describePartner(partner) }),
      },
    )
  }

  #introduction(ownUrl: string | undefined): Introduction {
    return introductionOf(this.#parts, ownUrl)
  }

  #terms({
    trust_level,
    federation_policies,
  }: PartnerAddition): Pick<PartnerRecord, 'trust_level' | 'federation_policies'> {
    const { auto_forward, capability_sharing, analytics_sharing } = this.#parts.config.federation
    return {
      trust_level: trust_level ?? 'limited',
      federation_policies: { auto_forward, capability_sharing, analytics_sharing, ...federation_policies },
    }
  }

  async #step(url: string, body: JoinHello | JoinProof): Promise<OutboundAnswer> {
    let answer: OutboundAnswer
    try {
      answer = await requestJson({
        url: `${url.replace(/\/+$/, '')}/api/v1/federation/join`,
        method: 'POST',
        body,
        // The operator chose this address.
        allowPrivate: true,
        deadlineMs: STEP_MS,
        maxBytes: STEP_BYTES,
      })
    } catch (error) {
      if (!(error instanceof EgressError)) throw error
      if (error.reason === 'unreachable' || error.reason === 'timed_out') throw new NotNow(error.message)
      throw new ProviderError('PROV_001', error.message, { cause: error })
    }
    const { status } = answer
    if (status === 200) return answer
    if (status === 429 || status >= 500) throw new NotNow(`${url} answers with HTTP status ${status}`)
    if (status !== 403) throw strange(url, body.audience)
    throw new ProviderError(
      'PROV_011',
      `${url} refuses: the invitation is wrong, was used, has expired, or federation is off there`,
    )
  }
}

const strange = (url: string, inviter: string): ProviderError =>
  new ProviderError('PROV_001', `${url} does not answer as ${inviter}, which the invitation is by`)
