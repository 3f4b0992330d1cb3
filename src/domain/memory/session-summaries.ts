import type { Clock } from '../../kernel/base/clock.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { OpenSession, SessionChange } from './open-session.ts'
import type { SessionBook } from './session-book.ts'
import { type Outcome, type StoredSummary, summaries, summaryKey } from './session-records.ts'

/** Summaries of a session that are kept, the newest included: the oldest go. */
const KEPT = 50

/** Who wrote a summary that was made of what was said, and so goes with it. */
export const SUMMED_UP = 'conversation_completed'

/** What sessions are about, as somebody said: the newest counts, those before are kept. */
export class SessionSummaries {
  readonly #store: Store
  readonly #clock: Clock
  readonly #book: SessionBook

  constructor({ store, clock, book }: { store: Store; clock: Clock; book: SessionBook }) {
    this.#store = store
    this.#clock = clock
    this.#book = book
  }

  newest(session: OpenSession): StoredSummary | undefined {
    const { summaries: number } = session.record
    return session.get<StoredSummary>(summaries, summaryKey(session.id, number))?.value
  }

  /** All of a session, oldest first. */
  async *list(session: OpenSession): AsyncGenerator<StoredSummary> {
    for await (const [key, text] of this.#store.scan(summaries, { prefix: `${session.id}!` })) {
      yield session.read<StoredSummary>(summaries, key, text).value
    }
  }

  /** Deletes those that `goes` holds for. Returns how many. */
  async remove(sessionId: string, goes: (summary: StoredSummary) => boolean): Promise<number> {
    const keys: string[] = []
    for await (const key of this.#store.keys(summaries, { prefix: `${sessionId}!` })) keys.push(key)
    if (keys.length === 0) return 0
    return this.#book.change(
      sessionId,
      (session) => {
        const gone = keys.filter((key) => {
          const found = session.get<StoredSummary>(summaries, key)
          return found !== undefined && goes(found.value)
        })
        for (const key of gone) session.delete(summaries, key)
        return gone.length
      },
      { archived: true, touches: false },
    )
  }

  /** Keeps a new one. Says when, and whether one before it was put aside. */
  add(
    sessionId: string,
    summary: Outcome & { readonly trigger: string | null },
  ): Promise<{ readonly at: number; readonly replaced: boolean }> {
    return this.#book.change(sessionId, (session) => {
      const replaced = session.record.summaries > 0
      const at = this.#clock.now()
      this.put(session, { ...summary, at })
      return { at, replaced }
    })
  }

  /** The same inside a change of its session. */
  put(session: SessionChange, summary: StoredSummary): void {
    const number = session.record.summaries + 1
    session.put(summaries, summaryKey(session.id, number), 1, summary)
    if (number > KEPT) session.delete(summaries, summaryKey(session.id, number - KEPT))
    session.update({ summaries: number })
  }
}
