import type { ChatSource, QuotableSentence, QuotableSource } from '../../kernel/plugins/packages/llms.ts'
import { sentenceShare, weightOf } from '../../kernel/text/bm25.ts'
import { quoted, sentencesOf } from '../../kernel/text/sentences.ts'
import { queryTokens, tokensOf } from '../../kernel/text/tokens.ts'
import { isOnlyQuoted } from '../../providers/llms/extractive.ts'
import type { Remembered, RememberedTurn } from './chat-prompt.ts'

/** Hexadecimal digits of a publisher that tell it from others. */
const PUBLISHER_DIGITS = 16

/** What was remembered, sentence by sentence, as far as it has words of a question: the source of the best sentence first. */
export function rememberedSources(question: string, remembered: Remembered): ChatSource[] {
  const asked = quoted(question)
  const tokens = queryTokens(asked)
  const turns = [
    ...(remembered.this_conversation === undefined ? [] : [remembered.this_conversation]),
    ...(remembered.earlier_conversations ?? []),
  ].flatMap(({ conversation_id: id, turns }) =>
    turns.filter(({ text }) => !isOnlyQuoted(text)).map((turn) => ({ label: labelOf(id, turn), text: turn.text })),
  )
  const cut = turns.map(({ label, text }) => ({ label, sentences: sentencesIn(text, asked) }))
  const all = cut.flatMap(({ sentences }) => sentences)
  const weights = new Map(
    tokens.map((token) => [token, weightOf(all.length, all.filter(({ words }) => words.has(token)).length)]),
  )
  return cut
    .map(({ label, sentences }): ChatSource & { best: number } => {
      const scored = sentences
        .map(({ text, words, length }): QuotableSentence => ({ text, score: scoreOf(words, length, weights) }))
        .filter(({ score }) => score > 0)
      return { kind: 'conversation', label, sentences: scored, best: Math.max(0, ...scored.map(({ score }) => score)) }
    })
    .filter(({ best }) => best > 0)
    .sort((a, b) => b.best - a.best)
    .map(({ best: _best, ...source }) => source)
}

/** Documents, as a chat quotes them. */
export const documentSources = (sources: readonly QuotableSource[]): ChatSource[] =>
  sources.map(({ publisher, cell_type, version, sentences }) => ({
    kind: 'document',
    label: `${cell_type} ${version}, published by ${publisher.slice(0, PUBLISHER_DIGITS)}…`,
    sentences,
  }))

const labelOf = (conversationId: string, { turn_id: turnId, agent, at }: RememberedTurn): string =>
  turnId === null
    ? `summary of ${conversationId}, ${at}`
    : `${turnId} of ${conversationId}, said by ${agent ?? 'nobody'}, ${at}`

interface Cut {
  readonly text: string
  readonly words: ReadonlySet<string>
  readonly length: number
}

/** The sentences of a text, without headings, and without the question itself. */
function sentencesIn(text: string, question: string): Cut[] {
  return sentencesOf(text).flatMap(({ start, end, kind }) => {
    const sentence = quoted(text.slice(start, end))
    if (kind === 'heading' || sentence === question) return []
    const words = tokensOf(sentence)
    return [{ text: sentence, words: new Set(words), length: words.length }]
  })
}

/** As sentences of documents are: one more than nothing for each word, so that a word which every sentence has still counts. */
function scoreOf(words: ReadonlySet<string>, length: number, weights: ReadonlyMap<string, number>): number {
  const share = sentenceShare(length)
  let score = 0
  for (const [token, weight] of weights) if (words.has(token)) score += 1 + weight * share
  return score
}
