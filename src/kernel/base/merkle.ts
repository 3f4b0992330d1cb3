import { concatBytes } from './bytes.ts'
import { sha256 } from './hash.ts'

/** Tree hashing of RFC 9162 §2.1.1, used for chunks of a package and for frames of a batch. */

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** SHA-256(0x00 ‖ data). */
export const leafHash = (data: Uint8Array): Uint8Array => sha256(concatBytes([LEAF, data]))

const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256(concatBytes([NODE, left, right]))

/** Root of the tree over `leaves` (leaf hashes, in order); of no leaves, SHA-256 of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array())
  // Pairing level by level, with an odd last node moved up, gives the same tree as splitting at the largest power of two.
  let level = leaves
  while (level.length > 1) {
    const above: Uint8Array[] = []
    for (let i = 0; i + 1 < level.length; i += 2) above.push(nodeHash(level[i]!, level[i + 1]!))
    if (level.length % 2 === 1) above.push(level[level.length - 1]!)
    level = above
  }
  return level[0]!
}
