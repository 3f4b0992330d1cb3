import { IndexThread } from './index-thread.ts'
import type { Found, IndexedDocument } from './passage-file.ts'
import type { PassageJob, PassageReply } from './passage-worker.ts'

export { BusyError } from './index-thread.ts'
export type { Found, IndexedDocument }

/** Questions that may wait: what is answered within a second. */
const MAX_WAITING = 1024
/** Milliseconds without work after which the thread is let go: it takes some time to read what it keeps in memory again. */
const IDLE_MS = 60_000
/** Bounds of the thread's JavaScript heap: some hundred bytes for each document, and a megabyte for every 100,000 passages. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 16 }

/** The passages of documents in a thread of its own, over a file that can be made anew: see `PassageFile`. Questions go before writes. */
export class PassageIndex {
  readonly #thread: IndexThread<PassageJob, PassageReply>

  constructor(path: string, options: { idleMs?: number } = {}) {
    this.#thread = new IndexThread({
      program: 'passage-worker',
      data: path,
      idleMs: options.idleMs ?? IDLE_MS,
      maxWaiting: MAX_WAITING,
      limits: WORKER_LIMITS,
    })
  }

  /** The documents that are in it, and its generation: another one means that they may be gone. */
  async ids(): Promise<{ readonly generation: string; readonly ids: readonly string[] }> {
    const reply = await this.#thread.ask({ kind: 'ids' }, { isUrgent: false })
    return 'ids' in reply ? reply : { generation: '', ids: [] }
  }

  /** Puts documents in and takes others out, all or none. Resolves with the generation. */
  async write(documents: readonly IndexedDocument[], removed: readonly string[]): Promise<string> {
    const reply = await this.#thread.ask({ kind: 'write', documents, removed }, { isUrgent: false })
    return 'generation' in reply ? reply.generation : ''
  }

  /** Remembers a set of documents under a key; false when some of them are not in it. */
  async select(key: string, ids: readonly string[], signal: AbortSignal): Promise<boolean> {
    const reply = await this.#thread.ask({ kind: 'select', key, ids }, { isUrgent: true, signal })
    return 'missing' in reply && reply.missing === 0
  }

  /** The best passages of a set; undefined when it is not remembered. `cold`: past what is kept in memory. */
  async search(
    key: string,
    tokens: readonly string[],
    { limit, cold, signal }: { readonly limit: number; readonly cold: boolean; readonly signal: AbortSignal },
  ): Promise<Found | undefined> {
    const reply = await this.#thread.ask({ kind: 'search', key, tokens, limit, cold }, { isUrgent: true, signal })
    return 'found' in reply ? reply.found : undefined
  }

  /** Refuses what waits, and ends the thread when it has closed the file. */
  close(): Promise<void> {
    return this.#thread.close()
  }
}
