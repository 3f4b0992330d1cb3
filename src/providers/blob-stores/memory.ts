import { LIMITS } from '../../../protocol/limits.ts'
import { equalBytes } from '../../kernel/base/bytes.ts'
import { leafHash } from '../../kernel/base/merkle.ts'
import type { BlobReader, BlobStore, BlobSummary, BlobWriter } from '../../kernel/plugins/packages/blob-stores.ts'
import { BlobHash } from './blob-hash.ts'
import { PinnedBlobs } from './pinned-blobs.ts'

const DEFAULT_MAX_BYTES = 1024 * 1024 * 1024

/** Configuration of the provider `memory`. */
export interface MemoryBlobStoreConfig {
  /** Bytes of all blobs, those included that are being written; 1 GiB unless told otherwise. */
  readonly max_bytes?: number
}

/**
 * A blob store in memory, empty at first and gone with the process. It is for tests, and for nodes whose data directory is thrown away
 * after them: the records of a data directory that is used again would name packages that are gone.
 */
export const createMemoryBlobStore = (
  _signal: AbortSignal,
  { max_bytes: maxBytes = DEFAULT_MAX_BYTES }: MemoryBlobStoreConfig,
): BlobStore => new MemoryBlobStore(maxBytes)

/** How many bytes there may be. */
class Budget {
  readonly #most: number
  #used = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Throws as a full disk does. */
  take(bytes: number): void {
    if (this.#used + bytes > this.#most) {
      const message = `the blob store in memory holds ${this.#used} bytes; ${bytes} more would exceed its max_bytes, ${this.#most}`
      throw Object.assign(new Error(message), { code: 'ENOSPC' })
    }
    this.#used += bytes
  }

  giveBack(bytes: number): void {
    this.#used -= bytes
  }
}

/** Bytes as whole chunks, only the last of which may be shorter. */
type Chunks = readonly Uint8Array[]

class MemoryBlobStore extends PinnedBlobs<MemoryBlobWriter> {
  readonly #budget: Budget
  readonly #blobs = new Map<string, { readonly chunks: Chunks; readonly size: number }>()

  constructor(maxBytes: number) {
    super()
    this.#budget = new Budget(maxBytes)
  }

  protected async reader(digest: string): Promise<BlobReader | undefined> {
    const blob = this.#blobs.get(digest)
    if (blob === undefined) return undefined
    return {
      read: async (buffer, length, position) => ({ bytesRead: copyOut(blob.chunks, buffer, length, position) }),
      close: async () => undefined,
    }
  }

  protected writer(ended: () => void): MemoryBlobWriter {
    return new MemoryBlobWriter(this.#budget, ended)
  }

  protected async move(writer: MemoryBlobWriter): Promise<void> {
    const { digest, size } = writer.summary
    if (!this.#blobs.has(digest)) this.#blobs.set(digest, { chunks: writer.handOver(), size })
  }

  protected remove(digest: string): void {
    const blob = this.#blobs.get(digest)
    if (blob === undefined) return
    this.#blobs.delete(digest)
    this.#budget.giveBack(blob.size)
  }

  protected placed(): Iterable<string> {
    return [...this.#blobs.keys()]
  }

  protected async letGo(): Promise<void> {
    this.#blobs.clear()
  }
}

class MemoryBlobWriter implements BlobWriter {
  readonly #budget: Budget
  readonly #ended: () => void
  readonly #hash = new BlobHash()
  #chunks: Uint8Array[] = []
  /** Chunks that came before their turn, by position. */
  readonly #later = new Map<number, Uint8Array>()
  /** Bytes that this writer answers for: none once the store does. */
  #charged = 0
  #summary: BlobSummary | undefined
  #discarded = false

  constructor(budget: Budget, ended: () => void) {
    this.#budget = budget
    this.#ended = ended
  }

  get size(): number {
    return this.#hash.size
  }

  get summary(): BlobSummary {
    if (this.#summary === undefined) throw new Error('the blob is not finished')
    return this.#summary
  }

  async write(data: Uint8Array): Promise<void> {
    this.#assertWritable()
    this.#charge(data.length)
    this.#add(data)
  }

  #add(data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const at = (this.size + done) % LIMITS.chunkBytes
      if (at === 0) this.#chunks.push(new Uint8Array(LIMITS.chunkBytes))
      const part = data.subarray(done, done + LIMITS.chunkBytes - at)
      this.#chunks.at(-1)!.set(part, at)
      done += part.length
    }
    this.#hash.update(data)
  }

  chunkBuffer(): Uint8Array {
    return new Uint8Array(LIMITS.chunkBytes)
  }

  async append(bytes: Uint8Array, length: number, position: number, leaf: Uint8Array): Promise<boolean> {
    this.#assertWritable()
    const chunk = bytes.subarray(0, length)
    if (position < this.size || this.#later.has(position)) return true
    if (!equalBytes(leafHash(chunk), leaf)) return false
    this.#charge(length)
    this.#later.set(position, chunk)
    for (let next = this.#later.get(this.size); next !== undefined; next = this.#later.get(this.size)) {
      this.#later.delete(this.size)
      this.#add(next)
    }
    return true
  }

  async read(buffer: Uint8Array, length: number, position: number): Promise<{ bytesRead: number }> {
    this.#assertKept()
    return { bytesRead: copyOut(this.#chunks, buffer, Math.min(length, this.size - position), position) }
  }

  async hashed(): Promise<BlobSummary> {
    this.#assertKept()
    if (this.#summary !== undefined) return this.#summary
    if (this.#later.size > 0) throw new Error(`the blob has a hole at ${this.size}`)
    const rest = this.size % LIMITS.chunkBytes
    // Most packages are smaller than a chunk.
    if (rest > 0) this.#chunks.push(this.#chunks.pop()!.slice(0, rest))
    this.#summary = this.#hash.summary()
    return this.#summary
  }

  finish(): Promise<BlobSummary> {
    return this.hashed()
  }

  source(): Uint8Array {
    const bytes = new Uint8Array(this.summary.size)
    copyOut(this.#chunks, bytes, bytes.length, 0)
    return bytes
  }

  /** The bytes, which the store answers for from here on. */
  handOver(): Chunks {
    // Nothing more, unless it was placed before and removed since.
    this.#budget.take(this.size - this.#charged)
    this.#charged = 0
    return this.#chunks
  }

  async discard(): Promise<void> {
    this.#discarded = true
    this.#budget.giveBack(this.#charged)
    this.#charged = 0
    this.#chunks = []
    this.#later.clear()
    this.#ended()
  }

  #charge(bytes: number): void {
    this.#budget.take(bytes)
    this.#charged += bytes
  }

  #assertKept(): void {
    if (this.#discarded) throw new Error('the blob was discarded')
  }

  #assertWritable(): void {
    this.#assertKept()
    if (this.#summary !== undefined) throw new Error('the blob is finished')
  }
}

/** Copies bytes at `position` into the beginning of `buffer`, and says how many there were. */
function copyOut(chunks: Chunks, buffer: Uint8Array, length: number, position: number): number {
  let done = 0
  while (done < length) {
    const at = position + done
    const start = at % LIMITS.chunkBytes
    const part = chunks[Math.floor(at / LIMITS.chunkBytes)]?.subarray(start, start + length - done)
    if (part === undefined || part.length === 0) break
    buffer.set(part, done)
    done += part.length
  }
  return done
}
