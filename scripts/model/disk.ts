import type { Keyspace } from '../../src/kernel/storage/keyspaces.ts'
import type { ScanRange, Store, Transaction } from '../../src/kernel/storage/store.ts'
import type { Random } from '../simulate/random.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Milliseconds that a synced write takes, at most. */
const SYNC_MS = 20

interface Waiting {
  readonly work: (tx: Transaction) => unknown
  readonly resolve: (result: never) => void
  readonly reject: (error: unknown) => void
}

/** What a node has on disk. It outlives the node's crashes; what was not synced when it crashed does not. */
export class Disk {
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #content = new Map<string, string>()

  constructor(time: VirtualTime, random: Random) {
    this.#time = time
    this.#random = random
  }

  /** The store that an incarnation of the node sees: as `src/kernel/storage/store.ts`, with group commit. */
  open(): Store {
    const store = new OpenDisk(this.#content, () => this.#time.pause(this.#random.next() * SYNC_MS))
    return store as unknown as Store
  }
}

class OpenDisk implements Pick<Store, 'get' | 'scan' | 'keys' | 'transact'> {
  readonly #content: Map<string, string>
  readonly #sync: () => Promise<void>
  #waiting: Waiting[] = []
  #isWriting = false

  constructor(content: Map<string, string>, sync: () => Promise<void>) {
    this.#content = content
    this.#sync = sync
  }

  get<Value>(space: Keyspace<Value>, key: string): Value | undefined {
    const text = this.#content.get(space.prefix + key)
    return text === undefined ? undefined : space.decode(text)
  }

  async *scan<Value>(space: Keyspace<Value>, range: ScanRange = {}): AsyncGenerator<[key: string, value: Value]> {
    const start = space.prefix + (range.prefix ?? '')
    const after = range.after === undefined ? '' : space.prefix + range.after
    const entries = [...this.#content].filter(([key]) => key.startsWith(start) && key > after)
    entries.sort(([a], [b]) => (a < b ? -1 : 1))
    for (const [key, text] of entries) yield [key.slice(space.prefix.length), space.decode(text)]
  }

  async *keys(space: Keyspace<unknown>, range: ScanRange = {}): AsyncGenerator<string> {
    for await (const [key] of this.scan({ ...space, decode: () => undefined }, range)) yield key
  }

  transact<Result>(work: (tx: Transaction) => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work, resolve: resolve as Waiting['resolve'], reject })
      if (!this.#isWriting) void this.#write()
    })
  }

  async #write(): Promise<void> {
    this.#isWriting = true
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      const written = new Map<string, string | undefined>()
      const done: (() => void)[] = []
      for (const { work, resolve, reject } of group) {
        const own = new Map(written)
        try {
          const result = work(this.#transaction(own))
          for (const [key, text] of own) written.set(key, text)
          done.push(() => resolve(result as never))
        } catch (error) {
          reject(error)
        }
      }
      await this.#sync()
      for (const [key, text] of written) {
        if (text === undefined) this.#content.delete(key)
        else this.#content.set(key, text)
      }
      for (const tell of done) tell()
    }
    this.#isWriting = false
  }

  #transaction(own: Map<string, string | undefined>): Transaction {
    return {
      get: (space, key) => {
        const physical = space.prefix + key
        const text = own.has(physical) ? own.get(physical) : this.#content.get(physical)
        return text === undefined ? undefined : space.decode(text)
      },
      put: (space, key, value) => void own.set(space.prefix + key, space.encode(value)),
      delete: (space, key) => void own.set(space.prefix + key, undefined),
    }
  }
}
