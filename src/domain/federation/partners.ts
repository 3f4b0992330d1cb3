import {
  type ContactInfo,
  FEDERATION_LIMITS,
  type FederationPolicies,
  type PartnerChange,
  type TrustLevel,
} from '../../../protocol/federation.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

/** Another provider that this node's operator federates with. */
export interface PartnerRecord {
  readonly provider_id: string
  readonly name: string
  readonly url: string | null
  /** Whether that URL, and the addresses, may be private: the operator chose them. */
  readonly private_url: boolean
  readonly contact_info: ContactInfo
  readonly trust_level: TrustLevel
  readonly federation_policies: FederationPolicies
  /** In every token that it presents here: those of an earlier partnership are worth nothing. */
  readonly generation: number
  readonly joined_by: 'invitation' | 'document'
  /** What the partner signs as a publisher; null where it did not say. */
  readonly publisher: string | null
  /** Its token key (base64url), which proves its tokens at each use; null for one that only knows the document. */
  readonly key: string | null
  /** What this node presents there. A secret: never logged, never returned. */
  readonly token: string | null
  /** Multiaddrs. */
  readonly addresses: readonly string[]
  /** Unix milliseconds. */
  readonly added_at: number
}

/** Called in the transaction that changes a partner, so that what belongs to the change is written with it or not at all. */
export type PartnerWitness = (tx: Transaction, partner: PartnerRecord) => void

const partners = jsonKeyspace<PartnerRecord>(KEYSPACES.partners)
const counters = jsonKeyspace<number>(KEYSPACES.meta)
const GENERATION = 'federation generation'

/** The partners of this node. All are in memory: what is known of one is asked in the middle of requests. */
export class Partners {
  readonly #store: Store
  readonly #clock: Clock
  readonly #partners = new Map<string, PartnerRecord>()
  #changed: (id: string) => void = () => undefined

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Reads in the partners. `changed` hears of every partner that is new, different or gone from then on. */
  async load(changed: (id: string) => void): Promise<void> {
    for await (const [id, record] of this.#store.scan(partners)) this.#partners.set(id, record)
    this.#changed = changed
  }

  get(id: string): PartnerRecord | undefined {
    return this.#partners.get(id)
  }

  /** In the order of their ids. */
  list(): PartnerRecord[] {
    return [...this.#partners.values()].sort((a, b) => (a.provider_id < b.provider_id ? -1 : 1))
  }

  isUntrusted(id: string): boolean {
    return this.#partners.get(id)?.trust_level === 'untrusted'
  }

  /** A number that no partner has had. Durable when it resolves. */
  nextGeneration(): Promise<number> {
    return this.#store.transact((tx) => {
      const next = (tx.get(counters, GENERATION) ?? 0) + 1
      tx.put(counters, GENERATION, next)
      return next
    })
  }

  /**
   * Adds a partner, durably when it resolves. One that is there already is replaced where `replace` says so. Throws `PROV_007` (409)
   * otherwise, and `PROV_014` when there are too many.
   */
  async add(
    addition: Omit<PartnerRecord, 'added_at'>,
    options: { readonly replace: boolean; readonly witness: PartnerWitness },
  ): Promise<PartnerRecord> {
    const { provider_id: id } = addition
    if (!this.#partners.has(id) && this.#partners.size >= FEDERATION_LIMITS.partners) {
      throw new ProviderError('PROV_014', `this node has ${FEDERATION_LIMITS.partners} partners, the most that it can`)
    }
    const record = { ...addition, added_at: this.#clock.now() }
    await this.#store.transact((tx) => {
      if (!options.replace && tx.get(partners, id) !== undefined) throw alreadyThere(id)
      tx.put(partners, id, record)
      options.witness(tx, record)
    })
    this.#reread(id)
    return record
  }

  /** Changes what is named, durably when it resolves. Throws `PROV_010`. */
  async change(id: string, change: PartnerChange, witness: PartnerWitness): Promise<PartnerRecord> {
    const { federation_policies, partner_token, ...fields } = change
    const changed = await this.#store.transact((tx) => {
      const record = tx.get(partners, id)
      if (record === undefined) throw noPartner(id)
      const next: PartnerRecord = {
        ...record,
        ...fields,
        federation_policies: { ...record.federation_policies, ...federation_policies },
        // The operator chose that URL, whoever chose the one before.
        private_url: record.private_url || fields.url !== undefined,
        token: partner_token ?? record.token,
      }
      tx.put(partners, id, next)
      witness(tx, next)
      return next
    })
    this.#reread(id)
    return changed
  }

  /** Removes a partner: it is none from this call on, and durably so when this resolves. Throws `PROV_010`. */
  async remove(id: string, witness: PartnerWitness): Promise<void> {
    if (!this.#partners.delete(id)) throw noPartner(id)
    this.#changed(id)
    try {
      await this.#store.transact((tx) => {
        const record = tx.get(partners, id)
        if (record === undefined) throw noPartner(id)
        tx.delete(partners, id)
        witness(tx, record)
      })
    } finally {
      this.#reread(id)
    }
  }

  /** What is on disk counts, in whatever order changes arrived there. */
  #reread(id: string): void {
    const record = this.#store.get(partners, id)
    if (record === undefined) this.#partners.delete(id)
    else this.#partners.set(id, record)
    this.#changed(id)
  }
}

export const noPartner = (id: string): ProviderError =>
  new ProviderError('PROV_010', `${JSON.stringify(id)} is no partner of this node`)

export const alreadyThere = (id: string): ProviderError =>
  new ProviderError('PROV_007', `${id} is a partner already: remove it first`)
