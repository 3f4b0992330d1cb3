import { randomUUID } from 'node:crypto'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import { Feed } from '../../kernel/text/feed.ts'
import { MAX_CHANGES, type TextChange, type TextHit, type TextIndex } from '../../kernel/text/text-index.ts'
import type { Directory } from './directory.ts'

const COLLECTION = 'announced'
/** Names that wait to be written. Past that all are written again. */
const MAX_WAITING = 50_000

/**
 * The names that the directory announces, in the text index, with ids as in {@link Directory.names}. Each start begins with none, and writes
 * them when they are first searched: most nodes never are.
 */
export class AnnouncedNames {
  readonly #directory: Directory
  readonly #text: TextIndex
  readonly #feed: Feed
  /** Changed since they were written. */
  readonly #waiting = new Set<string>()
  /** Marks what this object has written; another one when all is to be written again. */
  #position = randomUUID()
  #isSearched = false

  constructor({ directory, text, logger }: { directory: Directory; text: TextIndex; logger: Logger }) {
    this.#directory = directory
    this.#text = text
    this.#feed = new Feed((signal) => this.#write(signal), logger)
    directory.watch((names) => this.#changed(names))
  }

  /** Resolves when whatever is announced now can be found, or could not be indexed. Never rejects. */
  caughtUp(): Promise<void> {
    this.#isSearched = true
    return this.#feed.now()
  }

  stop(): Promise<void> {
    return this.#feed.stop()
  }

  /** Names that fit any text, best first. */
  search(text: string, options: { limit: number; signal?: AbortSignal }): Promise<readonly TextHit[]> {
    return this.#text.search(COLLECTION, text, options)
  }

  #changed(names: readonly string[]): void {
    if (!this.#isSearched) return
    for (const name of names) this.#waiting.add(name)
    if (this.#waiting.size > MAX_WAITING) {
      this.#waiting.clear()
      this.#position = randomUUID()
    }
    this.#feed.later()
  }

  async #write(signal: AbortSignal): Promise<void> {
    const position = this.#position
    if ((await this.#text.position(COLLECTION)) !== position) {
      await this.#text.clear(COLLECTION)
      // What changes from here on waits for its turn as usual.
      this.#waiting.clear()
      await this.#writeAll(this.#directory.names(), signal)
      await this.#text.write(COLLECTION, [], position)
    }
    await this.#writeAll(taken(this.#waiting), signal)
  }

  async #writeAll(names: Iterable<string>, signal: AbortSignal): Promise<void> {
    let changes: TextChange[] = []
    const write = async (): Promise<void> => {
      const batch = changes
      changes = []
      try {
        if (batch.length > 0) await this.#text.write(COLLECTION, batch)
      } catch (error) {
        // Which names were lost does not matter: all are written again.
        this.#position = randomUUID()
        throw error
      }
    }
    for (const id of names) {
      if (signal.aborted) return
      const name = id.slice(2)
      changes.push(this.#directory.has(id.startsWith('c:') ? 'capability' : 'cell_type', name) ? { id, name } : id)
      if (changes.length === MAX_CHANGES) await write()
    }
    await write()
  }
}

/** Takes one after the other out of a set, also what comes while it goes. */
function* taken(names: Set<string>): Generator<string> {
  for (const name of names) {
    names.delete(name)
    yield name
  }
}
