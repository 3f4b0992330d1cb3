import { quoted, sentencesOf } from '../../kernel/text/sentences.ts'
import type { MemoryText, Summarize, Summary } from './recall.ts'
import { type TopicSource, topicsOf } from './topics.ts'
import { alike, type WeightedSentence, weighted } from './weighted-words.ts'

/** Sentences of a summary, and UTF-16 code units of it: a paragraph. */
const MAX_SENTENCES = 4
const MAX_CHARACTERS = 800
/** UTF-16 code units of a sentence that is taken: what is longer is a list or no sentence. */
const MAX_SENTENCE = 360
const MAX_TOPICS = 8
/** Sentences that are compared with each other: bounds the time, which grows with their square, to some 20 ms. */
const MAX_COMPARED = 256
/** Texts that are read, and UTF-16 code units of each: bounds what is cut into sentences. */
const MAX_TEXTS = 256
const MAX_TEXT = 8 * 1024

/** PageRank, as TextRank uses it: how much of a rank comes from neighbours, and when it is settled. */
const DAMPING = 0.85
const ROUNDS = 40
const SETTLED = 1e-6
/** Sentences more alike than this say the same. */
const SAME = 0.6
/** What a conversation was begun with says what it is for: its sentences count so much more. */
const DIRECTIVE = 1.5
/** How much of a sentence's rank is lost for what was taken before it says already (maximal marginal relevance). */
const NOVELTY = 0.7

/** A request says less than what was answered. */
const QUESTION = 0.5

interface Candidate {
  readonly text: string
  readonly isDirective: boolean
  /** Whether a summary may have it: it is no heading, and introduces nothing that is left out. */
  readonly isWhole: boolean
}

/**
 * Says what texts are about with sentences of their own, in their order: TextRank over TF-IDF, and not the same twice. The same texts give the same
 * summary.
 */
export const summarizeByExtraction: Summarize = async (texts) => {
  const candidates = evenly(candidatesOf(evenly(texts, MAX_TEXTS)), MAX_COMPARED)
  const words = weighted(candidates.map(({ text }) => text))
  const ranks = ranksOf(words.sentences)
  const sources = candidates.map(({ text, isDirective }, at) => ({
    text,
    weight: ranks[at]! * (isDirective ? DIRECTIVE : text.endsWith('?') ? QUESTION : 1),
  }))
  return {
    summary: summaryOf(candidates, sources, words.sentences),
    topics: topicsOf(sources, words, MAX_TOPICS),
  } satisfies Summary
}

function candidatesOf(texts: readonly MemoryText[]): Candidate[] {
  const candidates: Candidate[] = []
  const met = new Set<string>()
  for (const { text, turnNumber } of texts) {
    const read = text.slice(0, MAX_TEXT).toWellFormed()
    for (const { start, end, kind } of sentencesOf(read)) {
      const sentence = unmarked(quoted(read.slice(start, end)))
      if (sentence === '' || met.has(sentence)) continue
      met.add(sentence)
      const isWhole = kind !== 'heading' && !sentence.endsWith(':') && sentence.length <= MAX_SENTENCE
      candidates.push({ text: sentence, isDirective: turnNumber === 1, isWhole })
    }
  }
  return candidates
}

const LINK = /!?\[([^\][]{0,256})\](?:\([^()\s]{0,1024}\)|\[[^\][]{0,256}\])/g
const URL = /\b[a-z][a-z0-9+.-]{1,16}:\/\/\S+/gi
const STRONG = /\*\*|__|`+/g
const EMPHASIS = /(?<![\p{L}\p{N}])([*_])([\p{L}\p{N}][^*_]{0,200})\1(?![\p{L}\p{N}])/gu

/** Without the marks of Markdown, and without where links lead. */
const unmarked = (sentence: string): string =>
  quoted(sentence.replace(LINK, '$1').replace(URL, ' ').replace(STRONG, '').replace(EMPHASIS, '$2'))

/** At most so many, from all over the list: its first, its last, and as many between as there is room for. */
function evenly<T>(list: readonly T[], most: number): readonly T[] {
  if (list.length <= most) return list
  return Array.from({ length: most }, (_, at) => list[Math.floor((at * (list.length - 1)) / (most - 1))]!)
}

function summaryOf(
  candidates: readonly Candidate[],
  sources: readonly TopicSource[],
  sentences: readonly WeightedSentence[],
): string {
  const open = candidates.flatMap(({ isWhole }, at) =>
    isWhole && sentences[at]!.vector.size > 0 ? [{ at, weight: sources[at]!.weight, closest: 0 }] : [],
  )
  const taken: number[] = []
  let room = MAX_CHARACTERS
  while (taken.length < MAX_SENTENCES) {
    let best: (typeof open)[number] | undefined
    let bestValue = 0
    for (const entry of open) {
      if (entry.closest >= SAME || sources[entry.at]!.text.length > room) continue
      const value = entry.weight * (1 - NOVELTY * entry.closest)
      if (value > bestValue) {
        best = entry
        bestValue = value
      }
    }
    if (best === undefined) break
    taken.push(best.at)
    room -= sources[best.at]!.text.length + 2
    best.closest = 1
    for (const entry of open) entry.closest = Math.max(entry.closest, alike(sentences[entry.at]!, sentences[best.at]!))
  }
  if (taken.length === 0) return shortened(candidates[0]?.text ?? '')
  return taken
    .sort((a, b) => a - b)
    .map((at) => ended(sources[at]!.text))
    .join(' ')
}

/** What has no end of its own gets one, so that sentences do not run into each other. */
const ended = (sentence: string): string => (/[\p{P}]$/u.test(sentence) ? sentence : `${sentence}.`)

/** Where nothing is a sentence of a fit length, the beginning of the first. */
function shortened(text: string): string {
  if (text.length <= MAX_SENTENCE) return text
  const cut = text.slice(0, MAX_SENTENCE - 1).toWellFormed()
  const space = cut.lastIndexOf(' ')
  return `${space > MAX_SENTENCE / 2 ? cut.slice(0, space) : cut}…`
}

/** How much the other sentences speak for each: PageRank over how alike they are. */
function ranksOf(sentences: readonly WeightedSentence[]): Float64Array {
  const size = sentences.length
  const links = sentences.map((sentence, at) =>
    sentences.map((other, place) => (place === at ? 0 : alike(sentence, other))),
  )
  const sums = links.map((row) => row.reduce((sum, value) => sum + value, 0))
  let ranks = new Float64Array(size).fill(1)
  for (let round = 0; round < ROUNDS; round++) {
    const next = new Float64Array(size).fill(1 - DAMPING)
    for (const [from, row] of links.entries()) {
      if (sums[from] === 0) continue
      const share = (DAMPING * ranks[from]!) / sums[from]!
      for (let to = 0; to < size; to++) next[to]! += share * row[to]!
    }
    const change = next.reduce((most, rank, at) => Math.max(most, Math.abs(rank - ranks[at]!)), 0)
    ranks = next
    if (change < SETTLED) break
  }
  return ranks
}
