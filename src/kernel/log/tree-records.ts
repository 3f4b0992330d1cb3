import { KEYSPACES, type Keyspace, textKeyspace } from '../storage/keyspaces.ts'
import type { Store, Transaction } from '../storage/store.ts'
import { LogDamageError } from './log-damage.ts'
import { HASH_BYTES } from './tree.ts'
import { leafHashText, nodeHashText } from './tree-hashes.ts'

/** Levels of the tree that one record spans. */
const HEIGHT = 5
/** Nodes of its lowest level that a full record holds. */
const WIDTH = 2 ** HEIGHT
/** Bytes of a record with so many nodes of its lowest level: each of them completes as many as its number has ones at its end, and itself. */
const BYTES = [0]
for (let node = 0; node < WIDTH; node++) BYTES.push(BYTES[node]! + HASH_BYTES * Math.min(completedBy(node), HEIGHT))

const records: Keyspace<Buffer> = {
  ...textKeyspace(KEYSPACES.logHashes),
  encode: (bytes) => bytes.toString('base64url'),
  decode: (text) => Buffer.from(text, 'base64url'),
}

export type Reader = Pick<Transaction, 'get'>

/**
 * The hashes of a log's tree on disk. Levels are cut into strata of `HEIGHT`; a record holds what is above `WIDTH` neighbours of a stratum's lowest
 * level, in the order in which leaves complete it, so that a record that is not full is the beginning of the full one. A proof reads
 * one record of each stratum, and an append rewrites the last.
 */
export class TreeRecords {
  readonly #log: string

  constructor(log: string) {
    this.#log = log
  }

  /** The hash at `position` among the perfect subtrees of 2^`level` leaves. Throws {@link LogDamageError} where there is none. */
  node(reader: Reader, level: number, position: number): Uint8Array {
    const within = level % HEIGHT
    const lowest = (position + 1) * 2 ** within - 1
    const record = reader.get(records, this.#key((level - within) / HEIGHT, Math.floor(lowest / WIDTH)))
    const start = BYTES[lowest % WIDTH]! + within * HASH_BYTES
    if (record === undefined || record.length < start + HASH_BYTES) {
      throw this.#damage(`the record of its leaf ${(position + 1) * 2 ** level - 1} is missing`)
    }
    return new Uint8Array(record.buffer, record.byteOffset + start, HASH_BYTES)
  }

  /** Adds leaves behind the first `size`, whose peaks are given, tallest first, as text whose characters are the bytes; they become those after it. */
  append(tx: Transaction, size: number, peaks: string[], leaves: readonly Uint8Array[]): void {
    // Of each stratum the record that is being filled.
    const open: string[] = []
    let index = size
    for (const leaf of leaves) {
      let hash = leafHashText(leaf)
      let position = index++
      let stratum = 0
      for (let within = 0; ; ) {
        open[stratum] = (open[stratum] ?? this.#last(tx, stratum, position)) + hash
        if (position % 2 === 0) break
        // An odd position has its left sibling already, which is the last peak: together they complete the node above.
        hash = nodeHashText(peaks.pop()!, hash)
        position = (position - 1) / 2
        if (++within === HEIGHT) {
          this.#put(tx, stratum, position, open[stratum]!)
          open[stratum++] = ''
          within = 0
        }
      }
      peaks.push(hash)
    }
    open.forEach((text, stratum) => {
      if (text !== '') this.#put(tx, stratum, Math.floor(index / WIDTH ** (stratum + 1)), text)
    })
  }

  /** Looks whether the last record of each stratum is as long as it is in a tree of `size` leaves. Throws {@link LogDamageError}. */
  check(store: Store, size: number): void {
    for (let stratum = 0, nodes = size; ; stratum++, nodes = Math.floor(nodes / WIDTH)) {
      const bytes = store.get(records, this.#key(stratum, Math.floor(nodes / WIDTH)))?.length ?? 0
      const expected = BYTES[nodes % WIDTH]!
      if (bytes > expected) throw this.#damage(`it ends with ${size} leaves, but holds a leaf ${size}`)
      if (bytes < expected) throw this.#damage(`the record of its leaf ${nodes * WIDTH ** stratum - 1} is missing`)
      if (nodes === 0) break
    }
  }

  /** The record that the node at `position` continues. */
  #last(tx: Transaction, stratum: number, position: number): string {
    const bytes = BYTES[position % WIDTH]!
    if (bytes === 0) return ''
    const record = tx.get(records, this.#key(stratum, Math.floor(position / WIDTH)))
    if (record?.length !== bytes)
      throw this.#damage(`the record of its leaf ${position * WIDTH ** stratum - 1} is cut off`)
    return record.toString('latin1')
  }

  #put(tx: Transaction, stratum: number, number: number, text: string): void {
    tx.put(records, this.#key(stratum, number), Buffer.from(text, 'latin1'))
  }

  #key(stratum: number, number: number): string {
    return `${this.#log}!${stratum.toString(36)}${number.toString(36).padStart(11, '0')}`
  }

  #damage(reason: string): LogDamageError {
    return new LogDamageError(this.#log, reason)
  }
}

/** How many nodes the one at `index` completes, with itself. */
function completedBy(index: number): number {
  let count = 1
  for (let rest = index; rest % 2 === 1; rest = (rest - 1) / 2) count++
  return count
}
