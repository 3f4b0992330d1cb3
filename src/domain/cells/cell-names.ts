import type { LoggedAct } from '../../../protocol/log.ts'
import { toHex } from '../../kernel/base/bytes.ts'
import type { MerkleLog } from '../../kernel/log/merkle-log.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import { Feed } from '../../kernel/text/feed.ts'
import { MAX_CHANGES, type TextChange, type TextHit, type TextIndex } from '../../kernel/text/text-index.ts'
import { types } from './records.ts'

const COLLECTION = 'cells'
/** Leaves that are read before others get their turn. */
const LEAVES_PER_TURN = 100

/**
 * Names, descriptions and tags of what was registered here, in the text index: an entry `t:<cell type>` for each cell type, as its highest version
 * says, and one `c:<capability>` for each capability. It follows the node's log, in which every change is a leaf: what a crash or a full
 * disk kept from the index is still there to be read, and an index that was made anew reads it all. A capability that nobody offers
 * any more is found until somebody who found it says so.
 */
export class CellNames {
  readonly #store: Store
  readonly #log: Pick<MerkleLog, 'size' | 'leaf' | 'root'>
  readonly #text: TextIndex
  readonly #feed: Feed

  constructor(parts: {
    store: Store
    log: Pick<MerkleLog, 'size' | 'leaf' | 'root'>
    text: TextIndex
    logger: Logger
  }) {
    this.#store = parts.store
    this.#log = parts.log
    this.#text = parts.text
    this.#feed = new Feed((signal) => this.#follow(signal), parts.logger)
  }

  /** Begins an index that is missing. One that is there goes on with the first change or search, so that a node without either needs no thread. */
  start(): void {
    if (this.#log.size > 0 && !this.#text.exists) this.#feed.later()
  }

  /** A transaction on cells is on disk. */
  changed(): void {
    this.#feed.later()
  }

  /** Resolves when whatever is durable now can be found, or could not be indexed. Never rejects. */
  caughtUp(): Promise<void> {
    return this.#feed.now()
  }

  stop(): Promise<void> {
    return this.#feed.stop()
  }

  /** Entries that fit any text, best first. */
  search(text: string, options: { limit: number; signal?: AbortSignal }): Promise<readonly TextHit[]> {
    return this.#text.search(COLLECTION, text, options)
  }

  /** Removes entries of what is not here any more. */
  async forget(ids: readonly string[]): Promise<void> {
    await this.#text.write(COLLECTION, ids)
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let from = this.#resume(await this.#text.position(COLLECTION))
    if (from === undefined) {
      await this.#text.clear(COLLECTION)
      from = 0
    }
    while (from < this.#log.size && !signal.aborted) {
      const to = Math.min(this.#log.size, from + LEAVES_PER_TURN)
      const changes = this.#changes(from, to)
      while (changes.length > MAX_CHANGES) await this.#text.write(COLLECTION, changes.splice(0, MAX_CHANGES))
      await this.#text.write(COLLECTION, changes, this.#position(to))
      from = to
    }
  }

  /** A number of leaves, and the root over them: a log that was restored from a backup may have gone on otherwise. */
  #position(size: number): string {
    return `${size}:${toHex(this.#log.root(size))}`
  }

  #resume(position: string | undefined): number | undefined {
    const size = Number(position?.split(':', 1)[0])
    if (!(size <= this.#log.size)) return undefined
    return this.#position(size) === position ? size : undefined
  }

  #changes(from: number, to: number): TextChange[] {
    const changes = new Map<string, TextChange>()
    for (let index = from; index < to; index++) {
      const name = cellTypeOf(this.#log.leaf(index))
      if (name === undefined) continue
      const type = this.#store.get(types, name)
      const id = `t:${name}`
      const text = type === undefined ? undefined : [type.description, ...type.tags].join(' ')
      changes.set(id, text === undefined ? id : { id, name, text })
      for (const { name } of type?.capabilities ?? []) changes.set(`c:${name}`, { id: `c:${name}`, name })
    }
    return [...changes.values()]
  }
}

/** The cell type that a leaf is about. Leaves about administration are about none. */
function cellTypeOf(leaf: Uint8Array | undefined): string | undefined {
  return leaf === undefined ? undefined : (JSON.parse(new TextDecoder().decode(leaf)) as Partial<LoggedAct>).cell_type
}
