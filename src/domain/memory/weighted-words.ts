import { Corpus, Stopwords } from 'tiny-tfidf'
import { STOP_WORDS, tokensOf } from '../../kernel/text/tokens.ts'

/** A word where it stands. */
export interface Word {
  /** The same for all forms of a word that are counted as one. */
  readonly key: string
  /** UTF-16 code units of its text, end exclusive. */
  readonly start: number
  readonly end: number
}

/** A sentence, by the words of it that say something. */
export interface WeightedSentence {
  readonly words: readonly Word[]
  /** Key → weight (TF-IDF), of length 1 as a whole. Empty where no word says anything. */
  readonly vector: ReadonlyMap<string, number>
}

/** The words of sentences, and how much each says. */
export interface WeightedWords {
  readonly sentences: readonly WeightedSentence[]
  /** How rare a word is among the sentences (inverse document frequency). */
  rarity(key: string): number
}

/** How people ask for things and thank for them, which is not what they talk about. */
const MANNERS =
  'able actually add ask asked answer back case change check come create different do example explain find first fine get give go going good got great hereby ' +
  'help hello hi important instead kind know last let like list look lot made make many maybe mean much need new next ok okay one part please put ' +
  'question really recommend right said say second see show since something start still sure take talk tell thank thanks thing think third time ' +
  'three today together tomorrow try two type usually use used using want way well whatever within without work write yes yesterday yet'
const STOPS = new Set(
  [...STOP_WORDS, ...new Stopwords().getStopwordList(), ...MANNERS.split(' ')].flatMap((word) => tokensOf(word)),
)

const WORD = /[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu
const ONE_LETTER = /^[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}]$/u

/** Weighs the words of sentences by how often a sentence has them, and how many others do. The library says how much; what a word is, is ours. */
export function weighted(texts: readonly string[]): WeightedWords {
  const ids = new Map<string, string>()
  const words = texts.map(wordsOf)
  // The library knows Latin letters alone, so each word is given to it as a number with a letter before it.
  const coded = words.map((list) => list.map(({ key }) => idOf(key, ids)).join(' '))
  const names = texts.map((_, at) => String(at))
  const corpus = new Corpus(names, coded, { useDefaultStopwords: false })
  const rarity = (key: string): number => {
    const id = ids.get(key)
    return id === undefined ? 0 : (corpus.getCollectionFrequencyWeight(id) ?? 0)
  }
  const sentences = words.map((list, at) => {
    const document = corpus.getDocument(String(at))
    const vector = new Map<string, number>()
    for (const { key } of list) vector.set(key, (document.getTermFrequency(ids.get(key)!) ?? 0) * rarity(key))
    const length = Math.hypot(...vector.values())
    for (const [key, weight] of vector) vector.set(key, weight / length)
    return { words: list, vector }
  })
  return { sentences, rarity }
}

/** How alike two sentences are, from 0 to 1 (cosine). */
export function alike(a: WeightedSentence, b: WeightedSentence): number {
  const [small, large] = a.vector.size <= b.vector.size ? [a.vector, b.vector] : [b.vector, a.vector]
  let sum = 0
  for (const [key, weight] of small) sum += weight * (large.get(key) ?? 0)
  return sum
}

function idOf(key: string, ids: Map<string, string>): string {
  const known = ids.get(key)
  if (known !== undefined) return known
  const id = `w${ids.size}`
  ids.set(key, id)
  return id
}

/** The words that say something, in order. */
function wordsOf(text: string): Word[] {
  const words: Word[] = []
  for (const { 0: run, index } of text.matchAll(WORD)) {
    const keys = tokensOf(run)
    // Ideographs stand without spaces: each is a word.
    const isOne = keys.length === 1
    let at = index
    for (const key of keys) {
      const start = isOne ? index : text.indexOf(key, at)
      if (start === -1) continue
      const end = isOne ? index + run.length : start + key.length
      at = end
      if (!STOPS.has(key) && !ONE_LETTER.test(key)) words.push({ key, start, end })
    }
  }
  return words
}
