import { randomBytes, timingSafeEqual } from 'node:crypto'
import {
  ACCESS_LIMITS,
  type AccessRole,
  type ApiKeyCreated,
  type ApiKeyCreation,
  type ApiKeyInfo,
  type ApiKeyList,
  type ApiKeyListQuery,
} from '../../../protocol/access.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { fromHex, toBase64Url, toHex } from '../../kernel/base/bytes.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { sha256 } from '../../kernel/base/hash.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

/** A key is `cpk_<id>_<secret>`: 16 hexadecimal digits, then 43 characters of base64url. */
const PREFIX = 'cpk_'
const ID_BYTES = 8
const SECRET_BYTES = 32
const ID_START = PREFIX.length
const ID_END = ID_START + 2 * ID_BYTES
const KEY_LENGTH = ID_END + 1 + Math.ceil((SECRET_BYTES * 4) / 3)

const DAY_MS = 24 * 60 * 60 * 1000
/** Compared with where there is no key of that id, so that an unknown id takes as long as a wrong secret. */
const NOBODY = new Uint8Array(32)

/** What is stored of a key. Times are Unix milliseconds. */
interface KeyRecord {
  readonly name: string
  readonly role: AccessRole
  /** SHA-256 of the secret, in hexadecimal. Nothing slower is needed: 256 random bits cannot be guessed. */
  readonly secret_sha256: string
  readonly created_at: number
  readonly expires_at: number | null
  readonly revoked_at: number | null
  /** Days since 1970 (UTC). */
  readonly last_used_day: number | null
}

/** Who presents a key that is in force. */
export interface KeyHolder {
  readonly keyId: string
  readonly role: AccessRole
}

interface HeldKey {
  record: KeyRecord
  readonly digest: Uint8Array
  readonly holder: KeyHolder
}

/** Called in the transaction that creates or ends a key, so that the entry about it in the log is written with it or not at all. */
export type KeyWitness = (tx: Transaction, key: ApiKeyInfo) => void

const apiKeys = jsonKeyspace<KeyRecord>(KEYSPACES.apiKeys)
const nobodyWatches: KeyWitness = () => undefined

/** The keys that this node gave out. All are in memory; of their secrets only digests are kept. */
export class ApiKeys {
  readonly #store: Store
  readonly #clock: Clock
  /** Key id → key. */
  readonly #keys = new Map<string, HeldKey>()
  /** Ids of keys that were used on a day that is not on disk yet. */
  readonly #used = new Set<string>()
  /** Keys that are being written for the first time. */
  #creating = 0

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Reads in the keys. Before it has resolved every key is unknown. */
  async load(): Promise<void> {
    for await (const [id, record] of this.#store.scan(apiKeys)) this.#hold(id, record)
  }

  /**
   * Creates a key and resolves, once it is durable, with the only copy of it. Throws `PROV_001` for an end that is no moment in the
   * future, `PROV_014` when there are `ACCESS_LIMITS.keys` already.
   */
  async create({ role, name, expires_at }: ApiKeyCreation, witness = nobodyWatches): Promise<ApiKeyCreated> {
    const now = this.#clock.now()
    const expiresAt = expires_at === undefined ? null : futureMoment(expires_at, now)
    if (this.#keys.size + this.#creating >= ACCESS_LIMITS.keys) {
      const message = `this node holds ${ACCESS_LIMITS.keys} API keys, the most that it can; revoked ones are forgotten after 90 days`
      throw new ProviderError('PROV_014', message)
    }
    const id = toHex(randomBytes(ID_BYTES))
    const secret = toBase64Url(randomBytes(SECRET_BYTES))
    const record: KeyRecord = {
      name,
      role,
      secret_sha256: toHex(sha256(secret)),
      created_at: now,
      expires_at: expiresAt,
      revoked_at: null,
      last_used_day: null,
    }
    const info = describe(id, record, now)
    this.#creating++
    try {
      await this.#store.transact((tx) => {
        if (tx.get(apiKeys, id) !== undefined) throw new Error(`the random key id ${id} is taken`)
        tx.put(apiKeys, id, record)
        witness(tx, info)
      })
    } finally {
      this.#creating--
    }
    this.#hold(id, record)
    return { ...info, key: `${PREFIX}${id}_${secret}` }
  }

  /** A page of the keys, oldest first, without their secrets. */
  list({ limit = LIMITS.defaultPage, offset = 0 }: ApiKeyListQuery = {}): ApiKeyList {
    const now = this.#clock.now()
    const sorted = Array.from(this.#keys).sort(
      ([a, { record: first }], [b, { record: second }]) => first.created_at - second.created_at || (a < b ? -1 : 1),
    )
    const keys = sorted.slice(offset, offset + limit).map(([id, { record }]) => describe(id, record, now))
    return { total: sorted.length, limit, offset, keys }
  }

  /**
   * Ends a key for good: it is refused from this call on, and durably so when this resolves. Undefined when there is no such key. Revoking
   * again changes nothing.
   */
  revoke(id: string, witness = nobodyWatches): Promise<ApiKeyInfo | undefined> {
    const now = this.#clock.now()
    return this.#end(id, (record) => (record.revoked_at === null ? { ...record, revoked_at: now } : record), witness)
  }

  /**
   * Sets when a key expires, from this call on, and durably so when this resolves. Undefined when there is no such key. The end only
   * comes closer: throws `PROV_001` when the key expires sooner already, or when `expiresAt` is no moment in the future.
   */
  async expire(id: string, expiresAt: string, witness = nobodyWatches): Promise<ApiKeyInfo | undefined> {
    const end = futureMoment(expiresAt, this.#clock.now())
    const held = this.#keys.get(id)
    if (held !== undefined && held.record.expires_at !== null && held.record.expires_at < end) {
      const found = new Date(held.record.expires_at).toISOString()
      throw new ProviderError(
        'PROV_001',
        `the key ${id} expires at ${found}: its end can be set to an earlier time only`,
      )
    }
    return this.#end(id, (record) => (record.expires_at === end ? record : { ...record, expires_at: end }), witness)
  }

  /**
   * Whose key this is; undefined for what is no key of this node. The time that it takes depends on neither the secret nor on whether
   * the id exists. Reads no disk.
   */
  identify(presented: string): KeyHolder | 'expired' | 'revoked' | undefined {
    if (presented.length !== KEY_LENGTH || !presented.startsWith(PREFIX) || presented[ID_END] !== '_') return undefined
    const held = this.#keys.get(presented.slice(ID_START, ID_END))
    const isRight = timingSafeEqual(sha256(presented.slice(ID_END + 1)), held?.digest ?? NOBODY)
    if (held === undefined || !isRight) return undefined
    const { record } = held
    if (record.revoked_at !== null) return 'revoked'
    const now = this.#clock.now()
    if (record.expires_at !== null && record.expires_at <= now) return 'expired'
    const day = Math.floor(now / DAY_MS)
    if (record.last_used_day !== day) this.#use(held, day)
    return held.holder
  }

  /** Writes down which keys were used on which day, and forgets those that ended `ACCESS_LIMITS.endedKeyMs` ago. */
  async tidy(): Promise<void> {
    const oldest = this.#clock.now() - ACCESS_LIMITS.endedKeyMs
    const forgotten = Array.from(this.#keys).filter(([, { record }]) => endOf(record) < oldest)
    const used = [...this.#used].map((id) => [id, this.#keys.get(id)?.record.last_used_day ?? null] as const)
    if (forgotten.length === 0 && used.length === 0) return
    await this.#store.transact((tx) => {
      for (const [id, day] of used) {
        const record = tx.get(apiKeys, id)
        if (record !== undefined) tx.put(apiKeys, id, { ...record, last_used_day: day })
      }
      for (const [id] of forgotten) tx.delete(apiKeys, id)
    })
    for (const [id] of forgotten) this.#keys.delete(id)
    for (const [id, day] of used) {
      if (this.#keys.get(id)?.record.last_used_day !== day) continue
      this.#used.delete(id)
    }
  }

  async #end(
    id: string,
    change: (record: KeyRecord) => KeyRecord,
    witness: KeyWitness,
  ): Promise<ApiKeyInfo | undefined> {
    const held = this.#keys.get(id)
    if (held === undefined) return undefined
    held.record = change(held.record)
    await this.#store.transact((tx) => {
      const record = tx.get(apiKeys, id)
      const changed = record === undefined ? undefined : change(record)
      if (changed === undefined || changed === record) return
      tx.put(apiKeys, id, changed)
      witness(tx, describe(id, changed, this.#clock.now()))
    })
    return describe(id, held.record, this.#clock.now())
  }

  #use(held: HeldKey, day: number): void {
    held.record = { ...held.record, last_used_day: day }
    this.#used.add(held.holder.keyId)
  }

  #hold(id: string, record: KeyRecord): void {
    this.#keys.set(id, { record, digest: fromHex(record.secret_sha256), holder: { keyId: id, role: record.role } })
  }
}

/** Unix milliseconds at which a key was or will be over. */
const endOf = ({ revoked_at, expires_at }: KeyRecord): number => revoked_at ?? expires_at ?? Number.POSITIVE_INFINITY

function futureMoment(text: string, now: number): number {
  const moment = Date.parse(text)
  if (moment > now) return moment
  const found = Number.isNaN(moment) ? 'no date' : 'the past'
  throw new ProviderError('PROV_001', `expires_at must be in the future, found ${found}: ${JSON.stringify(text)}`)
}

function describe(id: string, record: KeyRecord, now: number): ApiKeyInfo {
  const { name, role, created_at, expires_at, revoked_at, last_used_day } = record
  const isExpired = expires_at !== null && expires_at <= now
  return {
    key_id: id,
    name,
    role,
    status: revoked_at !== null ? 'revoked' : isExpired ? 'expired' : 'active',
    created_at: new Date(created_at).toISOString(),
    expires_at: expires_at === null ? null : new Date(expires_at).toISOString(),
    revoked_at: revoked_at === null ? null : new Date(revoked_at).toISOString(),
    last_used: last_used_day === null ? null : new Date(last_used_day * DAY_MS).toISOString().slice(0, 10),
  }
}
