import { wordsOf } from './terms.ts'
import { STOP_WORDS } from './tokens.ts'

/** Different words of a search; the first ones. Each is a query of its own. */
export const MAX_TERMS = 24
/** UTF-16 code units that are read at once. */
const SLICE = 32 * 1024
/** Words of a slice: all of them. */
const ALL = SLICE
/** Characters that are written without spaces between words: each is a word by itself. */
const ALONE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/gu
/** What people say around what they look for, beside the words that say nothing anywhere. */
const ASIDES =
  'again am anything did don else ever exactly got just let ll please re remember said something tell told ve'
const STOPS = new Set([...STOP_WORDS, ...ASIDES.split(' ')])

/** What the full-text index is to read of a text: words alone, so that nothing in it can be syntax. */
export function indexedText(text: string): string {
  const words: string[] = []
  for (let start = 0; start < text.length; start += SLICE) {
    words.push(...wordsOf(text.slice(start, start + SLICE).replace(ALONE, ' $& '), ALL))
  }
  return words.join(' ')
}

/** The words that a search is for: different ones, in the same form, without those that say nothing unless there are no others. */
export function searchTerms(query: string): string[] {
  const all = [...new Set(wordsOf(query.replace(ALONE, ' $& '), ALL))]
  const telling = all.filter((word) => !STOPS.has(word) && !/^[a-z]$/.test(word))
  return (telling.length > 0 ? telling : all).slice(0, MAX_TERMS)
}
