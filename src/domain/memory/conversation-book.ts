import { randomBytes } from 'node:crypto'
import { toHex } from '../../kernel/base/bytes.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import type { Store } from '../../kernel/storage/store.ts'
import { memoryError } from './errors.ts'
import type { OpenSession, SessionChange } from './open-session.ts'
import type { SessionBook } from './session-book.ts'
import {
  type ConversationRecord,
  conversationKey,
  conversations,
  type Outcome,
  type StoredTurn,
  textKey,
  turnKey,
  turns,
  turnsOf,
  vectors,
} from './session-records.ts'

/** Hexadecimal digits of a conversation's number in its id, so that ids sort as conversations began. */
const NUMBER_DIGITS = 8

/** A turn with its number. */
export interface NumberedTurn extends StoredTurn {
  readonly number: number
}

/** A conversation with its id. */
export interface KnownConversation {
  readonly id: string
  readonly record: ConversationRecord
}

/** What a turn says, before it has a number. */
export type NewTurn = Pick<StoredTurn, 'agent' | 'content' | 'metadata'>

/** The conversations of sessions, and what was said in them. */
export class ConversationBook {
  readonly #store: Store
  readonly #clock: Clock
  readonly #book: SessionBook

  constructor({ store, clock, book }: { store: Store; clock: Clock; book: SessionBook }) {
    this.#store = store
    this.#clock = clock
    this.#book = book
  }

  /** Starts a conversation with its directive, the first of these turns. `also` runs in the transaction. */
  start(
    sessionId: string,
    said: readonly NewTurn[],
    also?: (session: SessionChange) => void,
  ): Promise<KnownConversation & { readonly turns: readonly NumberedTurn[] }> {
    return this.#book.change(sessionId, (session) => {
      const id = this.begin(session, this.#clock.now())
      also?.(session)
      return { id, ...this.append(session, id, said) }
    })
  }

  /** Begins a conversation without turns, inside a change of its session. Returns its id. */
  begin(session: SessionChange, at: number): string {
    const number = session.record.started + 1
    const id = `conv_${number.toString(16).padStart(NUMBER_DIGITS, '0')}${toHex(randomBytes(12))}`
    session.update({ started: number, conversations: session.record.conversations + 1 })
    session.putConversation(id, {
      created_at: at,
      last_at: at,
      completed_at: null,
      turns: 0,
      last: 0,
      outcome: null,
    })
    return id
  }

  /** Adds turns with numbers one after the other, all or none. */
  addTurns(
    sessionId: string,
    conversationId: string,
    added: readonly NewTurn[],
  ): Promise<{ readonly record: ConversationRecord; readonly turns: readonly NumberedTurn[] }> {
    return this.#book.change(sessionId, (session) => this.append(session, conversationId, added))
  }

  /** The same inside a change of its session; `at` is when they were said, now unless given. */
  append(
    session: SessionChange,
    conversationId: string,
    added: readonly (NewTurn & { readonly at?: number })[],
  ): { readonly record: ConversationRecord; readonly turns: readonly NumberedTurn[] } {
    const record = session.conversation(conversationId) ?? absent()
    if (record.completed_at !== null) {
      throw memoryError('CONFLICT', 'the conversation is completed: start another one')
    }
    // The clock may have been set back; what is said later is not older.
    const now = Math.max(record.last_at, this.#clock.now())
    const numbered = added.map((turn, i) => ({ ...turn, at: turn.at ?? now, number: record.last + i + 1 }))
    for (const { number, agent, content, at, metadata } of numbered) {
      const turn: StoredTurn = { agent, content, at, metadata }
      session.put(turns, turnKey(session.id, conversationId, number), 1, turn)
    }
    const changed: ConversationRecord = {
      ...record,
      last_at: numbered.at(-1)?.at ?? record.last_at,
      turns: record.turns + added.length,
      last: record.last + added.length,
    }
    session.putConversation(conversationId, changed)
    session.update({ turns: session.record.turns + added.length })
    return { record: changed, turns: numbered }
  }

  /** Completes a conversation, when its newest turn is still the one with the number `last`. False when others were added. */
  complete(sessionId: string, conversationId: string, last: number, outcome: Outcome | null): Promise<boolean> {
    return this.#book.change(sessionId, (session) => {
      const record = session.conversation(conversationId) ?? absent()
      if (record.last !== last) return false
      // Somebody else was faster: what he said stands.
      if (record.completed_at === null) this.close(session, conversationId, this.#clock.now(), outcome)
      return true
    })
  }

  /** The same inside a change of its session. */
  close(session: SessionChange, conversationId: string, at: number, outcome: Outcome | null): void {
    const record = session.conversation(conversationId) ?? absent()
    const key = conversationKey(session.id, conversationId)
    session.putConversation(conversationId, {
      ...record,
      completed_at: at,
      outcome: outcome === null ? null : session.sealed(conversations, key, 1, outcome),
    })
  }

  /**
   * Deletes a conversation, when it `mayGo` as it is by then. It is out of the session at once, and its turns are off the store when this resolves
   * with whether it is gone. An id that is not there is no error.
   */
  async remove(
    sessionId: string,
    conversationId: string,
    mayGo: (record: ConversationRecord) => boolean = () => true,
  ): Promise<boolean> {
    const removed = await this.#book.change(
      sessionId,
      (session) => {
        const record = session.conversation(conversationId)
        if (record === undefined || !mayGo(record)) return false
        session.delete(conversations, conversationKey(sessionId, conversationId))
        session.update({
          conversations: session.record.conversations - 1,
          turns: session.record.turns - record.turns,
          leaving: [...session.record.leaving, conversationId],
        })
        return true
      },
      { archived: true, touches: false },
    )
    if (removed) await this.#book.finishLeaving(sessionId, conversationId)
    return removed
  }

  /** Deletes turns of a conversation with their vectors, and what it was summed up as: that says what they said. */
  removeTurns(sessionId: string, conversationId: string, numbers: readonly number[]): Promise<void> {
    return this.#book.change(
      sessionId,
      (session) => {
        const record = session.conversation(conversationId)
        if (record === undefined) return
        let gone = 0
        for (const number of numbers) {
          const key = turnKey(sessionId, conversationId, number)
          if (!session.has(turns, key)) continue
          session.delete(turns, key)
          session.delete(vectors, `${sessionId}!${textKey(conversationId, number)}`)
          gone++
        }
        session.delete(vectors, `${sessionId}!${textKey(conversationId, null)}`)
        session.putConversation(conversationId, { ...record, turns: record.turns - gone, outcome: null })
        session.update({ turns: session.record.turns - gone })
      },
      { archived: true, touches: false },
    )
  }

  /** Throws `CONVERSATION_NOT_FOUND`, in the same words for whatever is not in this session. */
  find(session: OpenSession, conversationId: string): ConversationRecord {
    return session.conversation(conversationId) ?? absent()
  }

  outcome(session: OpenSession, { id, record }: KnownConversation): Outcome | null {
    if (record.outcome === null) return null
    return session.read<Outcome>(conversations, conversationKey(session.id, id), record.outcome).value
  }

  /** What a conversation began with; empty where that is gone. */
  directive(session: OpenSession, conversationId: string): string {
    return session.get<StoredTurn>(turns, turnKey(session.id, conversationId, 1))?.value.content ?? ''
  }

  turn(session: OpenSession, conversationId: string, number: number): NumberedTurn | undefined {
    const found = session.get<StoredTurn>(turns, turnKey(session.id, conversationId, number))
    return found === undefined ? undefined : { ...found.value, number }
  }

  /** Newest first, or in the order in which they began. */
  async *list(
    session: OpenSession,
    { newestFirst = true, limit }: { newestFirst?: boolean; limit?: number } = {},
  ): AsyncGenerator<KnownConversation> {
    const prefix = `${session.id}!`
    const range = { prefix, reverse: newestFirst, ...(limit === undefined ? {} : { limit }) }
    for await (const [key, record] of this.#store.scan(conversations, range)) {
      yield { id: key.slice(prefix.length), record }
    }
  }

  /** In order of their numbers, from the one after `after`. */
  async *turns(
    session: OpenSession,
    conversationId: string,
    { after = 0, limit }: { after?: number; limit?: number } = {},
  ): AsyncGenerator<NumberedTurn> {
    const prefix = turnsOf(session.id, conversationId)
    const range = {
      prefix,
      after: turnKey(session.id, conversationId, after),
      ...(limit === undefined ? {} : { limit }),
    }
    for await (const [key, text] of this.#store.scan(turns, range)) {
      yield { ...session.read<StoredTurn>(turns, key, text).value, number: Number(key.slice(prefix.length)) }
    }
  }
}

const absent = (): never => {
  throw memoryError('CONVERSATION_NOT_FOUND', 'there is no such conversation in this session')
}
