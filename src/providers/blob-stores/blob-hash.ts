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

  /** Bytes so far. */
  get size(): number {
    return this.#size
  }

  /** Chunks that are complete. */
  get chunks(): number {
    return this.#leaves.length
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

  /** Told of a chunk by somebody who hashes the whole, too. `leaf` is the chunk's digest. */
  appended(length: number, leaf: Uint8Array): void {
    this.#size += length
    this.#leaves.push(leaf)
  }

  /** What was found, once, at the end. `digest` is that of the whole, in hexadecimal, where somebody else hashed it. */
  summary(digest = this.#whole.digest('hex')): BlobSummary {
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
