import { IdIndex } from '../../network/sync/id-index.ts'

/** The ids of records that have keys, where a record replaces the one before it with the same key. */
export class KeyedRecords {
  readonly ids = new IdIndex()
  readonly #ids = new Map<string, string>()
  readonly #keys = new Map<string, string>()

  /** Undefined for an id that is not here. Both ids are hexadecimal. */
  keyOf(id: string): string | undefined {
    return this.#keys.get(id)
  }

  idOf(key: string): string | undefined {
    return this.#ids.get(key)
  }

  /** `id` is that of the record with this key now; undefined when there is none. */
  set(key: string, id: string | undefined): void {
    const before = this.#ids.get(key)
    if (before === id) return
    if (before !== undefined) {
      this.#ids.delete(key)
      this.#keys.delete(before)
      this.ids.delete(Buffer.from(before, 'hex'))
    }
    if (id === undefined) return
    this.#ids.set(key, id)
    this.#keys.set(id, key)
    this.ids.add(Buffer.from(id, 'hex'))
  }
}
