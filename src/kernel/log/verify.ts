import { equalBytes } from '../base/bytes.ts'
import { bagPeaks, EMPTY_ROOT, HASH_BYTES, type NodeHash, nodeHash, peakHeights } from './tree.ts'

/**
 * Verdicts on proofs about a log. Browser-safe. Counts and directions follow from index and size alone, so a proof that is longer
 * or shorter than it must be is refused, as is anything malformed: all verdicts are false then, never an error. `hashOf` is for runtimes that have a
 * faster SHA-256; it gets two hashes.
 */

/** That the leaf at `index` is in the tree of `size` leaves with this root. */
export interface InclusionClaim {
  readonly leafHash: Uint8Array
  readonly index: number
  readonly size: number
  readonly root: Uint8Array
}

/** That the tree of `from` leaves is the beginning of the tree of `to` leaves. */
export interface ConsistencyClaim {
  readonly from: number
  readonly fromRoot: Uint8Array
  readonly to: number
  readonly toRoot: Uint8Array
}

/** A membership proof in the form of a Merkle Mountain Range. */
export interface MmrPath {
  /** From the leaf up to its peak. */
  readonly siblings: readonly Uint8Array[]
  /** The other peaks, tallest first. */
  readonly peaks: readonly Uint8Array[]
}

/** RFC 9162 §2.1.3.2. `path` goes from the leaf's sibling up. */
export function verifyInclusion(
  claim: InclusionClaim,
  path: readonly Uint8Array[],
  hashOf: NodeHash = nodeHash,
): boolean {
  if (!isInside(claim) || !areHashes([claim.leafHash, ...path])) return false
  let hash = claim.leafHash
  let node = claim.index
  let last = claim.size - 1
  for (const sibling of path) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = hashOf(sibling, hash)
      // A last node without a right neighbour moves up as it is.
      while (node % 2 === 0 && node > 0) {
        node = half(node)
        last = half(last)
      }
    } else {
      hash = hashOf(hash, sibling)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && equalBytes(hash, claim.root)
}

/**
 * RFC 9162 §2.1.4.2. Where the RFC has no proof, the empty one is right: for two trees of one size, whose roots must be equal, and
 * for the tree without leaves, with which every log begins.
 */
export function verifyConsistency(
  claim: ConsistencyClaim,
  path: readonly Uint8Array[],
  hashOf: NodeHash = nodeHash,
): boolean {
  const { from, fromRoot, to, toRoot } = claim
  if (!isSize(from) || !isSize(to) || from > to || !areHashes([fromRoot, toRoot, ...path])) return false
  if (from === to) return path.length === 0 && equalBytes(fromRoot, toRoot)
  if (from === 0) return path.length === 0 && equalBytes(fromRoot, EMPTY_ROOT)
  let node = from - 1
  let last = to - 1
  while (node % 2 === 1) {
    node = half(node)
    last = half(last)
  }
  // A perfect tree is a node of the later one: the verifier has its hash, so the proof leaves it out.
  const [start, ...rest] = node === 0 ? [fromRoot, ...path] : path
  if (start === undefined) return false
  let older = start
  let newer = start
  for (const hash of rest) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      older = hashOf(hash, older)
      newer = hashOf(hash, newer)
      while (node % 2 === 0 && node > 0) {
        node = half(node)
        last = half(last)
      }
    } else {
      newer = hashOf(newer, hash)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && equalBytes(older, fromRoot) && equalBytes(newer, toRoot)
}

/** The same as {@link verifyInclusion}, for a proof of the agent network: `index` is its `log_index`, `size` its `mmr_size`. */
export function verifyMmrInclusion(
  claim: InclusionClaim,
  { siblings, peaks }: MmrPath,
  hashOf: NodeHash = nodeHash,
): boolean {
  if (!isInside(claim) || !areHashes([claim.leafHash, ...siblings, ...peaks])) return false
  const heights = peakHeights(claim.size)
  let own = 0
  // The leaf's position inside the subtree under its peak.
  let position = claim.index
  while (position >= 2 ** heights[own]!) position -= 2 ** heights[own++]!
  if (siblings.length !== heights[own] || peaks.length !== heights.length - 1) return false
  let hash = claim.leafHash
  for (const sibling of siblings) {
    hash = position % 2 === 1 ? hashOf(sibling, hash) : hashOf(hash, sibling)
    position = half(position)
  }
  return equalBytes(bagPeaks([...peaks.slice(0, own), hash, ...peaks.slice(own)], hashOf), claim.root)
}

const half = (value: number): number => Math.floor(value / 2)

const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

const isInside = ({ index, size }: InclusionClaim): boolean => isSize(index) && isSize(size) && index < size

const areHashes = (hashes: readonly Uint8Array[]): boolean => hashes.every((hash) => hash.length === HASH_BYTES)
