import type { QuotableSentence } from '../../kernel/plugins/packages/llms.ts'

/** Sentences of an answer, at most: more is a list of hits. */
const MAX_SENTENCES = 4

/** A sentence that is quoted, with its place: the number of its source, and its own there. */
export interface QuotedSentence {
  readonly source: number
  readonly at: number
  readonly sentence: QuotableSentence
}

/**
 * The sentences that fit best: the best one, and the next ones that fit at least half as well, four at most, in the order of their sources. The source
 * of the best sentence is the first. protocol/README.md, "extractive/1".
 */
export function quoteSentences(
  sources: readonly { readonly sentences: readonly QuotableSentence[] }[],
  { maxSentences, maxCharacters }: { readonly maxSentences: number; readonly maxCharacters: number },
): QuotedSentence[] {
  const places = sources.flatMap(({ sentences }, source) => sentences.map((sentence, at) => ({ source, at, sentence })))
  // A stable sort: what fits alike keeps the order of sources and sentences.
  places.sort((a, b) => b.sentence.score - a.sentence.score)
  const picked: QuotedSentence[] = []
  let left = maxCharacters
  for (const place of places) {
    const { length } = place.sentence.text
    if (picked.length >= Math.min(MAX_SENTENCES, maxSentences)) break
    if (picked.length > 0 && 2 * place.sentence.score < picked[0]!.sentence.score) break
    // With the line break before it.
    const needed = length + Math.sign(picked.length)
    if (needed > left) continue
    left -= needed
    picked.push(place)
  }
  // The document of the best sentence is the first.
  const rank = new Map<number, number>()
  for (const { source } of picked) if (!rank.has(source)) rank.set(source, rank.size)
  return picked.sort((a, b) => rank.get(a.source)! - rank.get(b.source)! || a.at - b.at)
}
