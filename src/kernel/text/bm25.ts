/**
 * BM25 in whole numbers, the same on every machine: protocol/README.md, "Ranking". Every quotient is of whole numbers below 2^53, where the
 * floor of a floating-point division is exact.
 */
export const RANKER = 'bm25/1'

/** Logarithm to the base 2 of a whole number from 1 on, in 256ths: exact at powers of two, and straight between them. */
export function log2(value: number): number {
  const exponent = value < 2 ** 32 ? 31 - Math.clz32(value) : 63 - Math.clz32(Math.floor(value / 2 ** 32))
  const base = 2 ** exponent
  return 256 * exponent + Math.floor((256 * (value - base)) / base)
}

/** How much a word says that is in `found` of `total` passages, in 256ths of a bit. */
export const weightOf = (total: number, found: number): number =>
  log2(Math.floor((256 * (2 * total + 2)) / (2 * found + 1))) - log2(256)

/**
 * How much of a word's weight a passage has, in 1024ths: `count` times in `length` words, where all `total` passages have `words` words.
 * k1 = 1.2, b = 0.75.
 */
export const shareOf = (count: number, length: number, total: number, words: number): number =>
  Math.floor((2_252_800 * count) / (1000 * count + 300 + Math.floor((900 * length * total) / words)))

/** The same of a sentence, in which a word counts once, among sentences of 24 words. */
export const sentenceShare = (length: number): number => Math.floor(2_252_800 / (1300 + Math.floor((75 * length) / 2)))
