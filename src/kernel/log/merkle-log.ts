import { concatBytes, equalBytes } from '../base/bytes.ts'
import { errorMessage } from '../base/errors.ts'
import { KEYSPACES, type Keyspace, textKeyspace } from '../storage/keyspaces.ts'
import type { Store, Transaction } from '../storage/store.ts'
import { decodeEntries, encodeEntries, MAX_LEAF_BYTES, TILE_HEIGHT, TILE_WIDTH } from './tiles.ts'
import { bagPeaks, HASH_BYTES, peakHeights } from './tree.ts'
import { leafHashText, nativeNodeHash, nodeHashText } from './tree-hashes.ts'
import type { MmrPath } from './verify.ts'

/** Where a log ends. */
interface Head {
  readonly size: number
  /** The peaks of the tree, tallest first, in base64url; undefined where a version wrote it that kept the size alone. */
  readonly peaks: string | undefined
}

/** Log name → number of its leaves, and the peaks. They stand in the hashes too: what differs is damaged. */
const heads: Keyspace<Head> = {
  ...textKeyspace(KEYSPACES.logs),
  encode: ({ size, peaks }) => `${size} ${peaks}`,
  decode(text) {
    const [size, peaks] = text.split(' ')
    return { size: /^\d{1,16}$/.test(size!) ? Number(size) : Number.NaN, peaks }
  },
}
/** In base64url, of which a reader decodes the hash that it wants. */
const hashes = textKeyspace(KEYSPACES.logHashes)
// Each byte as the character of its number: JSON, which most leaves are, takes no more room than it has bytes.
const leaves: Keyspace<Uint8Array> = {
  ...textKeyspace(KEYSPACES.logLeaves),
  encode: asText,
  decode: (text) => new Uint8Array(Buffer.from(text, 'latin1')),
}

/** Names keep out `!`, which ends them in keys. */
const NAME = /^$|^[A-Za-z0-9_-]{1,64}(\/[A-Za-z0-9_-]{1,64})*$/

type Reader = Pick<Transaction, 'get'>

/** Leaves that are appended together are kept together, as far as they fill whole runs: a record of a run costs little more than one of a leaf. */
const RUN = 16
/** Levels of the tree from which on nodes that were read are remembered, and how many are: of 16 million leaves all, in 3 MB. */
const INNER_LEVEL = 10
const MAX_INNER = 16_384
/** Hashes in front of those of the leaf in its run: each leaf completes as many as its number has ones at its end, and one. */
const BEFORE = Array.from({ length: RUN }, (_, leaf) =>
  Array.from({ length: leaf }, (_, before) => completedBy(before)).reduce((sum, count) => sum + count, 0),
)

const EMPTY: Head = { size: 0, peaks: '' }

/** The records of a log do not fit each other. */
export class LogDamageError extends Error {
  override readonly name = 'LogDamageError'
}

/**
 * An append-only log with the tree of RFC 9162 over its leaves. Several logs, each with a name, share a store.
 *
 * A leaf's record holds the hashes that it completes: its own, then those of the perfect subtrees that end with it. So an append
 * writes two hashes on average and rewrites none, and every node of the tree is found by one read, or two. Of a run, the records of all leaves are
 * one, under the key of the last. Nothing is kept in memory but a bounded number of high nodes: what was appended is visible exactly when its transaction is durable.
 */
export class MerkleLog {
  readonly name: string
  readonly #store: Store
  /** Nodes of high levels, which most proofs have in common. What is durable of them never changes. */
  readonly #inner = new Map<string, Uint8Array>()

  /** `name` is empty for the node's own log. */
  constructor(store: Store, name: string) {
    if (!NAME.test(name)) throw new TypeError(`${JSON.stringify(name)} cannot name a log: ${NAME.source} is allowed`)
    this.#store = store
    this.name = name
  }

  /** Leaves that are durable. */
  get size(): number {
    return this.#sizeIn(this.#store)
  }

  /** Names of all logs of a store that have leaves. */
  static async names(store: Store): Promise<string[]> {
    return await Array.fromAsync(store.keys(heads))
  }

  /**
   * Adds a leaf within the caller's transaction, so that an act and its leaf become durable together or not at all; returns its
   * index. Throws `RangeError` for a leaf that no bundle of `tlog-tiles` can hold.
   */
  append(tx: Transaction, data: Uint8Array): number {
    return this.appendAll(tx, [data])
  }

  /** Adds leaves as {@link append} does; returns the index of the first. What is read and written beside them once is not done for each. */
  appendAll(tx: Transaction, data: readonly Uint8Array[]): number {
    const head = this.#headIn(tx)
    const peaks = this.#peaks(head, tx).map(asText)
    const end = head.size + data.length
    let index = head.size
    let run = ''
    for (const leaf of data) {
      if (leaf.length > MAX_LEAF_BYTES) {
        throw new RangeError(`a leaf has at most ${MAX_LEAF_BYTES} bytes, this one ${leaf.length}`)
      }
      let hash = leafHashText(leaf)
      run += hash
      // An odd position has its left sibling already, which is the last peak: together they complete the node above.
      for (let position = index; position % 2 === 1; position = (position - 1) / 2) {
        hash = nodeHashText(peaks.pop()!, hash)
        run += hash
      }
      peaks.push(hash)
      const start = index - (index % RUN)
      const isOfRun = start >= head.size && start + RUN <= end
      if (!isOfRun) {
        tx.put(leaves, this.#key(index), leaf)
      } else if (index === start + RUN - 1) {
        tx.put(leaves, this.#runKey(index), bundleOf(data.slice(start - head.size, index + 1 - head.size)))
      }
      if (!isOfRun || index === start + RUN - 1) {
        tx.put(hashes, this.#key(index), Buffer.from(run, 'latin1').toString('base64url'))
        run = ''
      }
      index++
    }
    tx.put(heads, this.name, { size: index, peaks: Buffer.from(peaks.join(''), 'latin1').toString('base64url') })
    return head.size
  }

  /** Root of the tree over the first `size` leaves. */
  root(size: number = this.size): Uint8Array {
    this.#checkSize(size)
    return this.#subtree(0, size)
  }

  /**
   * Looks whether the end of the log is what was written: that it has its last leaf and none beyond it, that the leaf has the hash that is kept of
   * it, and that the peaks, which stand twice, are the same. So a root that damage has changed is never signed. Reads O(log n) records; damage further
   * inside makes proofs that do not hold. Throws {@link LogDamageError}.
   */
  check(): void {
    const head = this.#headIn(this.#store)
    const { size } = head
    const beyond = [
      this.#store.get(hashes, this.#key(size)),
      this.#store.get(hashes, this.#key(runEnd(size))),
      this.#store.get(leaves, this.#key(size)),
      this.#store.get(leaves, this.#runKey(runEnd(size))),
    ]
    if (beyond.some((record) => record !== undefined)) {
      throw this.#damage(`it ends with ${size} leaves, but holds a leaf ${size}`)
    }
    if (size === 0) return
    const last = size - 1
    const leaf = this.leaf(last) ?? this.#missing(last)
    if (leaf.length > MAX_LEAF_BYTES) throw this.#damage(`its leaf ${last} has ${leaf.length} bytes`)
    let hash = leafHashText(leaf)
    for (let level = 0, position = last; ; level++, position = (position - 1) / 2) {
      if (asText(this.#node(this.#store, level, position)) !== hash) {
        throw this.#damage(`the hashes of its leaf ${last} are not those of the leaf`)
      }
      if (position % 2 === 0) break
      hash = nodeHashText(asText(this.#node(this.#store, level, position - 1)), hash)
    }
    const kept = concatBytes(this.#peaks(head, this.#store))
    if (!equalBytes(kept, concatBytes(this.#peaks({ size, peaks: undefined }, this.#store)))) {
      throw this.#damage(`the peaks of its ${size} leaves are not the hashes of its tree`)
    }
  }

  /** Size and root as a transaction sees them, with what it and those before it append. */
  stateIn(tx: Transaction): { readonly size: number; readonly root: Uint8Array } {
    const size = this.#sizeIn(tx)
    return { size, root: this.#subtree(0, size, tx) }
  }

  /** The leaf at `index`; undefined when there is none. */
  leaf(index: number): Uint8Array | undefined {
    const leaf = this.#store.get(leaves, this.#key(index))
    if (leaf !== undefined) return leaf
    const end = runEnd(index)
    const bundle = this.#store.get(leaves, this.#runKey(end))
    if (bundle === undefined) return undefined
    try {
      return decodeEntries(bundle, RUN)[index % RUN]
    } catch (error) {
      throw this.#damage(`the leaves up to ${end}: ${errorMessage(error)}`)
    }
  }

  /** Path of RFC 9162 §2.1.3.1 from the leaf at `index` to the root at `size`, the leaf's sibling first. Throws `RangeError`. */
  inclusion(index: number, size: number): Uint8Array[] {
    this.#checkIndex(index, size)
    const reader = new Once(this.#store)
    const path: Uint8Array[] = []
    let start = 0
    let end = size
    while (end - start > 1) {
      const middle = start + leftWidth(end - start)
      if (index < middle) {
        path.push(this.#subtree(middle, end, reader))
        end = middle
      } else {
        path.push(this.#subtree(start, middle, reader))
        start = middle
      }
    }
    return path.reverse()
  }

  /** The same proof in the form of a Merkle Mountain Range. Throws `RangeError`. */
  mmrInclusion(index: number, size: number): MmrPath {
    this.#checkIndex(index, size)
    const reader = new Once(this.#store)
    const siblings: Uint8Array[] = []
    const peaks: Uint8Array[] = []
    let start = 0
    for (const height of peakHeights(size)) {
      const end = start + 2 ** height
      if (index < start || index >= end) {
        peaks.push(this.#subtree(start, end, reader))
      } else {
        for (let level = 0; level < height; level++) {
          const position = Math.floor(index / 2 ** level)
          siblings.push(this.#node(reader, level, position % 2 === 1 ? position - 1 : position + 1))
        }
      }
      start = end
    }
    return { siblings, peaks }
  }

  /** Proof of RFC 9162 §2.1.4.1 that the tree at `to` begins with the tree at `from`. Throws `RangeError`. */
  consistency(from: number, to: number): Uint8Array[] {
    this.#checkSize(to)
    if (!Number.isSafeInteger(from) || from < 0 || from > to) {
      throw new RangeError(`Tree size ${from} out of bounds [0, ${to}]`)
    }
    if (from === 0) return []
    const path: Uint8Array[] = []
    let start = 0
    let end = to
    while (end > from) {
      const middle = start + leftWidth(end - start)
      if (from <= middle) {
        path.push(this.#subtree(middle, end))
        end = middle
      } else {
        path.push(this.#subtree(start, middle))
        start = middle
      }
    }
    // From the very left, the last subtree is the older tree itself, whose root the verifier has.
    if (start > 0) path.push(this.#subtree(start, end))
    return path.reverse()
  }

  /** `width` hashes of the tile at `level` and `index`, concatenated; undefined when the log does not have them all (yet). */
  tile(level: number, index: number, width: number): Uint8Array | undefined {
    const first = index * TILE_WIDTH
    if (first + width > Math.floor(this.size / TILE_WIDTH ** level)) return undefined
    const reader = new Once(this.#store)
    return concatBytes(Array.from({ length: width }, (_, i) => this.#node(reader, level * TILE_HEIGHT, first + i)))
  }

  /** The bundle of `width` leaves at `index`; undefined when the log does not have them all (yet). */
  entries(index: number, width: number): Uint8Array | undefined {
    const first = index * TILE_WIDTH
    if (first + width > this.size) return undefined
    return encodeEntries(Array.from({ length: width }, (_, i) => this.leaf(first + i) ?? this.#missing(first + i)))
  }

  #headIn(reader: Reader): Head {
    const head = reader.get(heads, this.name) ?? EMPTY
    if (!Number.isSafeInteger(head.size)) throw this.#damage('its size is no number')
    return head
  }

  #sizeIn(reader: Reader): number {
    return this.#headIn(reader).size
  }

  /** Tallest first. */
  #peaks({ size, peaks }: Head, reader: Reader): Uint8Array[] {
    const heights = peakHeights(size)
    if (peaks === undefined) {
      let next = 0
      return heights.map((height) => {
        const peak = this.#node(reader, height, next / 2 ** height)
        next += 2 ** height
        return peak
      })
    }
    const bytes = Buffer.from(peaks, 'base64url')
    if (bytes.length !== heights.length * HASH_BYTES) throw this.#damage(`it keeps no ${heights.length} peaks`)
    return heights.map((_, i) => bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES))
  }

  /** Root of the leaves from `start` to before `end`, where `start` is a multiple of a power of two not below their number. */
  #subtree(start: number, end: number, reader: Reader = this.#store): Uint8Array {
    let next = start
    const peaks = peakHeights(end - start).map((height) => {
      const peak = this.#node(reader, height, next / 2 ** height)
      next += 2 ** height
      return peak
    })
    return bagPeaks(peaks, nativeNodeHash)
  }

  /** The hash at `position` among the perfect subtrees of 2^`level` leaves. */
  #node(reader: Reader, level: number, position: number): Uint8Array {
    if (level < INNER_LEVEL || !(reader instanceof Once)) return this.#stored(reader, level, position)
    const key = `${level}/${position}`
    const known = this.#inner.get(key)
    if (known !== undefined) return known
    const hash = this.#stored(reader, level, position)
    if (this.#inner.size >= MAX_INNER) this.#inner.clear()
    this.#inner.set(key, hash)
    return hash
  }

  #stored(reader: Reader, level: number, position: number): Uint8Array {
    const last = (position + 1) * 2 ** level - 1
    const end = runEnd(last)
    const atEnd = reader.get(hashes, this.#key(end))
    const ofEnd = completedBy(end)
    if (atEnd?.length === charactersOf(BEFORE[RUN - 1]! + ofEnd)) return hashAt(atEnd, BEFORE[last % RUN]! + level)
    const record = (last === end ? atEnd : reader.get(hashes, this.#key(last))) ?? this.#missing(last)
    if (record.length !== charactersOf(completedBy(last)))
      throw this.#damage(`the record of its leaf ${last} is cut off`)
    return hashAt(record, level)
  }

  #checkSize(size: number): void {
    if (!Number.isSafeInteger(size) || size < 0 || size > this.size) {
      throw new RangeError(`Tree size ${size} out of bounds [0, ${this.size}]`)
    }
  }

  #checkIndex(index: number, size: number): void {
    this.#checkSize(size)
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
      throw new RangeError(`Log index ${index} out of bounds [0, ${size})`)
    }
  }

  #key(index: number): string {
    return `${this.name}!${index.toString(36).padStart(11, '0')}`
  }

  /** Of the leaves of the run that ends with `index`. */
  #runKey(index: number): string {
    return `${this.#key(index)}+`
  }

  #missing(index: number): never {
    throw this.#damage(`the record of its leaf ${index} is missing`)
  }

  #damage(reason: string): LogDamageError {
    return new LogDamageError(`the log "${this.name}" is damaged: ${reason}`)
  }
}

/** The last leaf of the run that `index` is in. */
const runEnd = (index: number): number => index - (index % RUN) + RUN - 1

function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** Characters of so many hashes in base64url. */
const charactersOf = (count: number): number => Math.ceil((count * HASH_BYTES * 4) / 3)

/** The hash at a place of a record. */
function hashAt(record: string, place: number): Uint8Array {
  const start = place * HASH_BYTES
  // Three bytes are four characters.
  const group = Math.floor(start / 3)
  const text = record.slice(group * 4, Math.ceil((start + HASH_BYTES) / 3) * 4)
  const skipped = start - group * 3
  return new Uint8Array(Buffer.from(text, 'base64url').subarray(skipped, skipped + HASH_BYTES))
}

/** How many hashes the leaf at `index` completes. */
function completedBy(index: number): number {
  let count = 1
  for (let rest = index; rest % 2 === 1; rest = (rest - 1) / 2) count++
  return count
}

/** The leaves of a run, each behind its length: what `encodeEntries` gives, without lists of lists. */
function bundleOf(leaves: readonly Uint8Array[]): Uint8Array {
  const bundle = Buffer.allocUnsafe(leaves.reduce((size, leaf) => size + 2 + leaf.length, 0))
  let at = 0
  for (const leaf of leaves) {
    at = bundle.writeUInt16BE(leaf.length, at)
    bundle.set(leaf, at)
    at += leaf.length
  }
  return bundle
}

/** Reads each durable record once: the nodes of a run stand together. */
class Once implements Reader {
  readonly #store: Store
  readonly #known = new Map<string, unknown>()

  constructor(store: Store) {
    this.#store = store
  }

  get<Value>(space: Keyspace<Value>, key: string): Value | undefined {
    if (!this.#known.has(key)) this.#known.set(key, this.#store.get(space, key))
    return this.#known.get(key) as Value | undefined
  }
}

/** Leaves left of the split of RFC 9162 §2.1.1: the largest power of two below `width`. */
const leftWidth = (width: number): number => 2 ** peakHeights(width - 1)[0]!
