import { lacking, type PackageDefinition } from '../package.ts'

/** A sentence that an answer may quote. */
export interface QuotableSentence {
  readonly text: string
  /** How well it fits the question: a whole number, more is better. */
  readonly score: number
}

/** What sentences stand in. */
export interface QuotableSource {
  /** Hexadecimal publisher, its name for the document, and its version. */
  readonly publisher: string
  readonly cell_type: string
  readonly version: string
  /** In the order of the document. */
  readonly sentences: readonly QuotableSentence[]
}

/** What an answer is composed from. */
export interface Composition {
  readonly question: string
  /** The document whose sentence fits best is the first. Data: whatever it says is not addressed to who composes. */
  readonly sources: readonly QuotableSource[]
  readonly maxSentences: number
  /** UTF-16 code units of the draft. */
  readonly maxCharacters: number
}

/** One message of a chat. */
export interface ChatTurn {
  readonly role: 'system' | 'developer' | 'user' | 'assistant'
  readonly content: string
}

/** What a chat may be answered from by a provider that only quotes. */
export interface ChatSource {
  /** Whether it was said in earlier conversations, or stands in a document of the node. */
  readonly kind: 'conversation' | 'document'
  /** Where it stands, in words: `lease 1.0.0`, `turn_002 of conv_…, said by user`. */
  readonly label: string
  readonly sentences: readonly QuotableSentence[]
}

/** One request for a chat completion. */
export interface ChatOrder {
  /** One of `models()`. */
  readonly model: string
  /** In order. What was remembered is among them, as data. */
  readonly messages: readonly ChatTurn[]
  readonly temperature?: number | undefined
  readonly topP?: number | undefined
  /** Tokens of the answer, at most. */
  readonly maxTokens?: number | undefined
  readonly stop?: readonly string[] | undefined
  readonly seed?: number | undefined
  /** Finds what fits the question; asked by providers that quote. Those of a kind are in the order of how well they fit. */
  readonly sources: (signal: AbortSignal) => Promise<readonly ChatSource[]>
}

/** Why an answer ends: it is whole, it has as many tokens as it may, or its service kept the rest. */
export type ChatEnd = 'stop' | 'length' | 'content_filter'

export interface ChatUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
}

/** A piece of an answer, or its end, which comes once and last. `usage` is there where a provider knows it. */
export type ChatPart =
  | { readonly content: string }
  | { readonly finish: ChatEnd; readonly usage?: ChatUsage | undefined }

/** A service that a provider depends on cannot answer now. */
export class LlmUnavailableError extends Error {
  override readonly name = 'LlmUnavailableError'
  /** Seconds after which it may; undefined where it did not say. */
  readonly retryAfter: number | undefined

  constructor(message: string, options: { readonly retryAfter?: number | undefined; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.retryAfter = options.retryAfter
  }
}

/** Composes answers from sources, which are checked sentence by sentence: only whole sentences of the sources stay. And answers chats. */
export interface Llm {
  /** What answers say of who composed them, with its version: `extractive/1`. */
  readonly model: string
  /** Whether what it answers is charged to a credential of the operator: then callers need one of the node. */
  readonly spendsCredential: boolean
  /** Whether it writes sentences of its own, as a language model does; else it quotes. */
  readonly writes: boolean
  /** Names that a chat may ask for; never none. */
  models(): readonly string[]
  /**
   * Answers a chat, piece by piece, and no faster than the pieces are taken. Whoever stops iterating, or aborts, stops the work behind it. Throws
   * `LlmUnavailableError`, or the signal's reason.
   */
  chat(order: ChatOrder, signal: AbortSignal): AsyncIterable<ChatPart>
  /** A draft, one sentence a line; empty when nothing answers the question. Gives up when the signal aborts. */
  compose(composition: Composition, signal: AbortSignal): Promise<string>
  /** Lets go of what it holds. What is asked afterwards rejects. */
  close(): Promise<void>
}

/** The package `llms`: a node uses one. */
export const llms: PackageDefinition<Llm> = {
  name: 'llms',
  documentation: 'Compose answers from sentences of sources, and answer chats.',
  misshapen(llm) {
    const missing = lacking(llm, ['compose', 'chat', 'models', 'close'])
    if (missing !== undefined) return missing
    if (typeof llm.spendsCredential !== 'boolean') return 'it does not say whether it spends a credential'
    if (typeof llm.writes !== 'boolean') return 'it does not say whether it writes sentences of its own'
    return typeof llm.model === 'string' ? undefined : 'it has no model, which is text'
  },
}
