import type { Sentence } from './sentences.ts'

/** Sentences that follow each other and are found together. */
export interface Passage {
  /** Numbers of its sentences in the document, end exclusive. */
  readonly first: number
  readonly end: number
}

/** UTF-16 code units of the sentences of a passage, unless one alone is longer: a paragraph or two. */
const MAX_PASSAGE = 800

/** Puts the sentences of a document together: protocol/README.md, "Passages". */
export function passagesOf(sentences: readonly Sentence[]): Passage[] {
  const passages: Passage[] = []
  let first = 0
  let length = 0
  let hasText = false
  for (const [number, { start, end, kind }] of sentences.entries()) {
    const isFull = number > first && length + end - start > MAX_PASSAGE
    if (isFull || (kind === 'heading' && hasText)) {
      passages.push({ first, end: number })
      first = number
      length = 0
      hasText = false
    }
    length += end - start
    hasText ||= kind !== 'heading'
  }
  if (first < sentences.length) passages.push({ first, end: sentences.length })
  return passages
}
