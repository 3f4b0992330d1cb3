import type { ContextMatch, ContextSearch } from '../../../protocol/memory.ts'

/** Something that was said in a session and can be recalled. */
export interface MemoryText {
  /** `<conversation id>!<turn number>`, or `<conversation id>!summary`. */
  readonly key: string
  readonly conversationId: string
  /** Null for the summary of a conversation. Turn 1 is its directive. */
  readonly turnNumber: number | null
  readonly agent: string | null
  /** Unix milliseconds. */
  readonly at: number
  readonly text: string
}

/** The texts of sessions as they are kept, sealed; what indexes are built from. */
export interface SessionTexts {
  /** All texts of a session, conversation by conversation, oldest first. */
  texts(sessionId: string): AsyncIterable<MemoryText>
  /** One text; undefined when it is gone. */
  text(sessionId: string, key: string): MemoryText | undefined
  /** Vectors of texts that this model made, by the keys of their texts. */
  vectors(sessionId: string, model: string): AsyncIterable<readonly [key: string, vector: Float32Array]>
  /** Keeps vectors, sealed and durably. Those of texts or sessions that are gone by then are dropped. */
  keepVectors(sessionId: string, model: string, vectors: ReadonlyMap<string, Float32Array>): Promise<void>
}

/** What a search found. */
export interface Recalled {
  readonly matches: readonly ContextMatch[]
  readonly total: number
}

/** Finds again what was said in a session. */
export interface Recall {
  /** Best first. Rejects with `CONTEXT_RETRIEVAL_FAILED` when it cannot. */
  search(sessionId: string, search: ContextSearch, signal: AbortSignal): Promise<Recalled>
  /** The texts are durable now. */
  added(sessionId: string, texts: readonly MemoryText[]): void
  /** These conversations, or turns of them, are gone. */
  removed(sessionId: string, keys: readonly string[]): void
  /** The session is gone. */
  forget(sessionId: string): void
}

/** What a session or a conversation is about. */
export interface Summary {
  readonly summary: string
  readonly topics: readonly string[]
}

/** Says what texts are about: the same for the same texts, unless a language model is asked. */
export type Summarize = (texts: readonly MemoryText[], signal: AbortSignal) => Promise<Summary>
