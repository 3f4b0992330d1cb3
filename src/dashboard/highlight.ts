/** A piece of a document. */
export interface Piece {
  readonly text: string
  /** Index of the citation that it belongs to; undefined for what is not cited. */
  readonly mark: number | undefined
}

/** A cited part of a document, in bytes, end exclusive. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A document in pieces, with what is cited told apart. Spans outside the document, and what two of them share, are cited once. */
export function highlighted(document: Uint8Array, spans: readonly Span[]): Piece[] {
  const decoder = new TextDecoder()
  const pieces: Piece[] = []
  const add = (from: number, to: number, mark: number | undefined): void => {
    if (to > from) pieces.push({ text: decoder.decode(document.subarray(from, to)), mark })
  }
  let at = 0
  const ordered = spans.map((span, mark) => ({ ...span, mark })).sort((a, b) => a.start - b.start)
  for (const { start, end, mark } of ordered) {
    const from = Math.min(Math.max(start, at), document.length)
    const to = Math.min(Math.max(end, from), document.length)
    if (to === from) continue
    add(at, from, undefined)
    add(from, to, mark)
    at = to
  }
  add(at, document.length, undefined)
  return pieces
}
