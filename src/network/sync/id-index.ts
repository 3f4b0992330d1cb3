/** Bytes of an id: a SHA-256 digest. */
export const ID_BYTES = 32

/** Ids in one chunk at most: an insertion moves 16 KiB at the worst. */
const CHUNK_IDS = 512

interface Chunk {
  readonly bytes: Uint8Array
  count: number
}

/** Negative, zero or positive, as the id at `aAt` of `a` is before, equal to or behind the one at `bAt` of `b`. */
export function compareIds(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number {
  for (let i = 0; i < ID_BYTES; i++) {
    const difference = a[aAt + i]! - b[bAt + i]!
    if (difference !== 0) return difference
  }
  return 0
}

/** A set of ids in their order, in 32 bytes each: chunks of sorted ids, so that changes move little. */
export class IdIndex {
  readonly #chunks: Chunk[] = []
  readonly #versions = new Uint32Array(256)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** A number that is another one after each change of the ids whose first byte is `first`. */
  versionOf(first: number): number {
    return this.#versions[first]!
  }

  has(id: Uint8Array): boolean {
    const chunk = this.#chunks[this.#chunkOf(id)]
    return chunk !== undefined && isAt(chunk, placeIn(chunk, id), id)
  }

  /** False when it is there already. */
  add(id: Uint8Array): boolean {
    if (id.length !== ID_BYTES) throw new RangeError(`an id has ${ID_BYTES} bytes, this one ${id.length}`)
    if (this.#chunks.length === 0) this.#chunks.push(emptyChunk())
    let number = this.#chunkOf(id)
    let chunk = this.#chunks[number]!
    if (isAt(chunk, placeIn(chunk, id), id)) return false
    if (chunk.count === CHUNK_IDS) {
      this.#split(number)
      number = this.#chunkOf(id)
      chunk = this.#chunks[number]!
    }
    const at = placeIn(chunk, id) * ID_BYTES
    chunk.bytes.copyWithin(at + ID_BYTES, at, chunk.count * ID_BYTES)
    chunk.bytes.set(id, at)
    chunk.count++
    this.#changed(id, 1)
    return true
  }

  /** False when it is not there. */
  delete(id: Uint8Array): boolean {
    const number = this.#chunkOf(id)
    const chunk = this.#chunks[number]
    if (chunk === undefined) return false
    const place = placeIn(chunk, id)
    if (!isAt(chunk, place, id)) return false
    const at = place * ID_BYTES
    chunk.bytes.copyWithin(at, at + ID_BYTES, chunk.count * ID_BYTES)
    chunk.count--
    if (chunk.count === 0) this.#chunks.splice(number, 1)
    this.#changed(id, -1)
    return true
  }

  /** All ids, one behind the other. */
  copy(): Uint8Array {
    const all = new Uint8Array(this.#size * ID_BYTES)
    let at = 0
    for (const { bytes, count } of this.#chunks) {
      all.set(bytes.subarray(0, count * ID_BYTES), at)
      at += count * ID_BYTES
    }
    return all
  }

  /** The ids with this first byte. Each is a view that the next change of the index may overwrite. */
  withFirst(first: number): Uint8Array[] {
    const lowest = new Uint8Array(ID_BYTES)
    lowest[0] = first
    const found: Uint8Array[] = []
    for (let number = this.#chunkOf(lowest); number < this.#chunks.length; number++) {
      const { bytes, count } = this.#chunks[number]!
      for (let at = 0; at < count * ID_BYTES; at += ID_BYTES) {
        if (bytes[at]! > first) return found
        if (bytes[at] === first) found.push(bytes.subarray(at, at + ID_BYTES))
      }
    }
    return found
  }

  /** The last chunk that starts with `id` or before it; the first one where none does. */
  #chunkOf(id: Uint8Array): number {
    let low = 0
    let high = this.#chunks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (compareIds(this.#chunks[middle]!.bytes, 0, id, 0) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }

  #split(number: number): void {
    const chunk = this.#chunks[number]!
    const half = CHUNK_IDS / 2
    const upper = emptyChunk()
    upper.bytes.set(chunk.bytes.subarray(half * ID_BYTES))
    upper.count = CHUNK_IDS - half
    chunk.count = half
    this.#chunks.splice(number + 1, 0, upper)
  }

  #changed(id: Uint8Array, by: 1 | -1): void {
    this.#size += by
    this.#versions[id[0]!]!++
  }
}

const emptyChunk = (): Chunk => ({ bytes: new Uint8Array(CHUNK_IDS * ID_BYTES), count: 0 })

const isAt = ({ bytes, count }: Chunk, place: number, id: Uint8Array): boolean =>
  place < count && compareIds(bytes, place * ID_BYTES, id, 0) === 0

/** How many ids of a chunk are before `id`. */
function placeIn({ bytes, count }: Chunk, id: Uint8Array): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareIds(bytes, middle * ID_BYTES, id, 0) < 0) low = middle + 1
    else high = middle
  }
  return low
}
