import type { Keyspace } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

/** One kind of value that changes in memory and is written now and then. */
export interface Kind<Value> {
  readonly space: Keyspace<string>
  /** A value of what is stored, or a new one. */
  read(text: string | undefined): Value
  toText(value: Value): string
}

export interface Held<Value> {
  readonly value: Value
  /** Whether it differs from what is stored. To be set by who changes the value. */
  isChanged: boolean
}

interface Entry extends Held<unknown> {
  readonly space: Keyspace<string>
  readonly name: string
  text(): string
}

/** Values that change with every report, each of which is written once for many reports. */
export class WorkingSet {
  readonly #store: Store
  readonly #entries = new Map<string, Entry>()
  #generation = 0

  constructor(store: Store) {
    this.#store = store
  }

  get size(): number {
    return this.#entries.size
  }

  /** Grows when values are let go: what {@link hold} gave before may then not be changed any more. */
  get generation(): number {
    return this.#generation
  }

  /** The value of that name, from the disk when it is not held. */
  hold<Value>(kind: Kind<Value>, name: string): Held<Value> {
    const key = kind.space.prefix + name
    // A name within a keyspace has one kind.
    const held = this.#entries.get(key) as Held<Value> | undefined
    if (held !== undefined) return held
    const value = kind.read(this.#store.get(kind.space, name))
    const entry = { value, isChanged: false, space: kind.space, name, text: () => kind.toText(value) }
    this.#entries.set(key, entry)
    return entry
  }

  /** The same, to change it at once. */
  change<Value>(kind: Kind<Value>, name: string): Value {
    const held = this.hold(kind, name)
    held.isChanged = true
    return held.value
  }

  /** As it will be on disk. Holds nothing that is not held. */
  text(space: Keyspace<string>, name: string): string | undefined {
    const entry = this.#entries.get(space.prefix + name)
    return entry === undefined ? this.#store.get(space, name) : entry.text()
  }

  /** Writes what has changed, as it is now, together with `more`; then lets go of all that did not change meanwhile. */
  async write(more: (tx: Transaction) => void): Promise<void> {
    const changed = [...this.#entries.values()].filter((entry) => entry.isChanged)
    const texts = changed.map((entry) => entry.text())
    for (const entry of changed) entry.isChanged = false
    try {
      await this.#store.transact((tx) => {
        for (const [index, { space, name }] of changed.entries()) tx.put(space, name, texts[index]!)
        more(tx)
      })
    } catch (error) {
      for (const entry of changed) entry.isChanged = true
      throw error
    }
    this.#generation++
    for (const [key, entry] of this.#entries) if (!entry.isChanged) this.#entries.delete(key)
  }
}
