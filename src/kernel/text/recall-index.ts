import { IndexThread } from './index-thread.ts'
import type { RecallFound, RecallQuery } from './recall-search.ts'
import type { RecallText } from './recall-tables.ts'
import type { RecallJob, RecallReply } from './recall-worker.ts'

export { searchTerms } from './recall-words.ts'
export type { RecallFound, RecallQuery, RecallText }

/** Jobs that may wait; past that, more are refused. */
const MAX_WAITING = 4096
/** Milliseconds without work after which the thread is let go, and all that it has in memory with it. */
const IDLE_MS = 900_000
/** Bounds of the thread's JavaScript heap: some hundred bytes for each text. Vectors and SQLite's memory are outside, within `maxBytes`. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 4 }

/**
 * Words and meanings of texts, group by group, in the memory of a thread of its own: see `RecallTables`. A group may be gone whenever it is asked
 * for, for want of room or because the thread ended: then it is to be made anew. What is asked is done in the order of asking.
 */
export class RecallIndex {
  readonly #thread: IndexThread<RecallJob, RecallReply>

  constructor(options: { readonly maxBytes: number; readonly idleMs?: number }) {
    this.#thread = new IndexThread({
      program: 'recall-worker',
      data: options.maxBytes,
      idleMs: options.idleMs ?? IDLE_MS,
      maxWaiting: MAX_WAITING,
      limits: WORKER_LIMITS,
    })
  }

  /** An empty group in the place of whatever there is. */
  async begin(group: string): Promise<void> {
    await this.#ask({ kind: 'begin', group })
  }

  /** Puts texts in, each in the place of the one with its key, whose vector goes. False when the group is not there. */
  put(group: string, texts: readonly RecallText[]): Promise<boolean> {
    return this.#change({ kind: 'put', group, texts })
  }

  /** What texts mean; those that are not there are passed over. False when the group is not there. */
  setVectors(group: string, vectors: readonly (readonly [key: string, vector: Float32Array])[]): Promise<boolean> {
    return this.#change({ kind: 'vectors', group, vectors })
  }

  /** Takes texts out by their keys or by their threads. False when the group is not there. */
  remove(group: string, keys: readonly string[]): Promise<boolean> {
    return this.#change({ kind: 'remove', group, keys })
  }

  async drop(group: string): Promise<void> {
    await this.#ask({ kind: 'drop', group })
  }

  /** Undefined when the group is not there. */
  async search(group: string, query: RecallQuery, signal: AbortSignal): Promise<RecallFound | undefined> {
    const reply = await this.#ask({ kind: 'search', group, query }, signal)
    return 'found' in reply ? reply.found : undefined
  }

  /** Refuses what waits, and ends the thread. */
  close(): Promise<void> {
    return this.#thread.close()
  }

  async #change(job: RecallJob): Promise<boolean> {
    const reply = await this.#ask(job)
    return 'isThere' in reply && reply.isThere
  }

  #ask(job: RecallJob, signal?: AbortSignal): Promise<RecallReply> {
    return this.#thread.ask(job, { isUrgent: true, signal })
  }
}
