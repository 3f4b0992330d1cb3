/** How a search in sessions scores texts: `README.md` of the protocol, "Search in a session". */

/** Of BM25, as in FTS5: how soon more of a word stops to say more. */
export const K1 = 1.2

/** Part of the score that words decide where the meaning is known too. */
const WORDS = 0.55
/** Least factor of age, and milliseconds in which the rest halves: 30 days. */
const OLDEST = 0.8
const HALF_LIFE_MS = 30 * 24 * 3_600_000

/** How much a word says: that of Lucene, which never falls below 0, also where a session has few texts. */
export const informationOf = (texts: number, having: number): number =>
  Math.log(1 + (texts - having + 0.5) / (having + 0.5))

/** Likeness of meaning from which a text is found without any of the words. */
export const ALIKE = 0.1
/** Power by which what is missing of the words counts. A text of usual length that has all of them once misses half of what could be said. */
const MISSING = 2.5

/** How alike words are, from 0 to 1; `share`: the part of what they could say at most that a text says. */
export const likenessOfWords = (share: number): number => 1 - (1 - Math.min(1, share)) ** MISSING

/** How alike two meanings are, from 0 for what has nothing in common to 1 for the same. */
export const likenessOfMeaning = (cosine: number, unrelated: number): number =>
  Math.min(1, Math.max(0, (cosine - unrelated) / (1 - unrelated)))

/** `words` and `meaning` from 0 to 1; without a meaning the words decide alone. */
export const fused = (words: number, meaning: number | undefined): number =>
  meaning === undefined ? words : WORDS * words + (1 - WORDS) * meaning

/** Part of what is missing to 1 that a neighbour which fits as well as can be adds: an answer often has few words of its question. */
const NEIGHBOUR = 0.6

/** With the better of the scores of the texts before and after it. */
export const beside = (score: number, neighbour: number): number => score + NEIGHBOUR * neighbour * (1 - score)

/** From 1 for what was just said down to {@link OLDEST}, never below: what fits well is found whenever it was said. */
export const recency = (ageMs: number): number => OLDEST + (1 - OLDEST) * 2 ** (-Math.max(0, ageMs) / HALF_LIFE_MS)
