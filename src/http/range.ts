/** Bytes to send, both ends inclusive. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

const SINGLE = /^bytes=([0-9]*)-([0-9]*)$/i

/**
 * The part of `size` bytes that a `Range` header asks for (RFC 9110 §14.2). `whole` when there is none, when it cannot be read,
 * and for several ranges at once, which a server may ignore.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'whole' | 'unsatisfiable' {
  const match = header === undefined ? null : SINGLE.exec(header.replaceAll(' ', ''))
  if (match === null) return 'whole'
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return 'whole'
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < start) return 'whole'
  return start >= size ? 'unsatisfiable' : { start, end }
}

/** Whether `If-None-Match` names `etag` (RFC 9110 §13.1.2, weak comparison). */
export function noneMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((entry) => {
    const tag = entry.trim()
    return tag === '*' || tag === etag || tag === `W/${etag}`
  })
}

/** Whether a range may be served: no `If-Range`, or one that names `etag` (strong comparison). Dates never match. */
export const rangeApplies = (ifRange: string | undefined, etag: string): boolean =>
  ifRange === undefined || ifRange.trim() === etag
