import type { MemoryBooks } from '../../domain/memory/memory-books.ts'
import type { Recall, Summarize } from '../../domain/memory/recall.ts'
import { type SessionRecord, summaries, textKey, turns, vectors } from '../../domain/memory/session-records.ts'
import { SUMMED_UP } from '../../domain/memory/session-summaries.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import type { SessionExports } from './export-sessions.ts'
import { sumUpSession } from './sum-up-sessions.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** Turns that one transaction deletes: others need not wait for more. */
const TURNS_PER_WRITE = 200
/** Turns that one pass deletes at most; the next goes on where it ended. Bounds what a pass keeps the disk busy with. */
const TURNS_PER_PASS = 20_000
/** Sessions that are looked at before others get a turn. */
const SESSIONS_PER_TURN = 50

export interface RetentionParts {
  readonly store: Store
  readonly books: MemoryBooks
  readonly recall: Pick<Recall, 'removed' | 'forget'>
  readonly exports: Pick<SessionExports, 'sessions' | 'removeOlder' | 'forget'>
  readonly summarize: Summarize
  readonly clock: Clock
  readonly logger: Logger
  /** Milliseconds that a session token is in force. */
  readonly tokenMs: number
}

/**
 * Deletes what is older than the days that its session keeps: turns with their vectors, summaries that say what they said, and exports that hold
 * them. A session in which nothing was written since then, and whose tokens have expired, goes as a whole, with its key: nobody reaches it any more.
 * Whatever a pass leaves undone, the next one finds.
 */
export class Retention {
  readonly #parts: RetentionParts
  readonly #turnsPerPass: number
  /** The session that the last pass ended with, because it had deleted as much as it may; empty for the first. */
  #next = ''
  /** Sessions whose files still hold what was deleted, and when such files were rewritten last. */
  readonly #unpurged = new Set<string>()
  #purgedAt = 0

  constructor(parts: RetentionParts, turnsPerPass = TURNS_PER_PASS) {
    this.#parts = parts
    this.#turnsPerPass = turnsPerPass
  }

  /** Goes through the sessions. True when it ended before the last of them. */
  async pass(signal: AbortSignal): Promise<boolean> {
    const { books, exports, logger } = this.#parts
    const exporting = exports.sessions()
    const after = this.#next
    this.#next = ''
    let left = this.#turnsPerPass
    let seen = 0
    for await (const [id, record] of books.sessions.list(after)) {
      signal.throwIfAborted()
      if (++seen % SESSIONS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
      try {
        left -= await this.#session(id, record, { most: left, hasExports: exporting.has(id) }, signal)
      } catch (error) {
        signal.throwIfAborted()
        // Whoever deletes a session at the same time does all of this.
        if (books.sessions.find(id) !== undefined) {
          logger.error({ session: id, reason: errorMessage(error) }, 'old turns of a session could not be deleted')
        }
      }
      if (left <= 0) {
        this.#next = before(id)
        return true
      }
    }
    await this.#purge(signal)
    return false
  }

  /** Rewrites files at most once a day: each is read and written as a whole. */
  async #purge(signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#parts
    const now = clock.now()
    if (this.#unpurged.size === 0 || now - this.#purgedAt < DAY_MS) return
    this.#purgedAt = now
    for (const id of this.#unpurged) {
      signal.throwIfAborted()
      this.#unpurged.delete(id)
      for (const space of [turns, vectors, summaries]) await store.purge(space, `${id}!`)
    }
  }

  /** Returns how many turns it deleted, at most about `most`. */
  async #session(
    id: string,
    record: SessionRecord,
    { most, hasExports }: { readonly most: number; readonly hasExports: boolean },
    signal: AbortSignal,
  ): Promise<number> {
    const { books, recall, exports, clock, tokenMs } = this.#parts
    const now = clock.now()
    // The fewest days that a session can keep.
    if (record.created_at > now - DAY_MS) return 0
    const cutoff = now - books.sessions.open(id).preferences.memory_retention_days * DAY_MS
    if (hasExports) await exports.removeOlder(id, cutoff)
    if (record.created_at >= cutoff) return 0
    const unreachable = Math.min(cutoff, now - tokenMs)
    if (record.last_active < unreachable) {
      if (await books.sessions.remove(id, ({ last_active }) => last_active < unreachable)) {
        recall.forget(id)
        await exports.forget(id)
        return record.turns
      }
    }
    // What was made of all that was said may repeat what goes now, so it goes first: a crash in between leaves no trace of it.
    const isOld = await this.#hasOld(id, cutoff)
    const gone = await books.summaries.remove(id, ({ at, trigger }) => at < cutoff || (isOld && trigger === SUMMED_UP))
    const deleted = isOld ? await this.#turns(id, cutoff, most, signal) : 0
    if (gone > 0) await sumUpSession(this.#parts, id, signal)
    if (gone + deleted > 0) this.#unpurged.add(id)
    return deleted
  }

  async #hasOld(id: string, cutoff: number): Promise<boolean> {
    const { books } = this.#parts
    const session = books.sessions.open(id)
    for await (const conversation of books.conversations.list(session, { newestFirst: false })) {
      if (conversation.record.last_at < cutoff) return true
      if (conversation.record.created_at >= cutoff) continue
      for await (const { at } of books.conversations.turns(session, conversation.id, { limit: 1 })) {
        if (at < cutoff) return true
      }
    }
    return false
  }

  async #turns(id: string, cutoff: number, most: number, signal: AbortSignal): Promise<number> {
    const { books, recall } = this.#parts
    const session = books.sessions.open(id)
    let deleted = 0
    for await (const conversation of books.conversations.list(session, { newestFirst: false })) {
      signal.throwIfAborted()
      if (deleted >= most) break
      const { record } = conversation
      if (record.created_at >= cutoff) continue
      if (record.last_at < cutoff) {
        if (await books.conversations.remove(id, conversation.id, ({ last_at }) => last_at < cutoff)) {
          recall.removed(id, [conversation.id])
          deleted += record.turns
        }
        continue
      }
      deleted += await this.#beginning(id, conversation.id, cutoff, most - deleted)
    }
    return deleted
  }

  /** Deletes the first turns of a conversation that goes on. Turns are never older than those before them. */
  async #beginning(id: string, conversationId: string, cutoff: number, most: number): Promise<number> {
    const { books, recall } = this.#parts
    let deleted = 0
    while (deleted < most) {
      const numbers: number[] = []
      const session = books.sessions.open(id)
      for await (const { number, at } of books.conversations.turns(session, conversationId, {
        limit: TURNS_PER_WRITE,
      })) {
        if (at >= cutoff) break
        numbers.push(number)
      }
      if (numbers.length === 0) break
      await books.conversations.removeTurns(id, conversationId, numbers)
      recall.removed(
        id,
        [...numbers, null].map((number) => textKey(conversationId, number)),
      )
      deleted += numbers.length
      if (numbers.length < TURNS_PER_WRITE) break
    }
    return deleted
  }
}

/** Sorts right before an id, so that a list after it begins with that id. */
const before = (id: string): string => {
  const last = id.charCodeAt(id.length - 1)
  return `${id.slice(0, -1)}${String.fromCharCode(last - 1)}\u{10ffff}`
}
