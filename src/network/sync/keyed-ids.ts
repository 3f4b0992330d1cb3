import { createCipheriv } from 'node:crypto'
import { concatBytes, utf8 } from '../../kernel/base/bytes.ts'
import { sha256 } from '../../kernel/base/hash.ts'
import { compareIds, ID_BYTES, type IdIndex } from './id-index.ts'
import { Turns } from './turns.ts'

/** Bytes of a fingerprint. */
export const FINGERPRINT_BYTES = 16
/** Bytes that each side contributes to the key of a session. */
export const NONCE_BYTES = 16

/** Ids that are tagged at a time: about a millisecond. */
const BATCH = 4096
const BLOCK_BYTES = 16
/** Numbers of 32 bits in a tag or fingerprint. */
const LANES = 4

/** The key of a session: nobody who chose records before it could know it. */
export const sessionKey = (set: string, openersNonce: Uint8Array, answerersNonce: Uint8Array): Uint8Array =>
  sha256(concatBytes([utf8(`cytoplex/sync/${set}\n`), openersNonce, answerersNonce]))

/**
 * The ids of a set as they were when a session began. The fingerprint of a range is the sum of its ids' tags, four numbers modulo 2^32; the tag
 * of an id is its AES-256 CBC-MAC under the session's key (two blocks always, so the MAC is a pseudorandom function). Sums are kept from
 * the first id on, so that any range costs one subtraction.
 */
export class KeyedIds {
  readonly ids: Uint8Array
  readonly count: number
  readonly #sums: Uint32Array

  private constructor(ids: Uint8Array, sums: Uint32Array) {
    this.ids = ids
    this.count = ids.length / ID_BYTES
    this.#sums = sums
  }

  static async of(index: Pick<IdIndex, 'copy'>, key: Uint8Array): Promise<KeyedIds> {
    const ids = index.copy()
    const count = ids.length / ID_BYTES
    const sums = new Uint32Array((count + 1) * LANES)
    const turns = new Turns()
    for (let from = 0; from < count; from += BATCH) {
      addTags(key, ids, from, Math.min(count, from + BATCH), sums)
      await turns.next()
    }
    return new KeyedIds(ids, sums)
  }

  /** A view. */
  id(number: number): Uint8Array {
    return this.ids.subarray(number * ID_BYTES, (number + 1) * ID_BYTES)
  }

  /** How many ids are before `bound`: an id, or the first bytes of one, which zeros follow. */
  before(bound: Uint8Array): number {
    const padded = new Uint8Array(ID_BYTES)
    padded.set(bound)
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareIds(this.ids, middle * ID_BYTES, padded, 0) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Of the ids with the numbers from `start` to `end`, without `end`. */
  fingerprint(start: number, end: number): Uint8Array {
    const sum = new DataView(new ArrayBuffer(FINGERPRINT_BYTES))
    for (let lane = 0; lane < LANES; lane++) {
      sum.setUint32(lane * 4, this.#sums[end * LANES + lane]! - this.#sums[start * LANES + lane]!, true)
    }
    return new Uint8Array(sum.buffer)
  }
}

/** Fills in the sums behind the ids from `start` to `end`. */
function addTags(key: Uint8Array, ids: Uint8Array, start: number, end: number, sums: Uint32Array): void {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
  const blocks = new Uint8Array((end - start) * BLOCK_BYTES)
  for (let i = 0; i < end - start; i++) {
    const at = (start + i) * ID_BYTES
    blocks.set(ids.subarray(at, at + BLOCK_BYTES), i * BLOCK_BYTES)
  }
  const chained = cipher.update(blocks)
  for (let i = 0; i < chained.length; i++) {
    chained[i]! ^= ids[start * ID_BYTES + (i >> 4) * ID_BYTES + BLOCK_BYTES + (i & 15)]!
  }
  const tags = cipher.update(chained)
  const words = new DataView(tags.buffer, tags.byteOffset, tags.length)
  for (let i = 0; i < (end - start) * LANES; i++) {
    const at = start * LANES + i
    sums[at + LANES] = sums[at]! + words.getUint32(i * 4, true)
  }
}
