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

/** Composes answers. What it writes is checked sentence by sentence: only whole sentences of the sources stay. */
export interface Llm {
  /** What answers say of who composed them, with its version: `extractive/1`. */
  readonly model: string
  /** A draft, one sentence a line; empty when nothing answers the question. Gives up when the signal aborts. */
  compose(composition: Composition, signal: AbortSignal): Promise<string>
  /** Lets go of what it holds. What is asked afterwards rejects. */
  close(): Promise<void>
}

/** The package `llms`: a node uses one. */
export const llms: PackageDefinition<Llm> = {
  name: 'llms',
  documentation: 'Compose answers from sentences of sources.',
  misshapen: (llm) =>
    lacking(llm, ['compose', 'close']) ??
    (typeof llm.model === 'string' ? undefined : 'it has no model, which is text'),
}
