import { quoted, sentencesOf } from '../../kernel/text/sentences.ts'

/** What a draft says, sentence by sentence. */
export interface CheckedDraft {
  /** Sentences that stand in a source, in the draft's order, each once. */
  readonly supported: readonly string[]
  /** Pieces that do not. */
  readonly unsupported: readonly string[]
}

/** A mark before a sentence that stands in a list. */
const MARK = /^[-*\u2022][ ]/

/**
 * Checks a draft against the sentences that it may quote: protocol/README.md, "Verifying a draft". Only where a piece of the draft begins is a source's
 * sentence looked for, and only as a whole, so that nothing around it can change what it says without being found.
 */
export function checkDraft(draft: string, sentences: Iterable<string>): CheckedDraft {
  const byBeginning = indexed(sentences)
  const supported = new Set<string>()
  const unsupported: string[] = []
  for (const line of draft.split(/[\n\r\f]+/)) {
    let rest = quoted(line)
    if (MARK.test(rest) && longestAt(rest, byBeginning) === undefined) rest = rest.slice(2).trimStart()
    while (rest !== '') {
      const found = longestAt(rest, byBeginning)
      if (found !== undefined) supported.add(found)
      const piece = found ?? firstPiece(rest)
      if (found === undefined) unsupported.push(piece)
      rest = rest.slice(piece.length).trimStart()
    }
  }
  return { supported: [...supported], unsupported }
}

/** Characters by which sentences are looked up; shorter ones by all that they have. */
const BEGINNING = 12

/** Sentences by how they begin, longest first. */
function indexed(sentences: Iterable<string>): Map<string, string[]> {
  const byBeginning = new Map<string, string[]>()
  for (const sentence of sentences) {
    const beginning = sentence.slice(0, BEGINNING)
    byBeginning.set(beginning, [...(byBeginning.get(beginning) ?? []), sentence])
  }
  for (const list of byBeginning.values()) list.sort((a, b) => b.length - a.length)
  return byBeginning
}

/** The longest sentence that a text begins with, and after which it ends or goes on with a space. */
function longestAt(text: string, byBeginning: ReadonlyMap<string, readonly string[]>): string | undefined {
  for (let length = Math.min(BEGINNING, text.length); length > 0; length--) {
    const list = byBeginning.get(text.slice(0, length))
    const found = list?.find(
      (sentence) => text.startsWith(sentence) && (text.length === sentence.length || text[sentence.length] === ' '),
    )
    if (found !== undefined) return found
  }
  return undefined
}

/** What a text begins with, up to the end of its first sentence. */
function firstPiece(text: string): string {
  const first = sentencesOf(text)[0]
  return first === undefined || first.end === 0 ? text : text.slice(0, first.end)
}
