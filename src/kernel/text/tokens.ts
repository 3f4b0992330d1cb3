/** Words of documents and questions as ranking counts them: `README.md` of the protocol, "Words". No table of another library decides, which may change. */

/** UTF-16 code units of a word; what is longer is cut. */
const MAX_WORD = 64

/** Code units from 0x80 on that are in no word: first and last of each range. */
const GAPS: readonly (readonly [first: number, last: number])[] = [
  [0x80, 0xbf],
  [0xd7, 0xd7],
  [0xf7, 0xf7],
  [0x2000, 0x2bff],
  [0x2e00, 0x2e7f],
  [0x3000, 0x303f],
  [0xfe10, 0xfe6f],
  [0xfeff, 0xfeff],
  [0xff00, 0xff0f],
  [0xff1a, 0xff20],
  [0xff3b, 0xff40],
  [0xff5b, 0xff65],
  [0xfff0, 0xffff],
]

const GAP = 0
const PART = 1
const UPPER = 2
/** A word by itself: kana and ideographs stand without spaces. */
const ALONE = 3

/** What each code unit is. */
const KINDS = new Uint8Array(0x10000).fill(PART, 0x80)
for (const [first, last] of GAPS) KINDS.fill(GAP, first, last + 1)
KINDS.fill(ALONE, 0x3040, 0x3100)
KINDS.fill(ALONE, 0x3400, 0xa000)
KINDS.fill(PART, 0x30, 0x3a)
KINDS.fill(PART, 0x61, 0x7b)
/** How far its lower-case form is from an upper-case letter: Latin, Greek, Cyrillic. Other letters stay as they are. */
const SHIFTS = new Uint8Array(0x10000)
for (const [first, last, shift] of [
  [0x41, 0x5a, 0x20],
  [0xc0, 0xd6, 0x20],
  [0xd8, 0xde, 0x20],
  [0x391, 0x3a1, 0x20],
  [0x3a3, 0x3a9, 0x20],
  [0x400, 0x40f, 0x50],
  [0x410, 0x42f, 0x20],
] as const) {
  KINDS.fill(UPPER, first, last + 1)
  SHIFTS.fill(shift, first, last + 1)
}

/** Whether a code unit is a lower-case letter of ASCII, Latin-1, Greek or Cyrillic. */
export const isLowerCase = (unit: number): boolean =>
  (unit >= 0x61 && unit <= 0x7a) ||
  (unit >= 0xdf && unit <= 0xff && unit !== 0xf7) ||
  (unit >= 0x3b1 && unit <= 0x3c9) ||
  (unit >= 0x430 && unit <= 0x45f)

/** Whether a code unit is part of a word. */
export const isWordUnit = (unit: number): boolean => KINDS[unit] !== GAP

/** The words of a text between two places, in order: case folded, and their plural ending taken off. */
export function tokensOf(text: string, start = 0, end = text.length): string[] {
  const tokens: string[] = []
  let begun = -1
  let isPlain = true
  const finish = (at: number): void => {
    if (begun === -1) return
    const word = text.slice(begun, Math.min(at, begun + MAX_WORD))
    tokens.push(stem(isPlain ? word : folded(word)))
    begun = -1
    isPlain = true
  }
  for (let at = start; at < end; at++) {
    const kind = KINDS[text.charCodeAt(at)]!
    if (kind === GAP) {
      finish(at)
      continue
    }
    if (kind === ALONE) {
      finish(at)
      tokens.push(text[at]!)
      continue
    }
    if (begun === -1) begun = at
    if (kind === UPPER) isPlain = false
  }
  finish(end)
  return tokens
}

function folded(word: string): string {
  let text = ''
  for (let at = 0; at < word.length; at++) {
    const unit = word.charCodeAt(at)
    text += String.fromCharCode(unit + SHIFTS[unit]!)
  }
  return text
}

/** Harman's S stemmer: the first rule whose ending fits a word of four letters or more. */
function stem(word: string): string {
  const { length } = word
  if (length < 4 || word.charCodeAt(length - 1) !== 0x73) return word
  const before = word.charCodeAt(length - 2)
  if (before === 0x65) {
    const third = word.charCodeAt(length - 3)
    // -ies, but not -eies and -aies.
    if (third === 0x69) {
      const fourth = word.charCodeAt(length - 4)
      return fourth === 0x65 || fourth === 0x61 ? word : `${word.slice(0, -3)}y`
    }
    // -es, but not -aes, -ees and -oes.
    return third === 0x61 || third === 0x65 || third === 0x6f ? word : word.slice(0, -1)
  }
  // -s, but not -us and -ss.
  return before === 0x75 || before === 0x73 ? word : word.slice(0, -1)
}

/** Words that say nothing about what a question is about. */
export const STOP_WORDS: readonly string[] = (
  'a about also an and any are as at be been being but by can could did do does each either else for from had has have having he her his how i ' +
  'if in into is it its me my no nor not of on or our out over shall she should so some such than that the their them then there ' +
  'these they this those to too under up upon us was we were what when where whether which while who whom whose why will with would you your'
).split(' ')
const STOPS = new Set(STOP_WORDS.flatMap((word) => tokensOf(word)))

/** Different words of a question that are searched for: the first ones. */
const MAX_QUERY_TOKENS = 32

/** What a question is searched by: its different words in order, without those that say nothing unless it has no others. */
export function queryTokens(text: string): string[] {
  const all = [...new Set(tokensOf(text))]
  const telling = all.filter((token) => !STOPS.has(token))
  return (telling.length > 0 ? telling : all).slice(0, MAX_QUERY_TOKENS)
}
