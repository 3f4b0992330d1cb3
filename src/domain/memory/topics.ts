import type { WeightedWords } from './weighted-words.ts'

/** UTF-16 code units of a topic: two long words. Whatever is longer is no word. */
const MAX_TOPIC = 48
const ONLY_DIGITS = /^\p{N}+$/u
/** Of Latin letters, two in lower case are an article or a preposition in some language. */
const TOO_SHORT = /^(?:.|\p{Script=Latin}?\p{Ll})$/u
const IDEOGRAPH = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]$/u

interface Candidate {
  readonly keys: readonly string[]
  /** How often it is met, and what those sentences weigh together. */
  count: number
  weight: number
  /** How it was written, with how often, in the order of the text. */
  readonly forms: Map<string, number>
}

/** A sentence and what its words count for. */
export interface TopicSource {
  readonly text: string
  readonly weight: number
}

/**
 * What sentences are about: the words, and pairs of neighbours that are met again, that weigh most, as people wrote them most often, best first. A
 * word is in one topic only.
 */
export function topicsOf(sources: readonly TopicSource[], weighted: WeightedWords, most: number): string[] {
  const score = ({ keys, weight }: Candidate): number => {
    // Smoothed, so that a word of every sentence still counts for something.
    const rarity = keys.reduce((sum, key) => sum + 1 + weighted.rarity(key), 0)
    return keys.length === 1 ? weight * rarity : (weight * rarity) / 1.5
  }
  const ranked = candidatesOf(sources, weighted)
    .filter(({ keys, count }) => keys.length === 1 || count > 1)
    .map((candidate, order) => ({ candidate, order, score: score(candidate) }))
    .filter((entry) => entry.score > 0)
    .sort((a, b) => b.score - a.score || a.order - b.order)
  const topics: string[] = []
  const covered = new Set<string>()
  for (const { candidate } of ranked) {
    if (topics.length >= most) break
    if (candidate.keys.some((key) => covered.has(key))) continue
    for (const key of candidate.keys) covered.add(key)
    topics.push(formOf(candidate))
  }
  return topics
}

function candidatesOf(sources: readonly TopicSource[], { sentences }: WeightedWords): Candidate[] {
  const found = new Map<string, Candidate>()
  const count = (keys: readonly string[], form: string, weight: number): void => {
    if (form.length > MAX_TOPIC) return
    const name = keys.join(' ')
    const candidate = found.get(name) ?? { keys, count: 0, weight: 0, forms: new Map<string, number>() }
    candidate.count++
    candidate.weight += weight
    candidate.forms.set(form, (candidate.forms.get(form) ?? 0) + 1)
    found.set(name, candidate)
  }
  for (const [at, { words }] of sentences.entries()) {
    const { text, weight } = sources[at]!
    for (const [place, word] of words.entries()) {
      if (ONLY_DIGITS.test(word.key)) continue
      const isIdeograph = IDEOGRAPH.test(word.key)
      const form = text.slice(word.start, word.end)
      if (!TOO_SHORT.test(form)) count([word.key], form, weight)
      const next = words[place + 1]
      if (next === undefined || next.key === word.key) continue
      const between = text.slice(word.end, next.start)
      const isPair = isIdeograph ? between === '' && IDEOGRAPH.test(next.key) : between === ' ' || between === '-'
      if (isPair) count([word.key, next.key], text.slice(word.start, next.end), weight)
    }
  }
  return [...found.values()]
}

/** The form that is met most; the first of those that are met as often. A word is capital only where it never is otherwise. */
function formOf({ forms }: Candidate): string {
  const plain = new Map<string, number>()
  for (const [form, count] of forms) {
    const lower = form.toLowerCase()
    const name = forms.has(lower) ? lower : form
    plain.set(name, (plain.get(name) ?? 0) + count)
  }
  const [first, ...others] = plain
  return others.reduce((best, entry) => (entry[1] > best[1] ? entry : best), first!)[0]
}
