import { compareIds, ID_BYTES } from './id-index.ts'
import { FINGERPRINT_BYTES } from './keyed-ids.ts'

/**
 * What is said of the ids from the end of the range before up to `to`, without `to`; `to` is an id or its first bytes, which zeros
 * follow, and empty where the range has no end.
 */
export type Range = { readonly to: Uint8Array } & (
  | { readonly kind: 'same' }
  | { readonly kind: 'fingerprint'; readonly fingerprint: Uint8Array }
  /** All ids of the speaker. */
  | { readonly kind: 'ids'; readonly ids: Uint8Array }
  /** The answer to `ids`: which the speaker has beside them, and the places of those that it lacks. */
  | { readonly kind: 'difference'; readonly ids: Uint8Array; readonly missing: readonly number[] }
)

const KINDS = ['same', 'fingerprint', 'ids', 'difference'] as const

/** Bytes of a message of ranges without an end, of which nothing is said. */
const NO_BOUND = new Uint8Array()

/** Puts ranges in bytes. Neighbours that are the same on both sides become one, and those at the end are left out. */
export class RangeWriter {
  readonly #pieces: Uint8Array[] = []
  #length = 0
  #same: Uint8Array | undefined
  readonly #kinds = new Set<Range['kind']>()

  /** Bytes so far. */
  get length(): number {
    return this.#length
  }

  /** Whether a range of this kind was written. */
  has(kind: Range['kind']): boolean {
    return this.#kinds.has(kind)
  }

  add(range: Range): void {
    if (range.kind === 'same') {
      this.#same = range.to
      return
    }
    if (this.#same !== undefined) this.#write(this.#same, 0)
    this.#same = undefined
    if (range.kind === 'fingerprint') this.#write(range.to, 1, range.fingerprint)
    else if (range.kind === 'ids') this.#write(range.to, 2, counted(range.ids), range.ids)
    else this.#write(range.to, 3, counted(range.ids), range.ids, numbers(range.missing))
    this.#kinds.add(range.kind)
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#pieces)
  }

  #write(to: Uint8Array, kind: number, ...content: Uint8Array[]): void {
    for (const piece of [Uint8Array.of(to.length), to, Uint8Array.of(kind), ...content]) {
      this.#pieces.push(piece)
      this.#length += piece.length
    }
  }
}

const counted = (ids: Uint8Array): Uint8Array => uint16(ids.length / ID_BYTES)

const uint16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255)

const numbers = (values: readonly number[]): Uint8Array => Buffer.concat([values.length, ...values].map(uint16))

/** Reads ranges. Throws `RangeError` for bytes that no {@link RangeWriter} writes. */
export function readRanges(bytes: Uint8Array): Range[] {
  const reader = new Reader(bytes)
  const ranges: Range[] = []
  let from: Uint8Array = NO_BOUND
  while (!reader.isAtEnd) {
    if (ranges.length > 0 && from.length === 0) throw new RangeError('a range follows the one without an end')
    const to = reader.take(reader.byte())
    if (to.length > ID_BYTES) throw new RangeError(`a bound has ${to.length} bytes, at most ${ID_BYTES} are allowed`)
    if (to.length > 0 && comparePadded(from, to) >= 0 && ranges.length > 0) {
      throw new RangeError('a range ends before it starts')
    }
    ranges.push(readRange(reader, from, to))
    from = to
  }
  return ranges
}

function readRange(reader: Reader, from: Uint8Array, to: Uint8Array): Range {
  const kind = KINDS[reader.byte()]
  if (kind === undefined) throw new RangeError('a range of an unknown kind')
  if (kind === 'same') return { to, kind }
  if (kind === 'fingerprint') return { to, kind, fingerprint: reader.take(FINGERPRINT_BYTES) }
  const ids = reader.take(reader.uint16() * ID_BYTES)
  checkIds(ids, from, to)
  if (kind === 'ids') return { to, kind, ids }
  const missing = Array.from({ length: reader.uint16() }, () => reader.uint16())
  if (missing.some((place, i) => i > 0 && place <= missing[i - 1]!)) throw new RangeError('places are not in order')
  return { to, kind, ids, missing }
}

/** Throws `RangeError` unless the ids are in order and within their range. */
function checkIds(ids: Uint8Array, from: Uint8Array, to: Uint8Array): void {
  if (ids.length === 0) return
  for (let at = ID_BYTES; at < ids.length; at += ID_BYTES) {
    if (compareIds(ids, at - ID_BYTES, ids, at) >= 0) throw new RangeError('ids are not in order')
  }
  if (comparePadded(ids.subarray(0, ID_BYTES), from) < 0) throw new RangeError('an id is before its range')
  if (to.length > 0 && comparePadded(ids.subarray(-ID_BYTES), to) >= 0)
    throw new RangeError('an id is behind its range')
}

/** Compares bounds, which zeros follow. */
function comparePadded(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(): number {
    return this.take(1)[0]!
  }

  uint16(): number {
    const [high, low] = this.take(2)
    return high! * 256 + low!
  }

  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new RangeError('the ranges end in the middle of one')
    const taken = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return taken
  }
}
