import { randomBytes } from 'node:crypto'
import { WEBHOOK_LIMITS, type WebhookEventType, type WebhookStatus } from '../../../protocol/webhooks.ts'
import { toBase64, toHex } from '../../kernel/base/bytes.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { SecretSeal } from '../../kernel/identity/sealed-secret.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

/** What is stored of a webhook. */
interface WebhookRecord {
  /** An operator's id; null for the administrator. */
  readonly owner: string | null
  readonly url: string
  readonly events: readonly WebhookEventType[]
  readonly status: WebhookStatus
  /** The secret, sealed for this webhook. */
  readonly sealed: string
  /** Unix milliseconds. */
  readonly created_at: number
}

export interface WebhookOnFile extends WebhookRecord {
  readonly id: string
}

/** Called in the transaction of a change, so that what belongs to it is written with it or not at all. */
export type WebhookWitness = (tx: Transaction, webhook: WebhookOnFile) => void

const webhooks = jsonKeyspace<WebhookRecord>(KEYSPACES.webhooks)
const ID_BYTES = 12
/** Standard Webhooks: between 24 and 64 bytes. */
const SECRET_BYTES = 32

const purposeOf = (id: string): string => `webhook ${id}`
/** As Standard Webhooks writes it. */
const asText = (key: Uint8Array): string => `whsec_${toBase64(key)}`

/** The webhooks of this node. All are in memory: every event is compared with them. */
export class Webhooks {
  readonly #store: Store
  readonly #clock: Clock
  readonly #seal: SecretSeal
  readonly #webhooks = new Map<string, WebhookOnFile>()
  /** Those that are being registered, by owner. */
  readonly #coming: (string | null)[] = []

  constructor(store: Store, clock: Clock, seal: SecretSeal) {
    this.#store = store
    this.#clock = clock
    this.#seal = seal
  }

  async load(): Promise<void> {
    for await (const [id, record] of this.#store.scan(webhooks)) this.#webhooks.set(id, { ...record, id })
  }

  /** All, oldest first; of one owner where one is given. */
  list(owner?: string | null): WebhookOnFile[] {
    const all = [...this.#webhooks.values()]
    const found = owner === undefined ? all : all.filter((one) => one.owner === owner)
    return found.sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1))
  }

  get(id: string): WebhookOnFile | undefined {
    return this.#webhooks.get(id)
  }

  /** That webhook of that owner. Somebody else's is as if there were none: throws status 404. */
  find(owner: string | null, id: string): WebhookOnFile {
    const found = this.#webhooks.get(id)
    if (found === undefined || found.owner !== owner) {
      throw new ProviderError('PROV_001', `there is no webhook ${id}`, { status: 404 })
    }
    return found
  }

  /**
   * Registers a webhook. Before it is stored, `prove` says whether its receiver wants events already; what that throws is thrown, and nothing
   * is stored. Durable when it resolves, with the only copy of the secret. Throws status 429 where there are too many.
   */
  async add(
    creation: Pick<WebhookOnFile, 'owner' | 'url' | 'events'>,
    prove: (webhook: WebhookOnFile, secret: string) => Promise<boolean>,
    witness: WebhookWitness = () => undefined,
  ): Promise<{ readonly webhook: WebhookOnFile; readonly secret: string }> {
    const { owner } = creation
    this.#assertRoom(owner)
    this.#coming.push(owner)
    try {
      const id = `wh_${toHex(randomBytes(ID_BYTES))}`
      const key = randomBytes(SECRET_BYTES)
      const secret = asText(key)
      const draft: WebhookOnFile = {
        ...creation,
        id,
        status: 'pending',
        sealed: this.#seal.seal(key, purposeOf(id)),
        created_at: this.#clock.now(),
      }
      const webhook: WebhookOnFile = { ...draft, status: (await prove(draft, secret)) ? 'active' : 'pending' }
      await this.#store.transact((tx) => {
        put(tx, webhook)
        witness(tx, webhook)
      })
      this.#webhooks.set(id, webhook)
      return { webhook, secret }
    } finally {
      this.#coming.splice(this.#coming.indexOf(owner), 1)
    }
  }

  /** The secret to sign with; undefined when the key that it was sealed with is gone. */
  secretOf({ id, sealed }: WebhookOnFile): string | undefined {
    try {
      return asText(this.#seal.open(sealed, purposeOf(id)))
    } catch {
      return undefined
    }
  }

  /** Durable when it resolves; nothing happens where it is gone. */
  async setStatus(id: string, status: WebhookStatus): Promise<void> {
    await this.#change(id, (webhook) => ({ ...webhook, status }))
  }

  /** Forgets a webhook, durably when it resolves. Throws as {@link Webhooks.find}. */
  async remove(owner: string | null, id: string, witness: WebhookWitness = () => undefined): Promise<WebhookOnFile> {
    const webhook = this.find(owner, id)
    this.#webhooks.delete(id)
    try {
      await this.#store.transact((tx) => {
        tx.delete(webhooks, id)
        witness(tx, webhook)
      })
    } catch (error) {
      this.#webhooks.set(id, webhook)
      throw error
    }
    return webhook
  }

  async #change(id: string, change: (webhook: WebhookOnFile) => WebhookOnFile): Promise<void> {
    const changed = await this.#store.transact((tx) => {
      const record = tx.get(webhooks, id)
      if (record === undefined) return undefined
      const next = change({ ...record, id })
      put(tx, next)
      return next
    })
    if (changed !== undefined && this.#webhooks.has(id)) this.#webhooks.set(id, changed)
  }

  #assertRoom(owner: string | null): void {
    const { webhooks: most, perOwner } = WEBHOOK_LIMITS
    if (this.#webhooks.size + this.#coming.length >= most) {
      throw new ProviderError('PROV_013', `this node has ${most} webhooks, the most that it can`)
    }
    const own = this.list(owner).length + this.#coming.filter((one) => one === owner).length
    if (own >= perOwner) throw new ProviderError('PROV_013', `you have ${perOwner} webhooks, the most that one may`)
  }
}

function put(tx: Transaction, { id, ...record }: WebhookOnFile): void {
  tx.put(webhooks, id, record)
}
