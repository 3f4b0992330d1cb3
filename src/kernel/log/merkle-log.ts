import { concatBytes, equalBytes } from '../base/bytes.ts'
import { KEYSPACES, type Keyspace, textKeyspace } from '../storage/keyspaces.ts'
import type { Store, Transaction } from '../storage/store.ts'
import { LeafRecords } from './leaf-records.ts'
import { LogDamageError } from './log-damage.ts'
import { encodeEntries, MAX_LEAF_BYTES, TILE_HEIGHT, TILE_WIDTH } from './tiles.ts'
import { bagPeaks, HASH_BYTES, peakHeights } from './tree.ts'
import { leafHashText, nativeNodeHash, nodeHashText } from './tree-hashes.ts'
import { type Reader, TreeRecords } from './tree-records.ts'
import type { MmrPath } from './verify.ts'

/** Where a log ends. */
interface Head {
  readonly size: number
  /** The peaks of the tree, tallest first, in base64url. */
  readonly peaks: string
}

/** Log name → number of its leaves, and the peaks. They stand in the hashes too: what differs is damaged. */
const heads: Keyspace<Head> = {
  ...textKeyspace(KEYSPACES.logs),
  encode: ({ size, peaks }) => `${size} ${peaks}`,
  decode(text) {
    const [size, peaks = ''] = text.split(' ')
    return { size: /^\d{1,16}$/.test(size!) ? Number(size) : Number.NaN, peaks }
  },
}

/** Names keep out `!`, which ends them in keys. */
const NAME = /^$|^[A-Za-z0-9_-]{1,64}(\/[A-Za-z0-9_-]{1,64})*$/

const EMPTY: Head = { size: 0, peaks: '' }

/**
 * An append-only log with the tree of RFC 9162 over its leaves. Several logs, each with a name, share a store. Nothing is kept in
 * memory: what was appended is visible exactly when its transaction is durable.
 */
export class MerkleLog {
  readonly name: string
  readonly #store: Store
  readonly #leaves: LeafRecords
  readonly #tree: TreeRecords

  /** `name` is empty for the node's own log. */
  constructor(store: Store, name: string) {
    if (!NAME.test(name)) throw new TypeError(`${JSON.stringify(name)} cannot name a log: ${NAME.source} is allowed`)
    this.#store = store
    this.name = name
    this.#leaves = new LeafRecords(name)
    this.#tree = new TreeRecords(name)
  }

  /** Leaves that are durable. */
  get size(): number {
    return this.#sizeIn(this.#store)
  }

  /** Leaves as a snapshot or a transaction sees them. */
  sizeIn(reader: Reader): number {
    return this.#sizeIn(reader)
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
    const peaks = this.#peaks(head).map(asText)
    this.#leaves.append(tx, head.size, data)
    this.#tree.append(tx, head.size, peaks, data)
    const text = Buffer.from(peaks.join(''), 'latin1').toString('base64url')
    tx.put(heads, this.name, { size: head.size + data.length, peaks: text })
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
    if (this.leaf(size) !== undefined) throw this.#damage(`it ends with ${size} leaves, but holds a leaf ${size}`)
    this.#tree.check(this.#store, size)
    if (size === 0) return
    const last = size - 1
    const leaf = this.leaf(last) ?? this.#missing(last)
    if (leaf.length > MAX_LEAF_BYTES) throw this.#damage(`its leaf ${last} has ${leaf.length} bytes`)
    let hash = leafHashText(leaf)
    for (let level = 0, position = last; ; level++, position = (position - 1) / 2) {
      if (asText(this.#tree.node(this.#store, level, position)) !== hash) {
        throw this.#damage(`the hashes of its leaf ${last} are not those of the leaf`)
      }
      if (position % 2 === 0) break
      hash = nodeHashText(asText(this.#tree.node(this.#store, level, position - 1)), hash)
    }
    const kept = concatBytes(this.#peaks(head))
    if (!equalBytes(kept, concatBytes(this.#perfect(0, size, this.#store)))) {
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
    return this.#leaves.get(this.#store, index)
  }

  /** Path of RFC 9162 §2.1.3.1 from the leaf at `index` to the root at `size`, the leaf's sibling first. Throws `RangeError`. */
  inclusion(index: number, size: number): Uint8Array[] {
    this.#checkIndex(index, size)
    const reader = new Once(this.#store)
    const path: Uint8Array[] = []
    for (let level = 0, width = 1; width < size; level++, width *= 2) {
      const position = Math.floor(index / width)
      const sibling = position % 2 === 1 ? position - 1 : position + 1
      const start = sibling * width
      if (start + width <= size) path.push(this.#tree.node(reader, level, sibling))
      // What is behind the last perfect subtree of a level is one node, too, if there is anything.
      else if (start < size) path.push(this.#subtree(start, size, reader))
    }
    return path
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
          siblings.push(this.#tree.node(reader, level, position % 2 === 1 ? position - 1 : position + 1))
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
    return concatBytes(Array.from({ length: width }, (_, i) => this.#tree.node(reader, level * TILE_HEIGHT, first + i)))
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
  #peaks({ size, peaks }: Head): Uint8Array[] {
    const heights = peakHeights(size)
    const bytes = Buffer.from(peaks, 'base64url')
    if (bytes.length !== heights.length * HASH_BYTES) throw this.#damage(`it keeps no ${heights.length} peaks`)
    return heights.map((_, i) => bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES))
  }

  /** Root of the leaves from `start` to before `end`, where `start` is a multiple of a power of two not below their number. */
  #subtree(start: number, end: number, reader: Reader = this.#store): Uint8Array {
    return bagPeaks(this.#perfect(start, end, reader), nativeNodeHash)
  }

  /** Roots of the perfect subtrees that these leaves are, tallest first. */
  #perfect(start: number, end: number, reader: Reader): Uint8Array[] {
    let next = start
    return peakHeights(end - start).map((height) => {
      const root = this.#tree.node(reader, height, next / 2 ** height)
      next += 2 ** height
      return root
    })
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

  #missing(index: number): never {
    throw this.#damage(`the record of its leaf ${index} is missing`)
  }

  #damage(reason: string): LogDamageError {
    return new LogDamageError(this.name, reason)
  }
}

function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
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
