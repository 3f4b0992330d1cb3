import { existsSync } from 'node:fs'
import { BusyError, IndexThread } from './index-thread.ts'
import type { TextChange, TextEntry, TextHit } from './text-file.ts'
import type { TextJob, TextReply } from './text-worker.ts'

export type { TextChange, TextEntry, TextHit }
export { BusyError }

/** Jobs of each kind that may wait; past that, more are refused. */
const MAX_WAITING = 64
/** Changes of one write: how long a search may wait behind it. */
export const MAX_CHANGES = 500
/** Milliseconds without work after which the thread is let go, and gives its memory back. */
const IDLE_MS = 2000
/** Bounds of the thread's JavaScript heap; SQLite's memory is outside, bounded by its cache. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 }

/**
 * A full-text index in a thread of its own, over a file that can be made anew: see {@link TextFile}. Entries stand in collections, each with
 * the position of its writer, who goes on from there; without one he begins anew. Searches, and questions for a position, go before writes.
 */
export class TextIndex {
  readonly #path: string
  readonly #thread: IndexThread<TextJob, TextReply>

  constructor(path: string, options: { idleMs?: number } = {}) {
    this.#path = path
    this.#thread = new IndexThread({
      program: 'text-worker',
      data: path,
      idleMs: options.idleMs ?? IDLE_MS,
      maxWaiting: MAX_WAITING,
      limits: WORKER_LIMITS,
    })
  }

  /** Whether there is a file, whatever is in it. Starts no thread. */
  get exists(): boolean {
    return existsSync(this.#path)
  }

  /** Makes at most {@link MAX_CHANGES} changes, all or none, and remembers the writer's position with them. */
  async write(collection: string, changes: readonly TextChange[], position?: string): Promise<void> {
    if (changes.length > MAX_CHANGES) throw new RangeError(`${changes.length} changes, at most ${MAX_CHANGES} at once`)
    await this.#thread.ask({ kind: 'write', collection, changes, position }, { isUrgent: false })
  }

  /** The position that was written last; undefined in a new file. */
  async position(collection: string): Promise<string | undefined> {
    const reply = await this.#thread.ask({ kind: 'position', collection }, { isUrgent: true })
    return 'position' in reply ? reply.position : undefined
  }

  /** Removes every entry of a collection, and the position. */
  async clear(collection: string): Promise<void> {
    await this.#thread.ask({ kind: 'clear', collection }, { isUrgent: false })
  }

  /** At most `limit` entries that fit any text, best first. A search that is given up before its turn costs nothing. */
  async search(
    collection: string,
    text: string,
    { limit, signal }: { readonly limit: number; readonly signal?: AbortSignal },
  ): Promise<readonly TextHit[]> {
    const reply = await this.#thread.ask({ kind: 'search', collection, text, limit }, { isUrgent: true, signal })
    return 'hits' in reply ? reply.hits : []
  }

  /** Refuses what waits, and ends the thread when it has closed the file. */
  close(): Promise<void> {
    return this.#thread.close()
  }
}
