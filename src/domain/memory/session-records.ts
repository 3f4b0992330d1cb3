import { jsonKeyspace, KEYSPACES, type Keyspace, textKeyspace } from '../../kernel/storage/keyspaces.ts'

/** What the store holds of sessions. Times are Unix milliseconds. Bytes are those of keys and values, as they are kept. */

/** In clear: what a session is counted by. */
export interface SessionRecord {
  readonly created_at: number
  readonly last_active: number
  /** `removed`: its key is gone, and its records are on their way. `arriving`: it is being imported, and gone when the node stops meanwhile. */
  readonly status: 'active' | 'archived' | 'removed' | 'arriving'
  readonly archived_at: number | null
  /** Conversations that there are, and that ever were: the number of the next one. */
  readonly conversations: number
  readonly started: number
  readonly turns: number
  readonly bytes: number
  readonly agents: number
  /** Number of the newest summary; 0 for none. */
  readonly summaries: number
  /** Searches and conversations that were to be given context, and those for which something was found. */
  readonly lookups: number
  readonly hits: number
  /** Chat completions that were to be given context, and those that were given some. */
  readonly completions: number
  readonly completions_with_context: number
  /** The preferences, sealed. */
  readonly preferences: string
  /** Conversations whose turns are on their way out. */
  readonly leaving: readonly string[]
}

/** In clear: what a conversation is counted by. Its directive is its first turn. */
export interface ConversationRecord {
  readonly created_at: number
  /** Of its newest turn. */
  readonly last_at: number
  readonly completed_at: number | null
  /** Turns that there are, and the number of the newest. */
  readonly turns: number
  readonly last: number
  /** Its summary and topics, sealed; null before it is completed. */
  readonly outcome: string | null
}

/** What is sealed of a turn. */
export interface StoredTurn {
  readonly agent: string
  readonly content: string
  readonly at: number
  readonly metadata: Readonly<Record<string, unknown>>
}

/** What is sealed of a completed conversation. */
export interface Outcome {
  readonly summary: string
  readonly topics: readonly string[]
}

/** What is sealed of a summary of a session. */
export interface StoredSummary extends Outcome {
  readonly at: number
  readonly trigger: string | null
}

/** What is sealed of an agent. Its name is in no key. */
export interface StoredState {
  readonly agent: string
  readonly state: Readonly<Record<string, unknown>>
  readonly at: number
  readonly reason: string | null
}

export const sessions = jsonKeyspace<SessionRecord>(KEYSPACES.sessions)
export const sessionKeys = textKeyspace(KEYSPACES.sessionKeys)
export const conversations = jsonKeyspace<ConversationRecord>(KEYSPACES.conversations)
export const turns = textKeyspace(KEYSPACES.turns)
export const agentStates = textKeyspace(KEYSPACES.agentStates)
export const summaries = textKeyspace(KEYSPACES.summaries)
export const vectors = textKeyspace(KEYSPACES.vectors)

/** Whatever belongs to a session, under keys that start with its id. */
export const OF_A_SESSION: readonly Keyspace<unknown>[] = [
  conversations as Keyspace<unknown>,
  turns as Keyspace<unknown>,
  agentStates as Keyspace<unknown>,
  summaries as Keyspace<unknown>,
  vectors as Keyspace<unknown>,
]

/** Digits of a number in a key, so that keys sort as their numbers. */
const DIGITS = 10
const digits = (number: number): string => String(number).padStart(DIGITS, '0')

export const conversationKey = (sessionId: string, conversationId: string): string => `${sessionId}!${conversationId}`
export const turnsOf = (sessionId: string, conversationId: string): string => `${sessionId}!${conversationId}!`
export const turnKey = (sessionId: string, conversationId: string, number: number): string =>
  turnsOf(sessionId, conversationId) + digits(number)
export const summaryKey = (sessionId: string, number: number): string => `${sessionId}!${digits(number)}`

/** The key of a text as an index knows it. */
export const textKey = (conversationId: string, turnNumber: number | null): string =>
  `${conversationId}!${turnNumber ?? 'summary'}`

/** `turn_` and its number, with three digits at least. */
export const turnId = (number: number): string => `turn_${String(number).padStart(3, '0')}`
