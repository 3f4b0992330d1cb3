import { sha256Hex } from '../../kernel/base/hash.ts'
import { type Passage, passagesOf } from '../../kernel/text/passages.ts'
import { quoted, type Sentence, sentencesOf } from '../../kernel/text/sentences.ts'

/** A document, cut into sentences. */
export class SourceText {
  readonly #text: string
  readonly #isAscii: boolean
  readonly sentences: readonly Sentence[]
  readonly passages: readonly Passage[]

  private constructor(bytes: Uint8Array) {
    this.#text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    this.#isAscii = this.#text.length === bytes.length
    this.sentences = sentencesOf(this.#text)
    this.passages = passagesOf(this.sentences)
  }

  /** Reads bytes that must have the digest (`sha256:…`); undefined for any others, and for what is not UTF-8. */
  static read(bytes: Uint8Array, digest: string): SourceText | undefined {
    if (`sha256:${sha256Hex(bytes)}` !== digest) return undefined
    try {
      return new SourceText(bytes)
    } catch (error) {
      if (error instanceof TypeError) return undefined
      throw error
    }
  }

  /** UTF-16 code units, and what the sentences take: what it weighs in a cache. */
  get weight(): number {
    return this.#text.length + 64 * this.sentences.length
  }

  /** A sentence as answers quote it. */
  quote({ start, end }: Sentence): string {
    return quoted(this.#text.slice(start, end))
  }

  /** The bytes of the document that hold a sentence, end exclusive. */
  bytesOf({ start, end }: Sentence): { readonly start: number; readonly end: number } {
    if (this.#isAscii) return { start, end }
    const first = Buffer.byteLength(this.#text.slice(0, start))
    return { start: first, end: first + Buffer.byteLength(this.#text.slice(start, end)) }
  }
}
