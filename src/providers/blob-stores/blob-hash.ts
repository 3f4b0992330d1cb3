import { createHash, type Hash } from 'node:crypto'
import { LIMITS } from '../../../protocol/limits.ts'
import { concatBytes, toHex } from '../../kernel/base/bytes.ts'
import { merkleRoot } from '../../kernel/base/merkle.ts'
import type { BlobSummary } from '../../kernel/plugins/packages/blob-stores.ts'

const LEAF = Uint8Array.of(0)

/** Finds out digest and chunk tree of bytes that arrive in pieces of any size, or in chunks that somebody else has hashed. */
export class BlobHash {
  readonly #whole: Hash = createHash('sha256')
  readonly #leaves: Uint8Array[] = []
  #chunk: Hash | undefined
  #chunkBytes = 0
  #size = 0
  /** Chunks that are here before others that precede them, by position. */
  readonly #later = new Map<number, { readonly length: number; readonly leaf: Uint8Array }>()

  /** Bytes so far, up to the first hole. */
  get size(): number {
    return this.#size
  }

  /** Chunks that are complete. */
  get chunks(): number {
    return this.#leaves.length + this.#later.size
  }

  update(data: Uint8Array): void {
    this.#whole.update(data)
    this.#size += data.length
    for (let offset = 0; offset < data.length; ) {
      this.#chunk ??= createHash('sha256').update(LEAF)
      const part = data.subarray(offset, offset + LIMITS.chunkBytes - this.#chunkBytes)
      this.#chunk.update(part)
      this.#chunkBytes += part.length
      offset += part.length
      if (this.#chunkBytes === LIMITS.chunkBytes) this.#endChunk()
    }
  }

  /** Whether the chunk at `position` is here. */
  has(position: number): boolean {
    return position < this.#size || this.#later.has(position)
  }

  /** Told of a chunk by somebody who hashes the whole, too. `leaf` is the chunk's digest. */
  appended(position: number, length: number, leaf: Uint8Array): void {
    if (this.has(position)) return
    this.#later.set(position, { length, leaf })
    for (let next = this.#later.get(this.#size); next !== undefined; next = this.#later.get(this.#size)) {
      this.#later.delete(this.#size)
      this.#size += next.length
      this.#leaves.push(next.leaf)
    }
  }

  /** Throws when a chunk is missing before one that is here. */
  assertWhole(): void {
    if (this.#later.size > 0) throw new Error(`the blob has a hole at ${this.#size}`)
  }

  /** What was found, once, at the end. `digest` is that of the whole, in hexadecimal, where somebody else hashed it. */
  summary(digest = this.#whole.digest('hex')): BlobSummary {
    this.assertWhole()
    if (this.#chunkBytes > 0) this.#endChunk()
    return {
      digest,
      size: this.#size,
      chunks: concatBytes(this.#leaves),
      chunksRoot: toHex(merkleRoot(this.#leaves)),
    }
  }

  #endChunk(): void {
    this.#leaves.push(this.#chunk!.digest())
    this.#chunk = undefined
    this.#chunkBytes = 0
  }
}
