import { hash } from 'node:crypto'
import { MAX_LEAF_BYTES } from './tiles.ts'
import { HASH_BYTES } from './tree.ts'

/**
 * The hashes of `tree.ts` for who appends by the thousand: by Node's own SHA-256, and as text whose characters are the bytes ('latin1'). A text is
 * made three times as fast as a list of bytes.
 */

const leaf = Buffer.alloc(1 + MAX_LEAF_BYTES)
const node = Buffer.alloc(1 + 2 * HASH_BYTES)
node[0] = 1

/** SHA-256(0x00 ‖ data), of at most `MAX_LEAF_BYTES`. */
export function leafHashText(data: Uint8Array): string {
  leaf.set(data, 1)
  return hash('sha256', leaf.subarray(0, 1 + data.length), 'binary')
}

/** SHA-256(0x01 ‖ left ‖ right), of two hashes. */
export function nodeHashText(left: string, right: string): string {
  node.write(left, 1, HASH_BYTES, 'latin1')
  node.write(right, 1 + HASH_BYTES, HASH_BYTES, 'latin1')
  return hash('sha256', node, 'binary')
}

/** `nodeHash` of `tree.ts` by Node's own SHA-256: for two hashes. */
export function nativeNodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  node.set(left, 1)
  node.set(right, 1 + HASH_BYTES)
  const { buffer, byteOffset } = hash('sha256', node, 'buffer')
  return new Uint8Array(buffer, byteOffset, HASH_BYTES)
}
