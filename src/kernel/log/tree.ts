import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '../base/bytes.ts'

/**
 * Hashes and shape of the tree of RFC 9162 §2.1.1. Browser-safe, so that the log and those who verify it use the same lines.
 *
 * A tree of any size is a row of perfect subtrees, one for each bit of the size, tallest first; their roots are its *peaks*.
 * Bagging the peaks from right to left gives the RFC's root, so a Merkle Mountain Range with these prefixes is the same tree.
 */

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** Bytes of a hash. */
export const HASH_BYTES = 32

/** Root of the tree without leaves. */
export const EMPTY_ROOT = sha256(new Uint8Array())

/** SHA-256(0x00 ‖ data). */
export const leafHash = (data: Uint8Array): Uint8Array => sha256(concatBytes([LEAF, data]))

/** SHA-256(0x01 ‖ left ‖ right). */
export type NodeHash = (left: Uint8Array, right: Uint8Array) => Uint8Array

export const nodeHash: NodeHash = (left, right) => sha256(concatBytes([NODE, left, right]))

/** Heights of the peaks of a tree with `size` leaves, tallest first. Arithmetic, because bit operators stop at 32 bits. */
export function peakHeights(size: number): number[] {
  const heights: number[] = []
  let rest = size
  for (let height = 0; rest > 0; height++) {
    if (rest % 2 === 1) heights.unshift(height)
    rest = Math.floor(rest / 2)
  }
  return heights
}

/** Root of the tree with these peaks, tallest first. */
export function bagPeaks(peaks: readonly Uint8Array[], hashOf: NodeHash = nodeHash): Uint8Array {
  return peaks.length === 0 ? EMPTY_ROOT : peaks.reduceRight((bag, peak) => hashOf(peak, bag))
}
