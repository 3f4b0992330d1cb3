import type { SessionBook } from './session-book.ts'
import type { SessionRecord } from './session-records.ts'

/** What is counted of a session while it is only read. */
export type Usage = Pick<SessionRecord, 'lookups' | 'hits' | 'completions' | 'completions_with_context'>

/**
 * Counts what happens often and changes nothing else. It is written from time to time, so that a search need not wait for the disk: a crash loses what
 * was counted since.
 */
export class UsageCounts {
  readonly #book: SessionBook
  #waiting = new Map<string, Usage>()

  constructor(book: SessionBook) {
    this.#book = book
  }

  count(sessionId: string, seen: Partial<Usage>): void {
    const before = this.#waiting.get(sessionId)
    this.#waiting.set(sessionId, sum(before ?? NONE, { ...NONE, ...seen }))
  }

  /** Durable when it resolves. Sessions that are gone are passed over. */
  async flush(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = new Map()
    for (const [id, seen] of waiting) await this.#write(id, seen)
  }

  /** The same for one session. */
  async flushOf(sessionId: string): Promise<void> {
    const seen = this.#waiting.get(sessionId)
    this.#waiting.delete(sessionId)
    if (seen !== undefined) await this.#write(sessionId, seen)
  }

  async #write(id: string, seen: Usage): Promise<void> {
    if (this.#book.find(id) === undefined) return
    try {
      await this.#book.change(id, (session) => session.update(sum(session.record, seen)), {
        archived: true,
        touches: false,
      })
    } catch (error) {
      if (this.#book.find(id) !== undefined) throw error
    }
  }
}

const NONE: Usage = { lookups: 0, hits: 0, completions: 0, completions_with_context: 0 }

const sum = (a: Usage, b: Usage): Usage => ({
  lookups: a.lookups + b.lookups,
  hits: a.hits + b.hits,
  completions: a.completions + b.completions,
  completions_with_context: a.completions_with_context + b.completions_with_context,
})
