import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { FEDERATION_LIMITS, type FederationPolicies, type TrustLevel } from '../../../protocol/federation.ts'
import { fromBase64Url, toBase64Url, toHex } from '../../kernel/base/bytes.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { decoded, signedBytes } from '../../kernel/identity/signed.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

/** `ci1.<provider id of who invites>.<secret>` */
const FORM = /^ci1\.([1-9A-HJ-NP-Za-km-z]{46,62})\.([A-Za-z0-9_-]{22})$/
const SECRET_BYTES = 16
const NONCE_BYTES = 16

/** What whoever uses an invitation becomes here. */
export interface InvitationTerms {
  readonly trust_level: TrustLevel
  readonly federation_policies: FederationPolicies
  readonly private_url: boolean
}

interface InvitationRecord extends InvitationTerms {
  /** The key of the proofs, derived from the secret: the secret itself is kept nowhere. */
  readonly key: string
  /** Unix milliseconds. */
  readonly expires_at: number
  /** Proofs that did not hold. */
  readonly wrong: number
  /** Who used it. The same node may use it again, because the answer that told it so may be lost. */
  readonly used_by: string | null
}

/** An invitation as its holder sees it. */
export interface Invitation {
  /** Who invites. */
  readonly providerId: string
  /** Names the invitation, and tells nothing of the secret. */
  readonly id: string
  /** Both sides prove that they hold it. */
  readonly key: Uint8Array
}

/** What both proofs cover. The keys are the token keys, raw in base64url. */
export interface Transcript {
  readonly inviter: string
  readonly joiner: string
  readonly inviter_nonce: string
  readonly joiner_nonce: string
  readonly inviter_key: string
  readonly joiner_key: string
}

/** Reads an invitation; undefined for any other text. */
export function readInvitation(text: string, network: string): Invitation | undefined {
  const match = FORM.exec(text)
  const secret = match === null ? undefined : decoded(match[2]!)
  return secret === undefined ? undefined : { providerId: match![1]!, ...derived(secret, network) }
}

/** The proof that `role` holds the key of an invitation: HMAC-SHA-256, base64url. */
export function proofOf(key: Uint8Array, network: string, role: 'inviter' | 'joiner', transcript: Transcript): string {
  const bytes = signedBytes(network, CONTEXTS.partner, { type: 'join_transcript', role, ...transcript })
  return toBase64Url(createHmac('sha256', key).update(bytes).digest())
}

/** Whether a proof is the right one, in a time that does not depend on where it differs. */
export function isProof(
  proof: string,
  key: Uint8Array,
  network: string,
  role: 'inviter' | 'joiner',
  transcript: Transcript,
): boolean {
  const found = Buffer.from(proof)
  const expected = Buffer.from(proofOf(key, network, role, transcript))
  return found.length === expected.length && timingSafeEqual(found, expected)
}

export const newNonce = (): string => toBase64Url(randomBytes(NONCE_BYTES))

/** Called in the transaction that creates an invitation. */
export type InvitationWitness = (tx: Transaction, invitation: InvitationTerms & { readonly id: string }) => void

const invitations = jsonKeyspace<InvitationRecord>(KEYSPACES.invitations)

/** Invitations that this node gave out (SECURITY 24): ten minutes, one partner each, locked after a few wrong proofs. */
export class Invitations {
  readonly #store: Store
  readonly #clock: Clock
  readonly #network: string
  readonly #self: string
  readonly #records = new Map<string, InvitationRecord>()
  /** Invitation → the challenge that its holder has to answer; the newest counts, once. */
  readonly #challenges = new Map<
    string,
    { readonly joiner: string; readonly joinerNonce: string; readonly nonce: string }
  >()

  constructor(parts: { store: Store; clock: Clock; network: string; self: string }) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.#network = parts.network
    this.#self = parts.self
  }

  async load(): Promise<void> {
    for await (const [id, record] of this.#store.scan(invitations)) this.#records.set(id, record)
  }

  /** Creates an invitation; durable when it resolves with the only copy. Throws `PROV_014` when too many are open. */
  async create(terms: InvitationTerms, witness: InvitationWitness): Promise<{ text: string; expiresAt: number }> {
    await this.sweep()
    if (this.#records.size >= FEDERATION_LIMITS.invitations) {
      const message = `${this.#records.size} invitations are open, the most that this node can have`
      throw new ProviderError('PROV_014', message)
    }
    const secret = randomBytes(SECRET_BYTES)
    const { id, key } = derived(secret, this.#network)
    const expiresAt = this.#clock.now() + FEDERATION_LIMITS.invitationMs
    const record = { ...terms, key: toBase64Url(key), expires_at: expiresAt, wrong: 0, used_by: null }
    await this.#store.transact((tx) => {
      tx.put(invitations, id, record)
      witness(tx, { id, ...terms })
    })
    this.#reread(id)
    return { text: `ci1.${this.#self}.${toBase64Url(secret)}`, expiresAt }
  }

  /** The nonce that `joiner` has to answer. Throws `PROV_011` where the invitation does not count, whatever the reason. */
  challenge(id: string, joiner: string, joinerNonce: string): string {
    this.#open(this.#records.get(id), joiner)
    const nonce = newNonce()
    this.#challenges.set(id, { joiner, joinerNonce, nonce })
    return nonce
  }

  /** The terms of an invitation whose holder answers its challenge. Throws `PROV_011`; a wrong proof counts against the invitation. */
  async prove(
    id: string,
    proof: string,
    transcript: Transcript,
  ): Promise<{ readonly terms: InvitationTerms; readonly key: Uint8Array }> {
    const record = this.#open(this.#records.get(id), transcript.joiner)
    const challenge = this.#challenges.get(id)
    this.#challenges.delete(id)
    const isAsked =
      challenge !== undefined &&
      challenge.joiner === transcript.joiner &&
      challenge.joinerNonce === transcript.joiner_nonce &&
      challenge.nonce === transcript.inviter_nonce
    if (!isAsked) throw refused()
    const key = fromBase64Url(record.key)
    if (isProof(proof, key, this.#network, 'joiner', transcript)) return { terms: record, key }
    await this.#store.transact((tx) => {
      const current = tx.get(invitations, id)
      if (current !== undefined) tx.put(invitations, id, { ...current, wrong: current.wrong + 1 })
    })
    this.#reread(id)
    throw refused()
  }

  /** Uses an invitation up, in the transaction that adds the partner. Throws `PROV_011` when somebody else was faster. */
  redeem(tx: Transaction, id: string, joiner: string): void {
    const record = this.#open(tx.get(invitations, id), joiner)
    tx.put(invitations, id, { ...record, used_by: joiner })
  }

  /** Takes over what a transaction with {@link redeem} wrote. */
  redeemed(id: string): void {
    this.#reread(id)
  }

  /** Forgets what is over. */
  async sweep(): Promise<void> {
    const now = this.#clock.now()
    const over = [...this.#records].filter(([, { expires_at }]) => expires_at <= now).map(([id]) => id)
    if (over.length === 0) return
    await this.#store.transact((tx) => {
      for (const id of over) tx.delete(invitations, id)
    })
    for (const id of over) this.#reread(id)
  }

  #open(record: InvitationRecord | undefined, joiner: string): InvitationRecord {
    if (
      record === undefined ||
      record.expires_at <= this.#clock.now() ||
      record.wrong >= FEDERATION_LIMITS.wrongProofs ||
      (record.used_by !== null && record.used_by !== joiner)
    ) {
      throw refused()
    }
    return record
  }

  #reread(id: string): void {
    const record = this.#store.get(invitations, id)
    if (record !== undefined) this.#records.set(id, record)
    else {
      this.#records.delete(id)
      this.#challenges.delete(id)
    }
  }
}

function derived(secret: Uint8Array, network: string): { id: string; key: Uint8Array } {
  const part = (purpose: string): Uint8Array =>
    createHmac('sha256', secret)
      .update(signedBytes(network, CONTEXTS.partner, { type: `invitation_${purpose}` }))
      .digest()
  return { id: toHex(part('id')).slice(0, 2 * SECRET_BYTES), key: part('key') }
}

/** One answer for all reasons: who guesses learns nothing. */
const refused = (): ProviderError =>
  new ProviderError('PROV_011', 'the invitation does not count: it is wrong, was used, has expired, or is locked')
