import { sentenceShare } from '../../kernel/text/bm25.ts'
import type { Sentence } from '../../kernel/text/sentences.ts'
import { tokensOf } from '../../kernel/text/tokens.ts'
import type { SourceCell } from './corpus.ts'
import type { SourceText } from './source-text.ts'

/** A passage that was found. */
export interface FoundPassage {
  readonly cell: SourceCell
  readonly text: SourceText
  /** Number of the passage in its document. */
  readonly passage: number
  readonly score: number
}

/** A sentence that an answer may quote. */
export interface RankedSentence {
  readonly cell: SourceCell
  readonly text: SourceText
  readonly sentence: Sentence
  /** As it is quoted. */
  readonly quote: string
  readonly score: number
}

/** How much more a sentence's own words count than those of its passage. */
const OWN = 4

/**
 * The sentences of passages that have any word of a question, best first: `README.md` of the protocol, "Ranking". Of sentences that are the same,
 * only the best. `weights` are those of the question's words, `tokens`.
 */
export function rankSentences(
  passages: readonly FoundPassage[],
  tokens: readonly string[],
  weights: readonly number[],
): RankedSentence[] {
  const weightOf = new Map(tokens.map((token, at) => [token, weights[at]!]))
  const ranked = new Map<string, RankedSentence>()
  for (const { cell, text, passage, score } of passages) {
    const { first, end } = text.passages[passage]!
    for (const sentence of text.sentences.slice(first, end)) {
      if (!sentence.isQuotable) continue
      const quote = text.quote(sentence)
      const own = ownScore(quote, weightOf)
      if (own === 0) continue
      const candidate = { cell, text, sentence, quote, score: OWN * own + score }
      const same = ranked.get(quote)
      if (same === undefined || order(candidate, same) < 0) ranked.set(quote, candidate)
    }
  }
  return [...ranked.values()].sort(order)
}

/** One more than nothing for each word that is there, so that a word which every passage has still counts. */
function ownScore(quote: string, weightOf: ReadonlyMap<string, number>): number {
  const words = tokensOf(quote)
  const share = sentenceShare(words.length)
  let score = 0
  for (const word of new Set(words)) {
    const weight = weightOf.get(word)
    if (weight !== undefined) score += 1 + weight * share
  }
  return score
}

function order(a: RankedSentence, b: RankedSentence): number {
  if (a.score !== b.score) return b.score - a.score
  if (a.cell.digest !== b.cell.digest) return a.cell.digest < b.cell.digest ? -1 : 1
  if (a.cell.id !== b.cell.id) return a.cell.id < b.cell.id ? -1 : 1
  return a.sentence.start - b.sentence.start
}

/**
 * How much of what a question says the quoted sentences speak of, from 0 to 1 in thousandths: the weights of its words that are in them, of the
 * weights of all. Each weight counts one more, so that a word which is everywhere counts.
 */
export function confidenceOf(quotes: readonly string[], tokens: readonly string[], weights: readonly number[]): number {
  const said = new Set(quotes.flatMap((quote) => tokensOf(quote)))
  let [covered, all] = [0, 0]
  for (const [at, token] of tokens.entries()) {
    const weight = 1 + weights[at]!
    all += weight
    if (said.has(token)) covered += weight
  }
  return all === 0 ? 0 : Math.floor((1000 * covered) / all) / 1000
}
