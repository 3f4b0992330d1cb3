import type { KadDHTComponents } from '@libp2p/kad-dht'

type Datastore = KadDHTComponents['datastore']
type Key = Parameters<Datastore['put']>[0]
type Pair = { key: Key; value: Uint8Array }

/** Bytes of all that is remembered of peers: some ten thousand with a signed record each. Names of peers cost nothing, and one answer of the DHT may hold many. */
const BUDGET = 16 * 1024 * 1024
/** Of it, what is let go at a time, so that choosing is rare. */
const SHARE = BUDGET / 16
/** Bytes of one peer: its signed record, addresses and protocols fit several times. */
const ENTRY_BYTES = 32 * 1024
/** Bytes of an entry beside its value. */
const OVERHEAD = 256

/** What libp2p remembers of peers, in memory within a budget: what was written longest ago makes room, except what `kept` names. */
export class BoundedDatastore {
  readonly #kept: () => ReadonlySet<string>
  /** The earliest written first. */
  readonly #pairs = new Map<string, Pair>()
  #bytes = 0

  /** `kept`: keys that stay. */
  constructor(kept: () => ReadonlySet<string>) {
    this.#kept = kept
  }

  get size(): number {
    return this.#pairs.size
  }

  /** This store as the peer store of libp2p takes it: the methods that it calls. */
  asDatastore(): Datastore {
    return {
      put: (key: Key, value: Uint8Array) => this.#put(key, value),
      get: (key: Key) => {
        const pair = this.#pairs.get(key.toString())
        if (pair === undefined) throw Object.assign(new Error(`${key} is not known`), { name: 'NotFoundError' })
        return pair.value
      },
      has: (key: Key) => this.#pairs.has(key.toString()),
      delete: (key: Key) => this.#delete(key.toString()),
      query: ({ prefix = '', filters = [], orders = [], offset = 0, limit }) => {
        const found = [...this.#pairs.values()].filter(
          (pair) => pair.key.toString().startsWith(prefix) && filters.every((filter) => filter(pair)),
        )
        for (const order of orders) found.sort(order)
        return found.slice(offset, limit === undefined ? undefined : offset + limit).values() as Generator<Pair>
      },
    } satisfies Partial<Datastore> as unknown as Datastore
  }

  #put(key: Key, value: Uint8Array): Key {
    if (value.length > ENTRY_BYTES)
      throw new RangeError(`${value.length} bytes of a peer; at most ${ENTRY_BYTES} are kept`)
    const name = key.toString()
    this.#delete(name)
    this.#pairs.set(name, { key, value })
    this.#bytes += value.length + OVERHEAD
    if (this.#bytes > BUDGET) this.#makeRoom(name)
    return key
  }

  #delete(name: string): void {
    const pair = this.#pairs.get(name)
    if (pair === undefined) return
    this.#pairs.delete(name)
    this.#bytes -= pair.value.length + OVERHEAD
  }

  #makeRoom(newest: string): void {
    const kept = this.#kept()
    for (const name of this.#pairs.keys()) {
      if (this.#bytes <= BUDGET - SHARE) return
      if (name !== newest && !kept.has(name)) this.#delete(name)
    }
  }
}
