/** Characters of a text that are read. */
const MAX_TEXT = 64 * 1024
/** Words of a name that are read. */
export const MAX_NAME_WORDS = 64
/** Characters of a word; what is longer is cut. */
const MAX_WORD = 64
/** Characters of a name without what separates its words. */
const MAX_SQUASHED = 64
/** Names that are longer by so many characters are not close. */
const NEAR_LENGTH = 2

/**
 * The words of a text: lower case, without accents, made of letters and digits alone. Indexed texts and queries go through here both, so that
 * nothing in them can be syntax, and whatever is found was looked for in the same form.
 */
export function wordsOf(text: string, most: number): string[] {
  const plain = text
    .slice(0, MAX_TEXT)
    .toWellFormed()
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}+/gu, '')
  const words: string[] = []
  for (const [word] of plain.matchAll(/[\p{L}\p{N}]+/gu)) {
    if (words.length >= most) break
    words.push(word.slice(0, MAX_WORD).toWellFormed())
  }
  return words
}

/** A name without what separates its words: `sql-query`, `sql_query` and `SqlQuery` are the same. */
export const squash = (words: readonly string[]): string => words.join('').slice(0, MAX_SQUASHED).toWellFormed()

/** Three characters at a time, with marks at both ends. */
export function gramsOf(squashed: string): string[] {
  if (squashed === '') return []
  const characters = [...`^${squashed}$`]
  return [...new Set(characters.slice(2).map((_, at) => characters.slice(at, at + 3).join('')))]
}

/** What a trigram tokenizer is to read of a name: the same grams, and one for its length. */
export const gramText = (squashed: string): string =>
  squashed === '' ? '' : `^${squashed}$${lengthGram([...squashed].length)}`

/** The grams that names of about this length have. */
export function nearLengths(squashed: string): string[] {
  const length = [...squashed].length
  const grams: string[] = []
  for (let near = Math.max(1, length - NEAR_LENGTH); near <= length + NEAR_LENGTH; near++) grams.push(lengthGram(near))
  return grams
}

const lengthGram = (length: number): string => `#${String(length).padStart(2, '0')}`

/** How alike two squashed names are, from 0 to 1: by the grams that they share, or by the edits between them, whichever says more. */
export function likeness(a: string, b: string): number {
  if (a === b) return 1
  const grams = new Set(gramsOf(a))
  const others = gramsOf(b)
  const shared = others.filter((gram) => grams.has(gram)).length
  const edits = editDistance(a, b) / Math.max(a.length, b.length, 1)
  return Math.max((2 * shared) / Math.max(grams.size + others.length, 1), 1 - edits)
}

/** How alike names are to `name`, as far as {@link likeness} says. */
export function likenessOf(name: string): (other: string) => number {
  const squashed = squash(wordsOf(name, MAX_NAME_WORDS))
  return (other) => likeness(squashed, squash(wordsOf(other, MAX_NAME_WORDS)))
}

/** Insertions, deletions, replacements, and exchanges of neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + Number(a[row - 1] !== b[column - 1])
      const exchanged =
        row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
          ? before[column - 2]! + 1
          : Number.POSITIVE_INFINITY
      current.push(Math.min(replaced, exchanged, previous[column]! + 1, current[column - 1]! + 1))
    }
    before = previous
    previous = current
  }
  return previous[b.length]!
}
