import { errorMessage } from '../base/errors.ts'
import { KEYSPACES, type Keyspace, textKeyspace } from '../storage/keyspaces.ts'
import type { Store, Transaction } from '../storage/store.ts'
import { LogDamageError } from './log-damage.ts'
import { decodeEntries, MAX_LEAF_BYTES } from './tiles.ts'

// Each byte as the character of its number: JSON, which most leaves are, takes no more room than it has bytes.
const leaves: Keyspace<Uint8Array> = {
  ...textKeyspace(KEYSPACES.logLeaves),
  encode: ({ buffer, byteOffset, length }) => Buffer.from(buffer, byteOffset, length).toString('latin1'),
  decode: (text) => new Uint8Array(Buffer.from(text, 'latin1')),
}

/** Leaves that are appended together are kept together, as far as they fill whole runs: a record of a run costs little more than one of a leaf. */
const RUN = 32

/** The leaves of a log on disk: each under its own key, or those of a run under one, which names the last. */
export class LeafRecords {
  readonly #log: string

  constructor(log: string) {
    this.#log = log
  }

  /** Adds leaves behind the first `size`. Throws `RangeError` for one that no bundle of `tlog-tiles` can hold. */
  append(tx: Transaction, size: number, data: readonly Uint8Array[]): void {
    const tooLong = data.find((leaf) => leaf.length > MAX_LEAF_BYTES)
    if (tooLong !== undefined) {
      throw new RangeError(`a leaf has at most ${MAX_LEAF_BYTES} bytes, this one ${tooLong.length}`)
    }
    for (let at = 0; at < data.length; ) {
      const index = size + at
      if (index % RUN === 0 && at + RUN <= data.length) {
        tx.put(leaves, this.#runKey(index), bundleOf(data.slice(at, at + RUN)))
        at += RUN
      } else {
        tx.put(leaves, this.#key(index), data[at++]!)
      }
    }
  }

  /** The leaf at `index`; undefined when there is none. */
  get(store: Store, index: number): Uint8Array | undefined {
    const leaf = store.get(leaves, this.#key(index))
    if (leaf !== undefined) return leaf
    const bundle = store.get(leaves, this.#runKey(index))
    if (bundle === undefined) return undefined
    try {
      return decodeEntries(bundle, RUN)[index % RUN]
    } catch (error) {
      const first = index - (index % RUN)
      throw new LogDamageError(this.#log, `the leaves ${first} to ${first + RUN - 1}: ${errorMessage(error)}`)
    }
  }

  #key(index: number): string {
    return `${this.#log}!${index.toString(36).padStart(11, '0')}`
  }

  /** Of the leaves of the run that `index` is in. */
  #runKey(index: number): string {
    return `${this.#key(index - (index % RUN) + RUN - 1)}+`
  }
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
