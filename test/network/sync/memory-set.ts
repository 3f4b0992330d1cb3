import type { Acceptance } from '../../../protocol/rpc.ts'
import { sha256, sha256Hex } from '../../../src/kernel/base/hash.ts'
import { IdIndex } from '../../../src/network/sync/id-index.ts'
import type { RecordSet } from '../../../src/network/sync/record-set.ts'

/** A set whose records are texts that start with `record`; those that start with `unwanted` are ignored, all others rejected. */
export class MemorySet implements RecordSet {
  readonly name: string
  readonly isPermanent = true
  readonly ids = new IdIndex()
  readonly texts = new Map<string, string>()
  /** How often a record was brought. */
  brought = 0

  readonly #takesAll: boolean

  /** With another name than `things`, every record is taken. */
  constructor(texts: Iterable<string> = [], name = 'things') {
    this.name = name
    this.#takesAll = name !== 'things'
    for (const text of texts) this.put(text)
  }

  put(text: string): void {
    this.ids.add(sha256(text))
    this.texts.set(sha256Hex(text), text)
  }

  text(id: string): string | undefined {
    return this.texts.get(id)
  }

  async accept(text: string): Promise<Acceptance> {
    this.brought++
    if (text.startsWith('unwanted')) return 'ignored'
    if (!this.#takesAll && !text.startsWith('record')) return 'rejected'
    this.put(text)
    return 'accepted'
  }

  /** In the order of their ids. */
  all(): string[] {
    return [...this.texts.keys()].sort()
  }
}
