import type { KadDHTComponents } from '@libp2p/kad-dht'
import { base32 } from 'multiformats/bases/base32'
import { Counts } from '../kernel/base/counts.ts'

type Datastore = KadDHTComponents['datastore']
type Key = Parameters<Datastore['put']>[0]
type Pair = { key: Key; value: Uint8Array }

/** Milliseconds for which a provider record counts. Who provides tells again at a third of that. */
export const PROVIDER_VALIDITY_MS = 12 * 3_600_000
/** Records of one key. More of them help nobody, and each is an address that a searcher may be sent to. */
const MOST_PER_KEY = 20
/** Records of others, at some 200 bytes each. */
const MOST_RECORDS = 200_000
/** Of these, the ones that one public address group may place: eight groups are needed to shut everybody else out. */
const MOST_PER_GROUP = MOST_RECORDS / 8
/** Characters of a multihash in base32: that of a SHA-256 has 55. */
const KEY_LENGTH = 64
/** Milliseconds between two searches for records that do not count any more. */
const CLEAN_MS = 600_000
/** Milliseconds for which the group of who told last holds. */
const GROUP_MS = 1000

/** `/dht/provider/<multihash in base32>/<peer id>` */
const PROVIDER_KEY = /^\/dht\/provider\/([a-z2-7]+)\/([A-Za-z0-9]+)$/
const KEY_PREFIX = /^\/dht\/provider\/([a-z2-7]+)$/

interface ProviderRecord {
  readonly at: number
  /** Public address group of the provider, when it said so. */
  readonly group: string | undefined
}

/** What the store needs. */
export interface ProviderStoreInit {
  readonly self: string
  /** Public address group of a connected peer; undefined for private ones, which are not limited. */
  groupOf(peer: string): string | undefined
  /** Whether it is known where the peer is: a record of somebody without an address helps nobody. */
  isKnown(peer: string): Promise<boolean>
}

/**
 * Provider records in memory, as the DHT's library keeps them, within bounds that it lacks: per key, per address group of a key, per address
 * group, and in all. What is there and still counts is not displaced. Anything else that the library would store is refused.
 */
export class ProviderStore {
  readonly #init: ProviderStoreInit
  readonly #now: () => number
  /** Multihashes of what this node provides, in base32. They stay until they are withdrawn. */
  readonly #own = new Set<string>()
  /** By multihash in base32, then by provider. */
  readonly #keys = new Map<string, Map<string, ProviderRecord>>()
  /** Records by address group. */
  readonly #groups = new Counts()
  /** One string per provider, however many of its records there are. */
  readonly #names = new Map<string, string>()
  #records = 0
  #last: { readonly provider: string; readonly group: string | undefined; readonly at: number } | undefined
  #cleanedAt: number

  constructor(init: ProviderStoreInit, now: () => number = Date.now) {
    this.#init = init
    this.#now = now
    this.#cleanedAt = now()
  }

  /** Records of others. */
  get size(): number {
    return this.#records
  }

  /** This node provides what has this multihash, and says so to who asks. */
  addOwn(multihash: Uint8Array): void {
    this.#own.add(base32.baseEncode(multihash))
  }

  removeOwn(multihash: Uint8Array): void {
    this.#own.delete(base32.baseEncode(multihash))
  }

  /** This store as the library takes it: the methods that it calls. */
  asDatastore(): Datastore {
    return {
      put: (key: Key) => this.#put(key),
      get: () => {
        throw notFound()
      },
      has: () => false,
      delete: (key: Key) => this.#delete(key),
      query: ({ prefix = '' }) => this.#query(prefix),
    } satisfies Partial<Datastore> as unknown as Datastore
  }

  #put(key: Key): Key {
    const [, name, provider] = PROVIDER_KEY.exec(key.toString()) ?? []
    if (name === undefined || provider === undefined || name.length > KEY_LENGTH) {
      throw new Error('this DHT holds provider records only')
    }
    const now = this.#now()
    if (now - this.#cleanedAt > CLEAN_MS) this.#clean()
    const group = this.#groupOf(provider, now)
    if (this.#hasRoom(name, provider, group)) this.#add(name, provider, { at: now, group })
    return key
  }

  /** Who tells one record tells many, and finding the connection takes longer than all else here. */
  #groupOf(provider: string, now: number): string | undefined {
    if (this.#last?.provider !== provider || now - this.#last.at > GROUP_MS) {
      this.#last = { provider, group: this.#init.groupOf(provider), at: now }
    }
    return this.#last.group
  }

  #hasRoom(name: string, provider: string, group: string | undefined): boolean {
    this.#expire(name)
    const records = this.#keys.get(name)
    if (records?.has(provider)) return true
    if ((records?.size ?? 0) >= MOST_PER_KEY || this.#records >= MOST_RECORDS) return false
    for (const record of records?.values() ?? []) if (group !== undefined && record.group === group) return false
    return group === undefined || this.#groups.of(group) < MOST_PER_GROUP
  }

  #add(name: string, provider: string, record: ProviderRecord): void {
    this.#remove(name, provider)
    const records = this.#keys.get(name) ?? new Map<string, ProviderRecord>()
    // A copy of its own: the text that was matched would be kept with it.
    if (records.size === 0) this.#keys.set(Buffer.from(name, 'latin1').toString('latin1'), records)
    let shared = this.#names.get(provider)
    if (shared === undefined) {
      shared = Buffer.from(provider, 'latin1').toString('latin1')
      this.#names.set(shared, shared)
    }
    records.set(shared, record)
    this.#count(record.group, 1)
  }

  #delete(key: Key): void {
    const [, name, provider] = PROVIDER_KEY.exec(key.toString()) ?? []
    if (name !== undefined && provider !== undefined) this.#remove(name, provider)
  }

  #remove(name: string, provider: string): void {
    const records = this.#keys.get(name)
    const record = records?.get(provider)
    if (records === undefined || record === undefined) return
    records.delete(provider)
    if (records.size === 0) this.#keys.delete(name)
    this.#count(record.group, -1)
  }

  #count(group: string | undefined, change: 1 | -1): void {
    this.#records += change
    if (group !== undefined) this.#groups.add(group, change)
  }

  #expire(name: string): void {
    const since = this.#now() - PROVIDER_VALIDITY_MS
    for (const [provider, { at }] of this.#keys.get(name) ?? []) if (at < since) this.#remove(name, provider)
  }

  #clean(): void {
    this.#cleanedAt = this.#now()
    for (const name of this.#keys.keys()) this.#expire(name)
    const providers = new Set<string>()
    for (const records of this.#keys.values()) for (const provider of records.keys()) providers.add(provider)
    for (const provider of this.#names.keys()) if (!providers.has(provider)) this.#names.delete(provider)
  }

  /** The records of one key. For all of them, which the library would repeat one by one, there is nothing: this node tells them by region. */
  async *#query(prefix: string): AsyncGenerator<Pair> {
    const [, name] = KEY_PREFIX.exec(prefix) ?? []
    if (name === undefined) return
    this.#expire(name)
    const found = [...(this.#keys.get(name) ?? [])].map(([provider, { at }]): [string, number] => [provider, at])
    if (this.#own.has(name)) found.unshift([this.#init.self, this.#now()])
    for (const [provider, at] of found) {
      // The library fails for the whole key when it does not know one provider.
      if (!(await this.#init.isKnown(provider))) continue
      yield { key: { toString: () => `${prefix}/${provider}` } as Key, value: varint(at) }
    }
  }
}

function notFound(): Error {
  return Object.assign(new Error('this DHT holds provider records only'), { name: 'NotFoundError' })
}

/** Unsigned LEB128. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}
