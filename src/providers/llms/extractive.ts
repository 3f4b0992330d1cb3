import type { Composition, Llm, QuotableSentence } from '../../kernel/plugins/packages/llms.ts'

/** Changes with the rules below. */
const MODEL = 'extractive/1'
/** Sentences of an answer, at most: more is a list of hits. */
const MAX_SENTENCES = 4

interface Place {
  /** Of its source. */
  readonly source: number
  readonly at: number
  readonly sentence: QuotableSentence
}

/**
 * Quotes the sentences that fit best, without any model: protocol/README.md, "extractive/1". The best one, and the next ones that fit at least half
 * as well, in the order of their documents.
 */
export function createExtractiveLlm(): Llm {
  let isClosed = false
  return {
    model: MODEL,
    async compose(composition, signal) {
      signal.throwIfAborted()
      if (isClosed) throw new Error('the composer is closed')
      return chosen(composition)
        .map(({ sentence }) => sentence.text)
        .join('\n')
    },
    async close() {
      isClosed = true
    },
  }
}

function chosen({ sources, maxSentences, maxCharacters }: Composition): Place[] {
  const places = sources.flatMap(({ sentences }, source) => sentences.map((sentence, at) => ({ source, at, sentence })))
  // A stable sort: what fits alike keeps the order of sources and sentences.
  places.sort((a, b) => b.sentence.score - a.sentence.score)
  const picked: Place[] = []
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
