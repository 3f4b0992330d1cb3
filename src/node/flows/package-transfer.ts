import { createHash, type Hash } from 'node:crypto'
import { LIMITS } from '../../../protocol/limits.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import { equalBytes } from '../../kernel/base/bytes.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import { unlessAborted } from '../../kernel/base/racing.ts'
import type { BlobWriter } from '../../kernel/storage/blobs.ts'
import type { PackageSource } from '../api.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import { readAhead } from './package-source.ts'

type Parts = Pick<NodeParts, 'cache' | 'network' | 'logger' | 'events'>

const LEAF = Uint8Array.of(0)
/** Milliseconds without a byte after which a transfer is given up. */
const STALL_MS = 15_000
/** Chunks that may be on their way to the disk at once. */
const WRITES_AHEAD = 4
/** Chunks between two hints to the disk. */
const FLUSH_EVERY = 16

/** A package that a peer holds, as far as it is known before its bytes: signed by its publisher, and chunk by chunk checkable. */
export interface Described {
  readonly provider: string
  readonly offer: VerifiedOffer
  /** Leaf digests of the chunk tree; they add up to the manifest's root. */
  readonly leaves: readonly Uint8Array[]
}

/** Hears that a package was kept, and what had to go for it. */
export type OnKept = (kept: CellRecord, evicted: readonly CellRecord[]) => void

/** One package on its way here: verified chunk by chunk, readable as far as it is verified, kept if the cache admits it. */
export class PackageTransfer {
  readonly digest: string
  readonly size: number
  readonly #parts: Parts
  readonly #described: Described
  readonly #providers: readonly string[]
  readonly #writer: BlobWriter
  #verified = 0
  #failure: Error | undefined
  /** A write that the disk refused: then no other peer can help. */
  #broken: Error | undefined
  #done = false
  #readers = 0
  #waiting: (() => void)[] = []
  /** Ends of chunks that are written while an earlier one is not. */
  readonly #ends = new Set<number>()
  readonly #onKept: OnKept

  constructor(parts: Parts, described: Described, providers: readonly string[], writer: BlobWriter, onKept: OnKept) {
    this.#onKept = onKept
    this.#parts = parts
    this.#described = described
    this.#providers = [described.provider, ...providers.filter((provider) => provider !== described.provider)]
    this.#writer = writer
    this.digest = described.offer.manifest.package.digest
    this.size = described.offer.manifest.package.size
  }

  /** Fetches to the end, from one provider after the other, each going on where the last good chunk ended. Never throws. */
  async run(): Promise<void> {
    try {
      let lastError: unknown
      for (const provider of this.#providers) {
        try {
          await this.#receive(provider)
          break
        } catch (error) {
          if (this.#broken !== undefined) throw this.#broken
          lastError = error
          this.#parts.logger.warn(
            { provider, digest: this.digest, reason: errorMessage(error) },
            'a package transfer failed',
          )
        }
      }
      if (this.#writer.size < this.size) throw lastError
      await this.#finish()
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      this.#parts.logger.warn({ digest: this.digest, reason: this.#failure.message }, 'a package could not be fetched')
    } finally {
      this.#done = true
      this.#wake()
    }
  }

  /** Whether a reader may still join. */
  get joinable(): boolean {
    return !this.#done || this.#readers > 0
  }

  source(): PackageSource {
    this.#readers++
    let open = true
    return {
      digest: this.digest,
      size: this.size,
      complete: false,
      read: (start, end, signal) =>
        readAhead(
          (buffer, length, position) => this.#writer.read(buffer, length, position),
          start,
          end,
          (position) => this.#available(position, signal),
        ),
      close: async () => {
        if (!open) return
        open = false
        this.#readers--
        await this.closeWhenUnused()
      },
    }
  }

  async #receive(provider: string): Promise<void> {
    const { leaves } = this.#described
    let index = Math.floor(this.#writer.size / LIMITS.chunkBytes)
    let pieces: Uint8Array[] = []
    let filled = 0
    let hash = leafHasher()
    const writes: Promise<void>[] = []
    const stall = new StallTimer(STALL_MS)
    try {
      for await (const bytes of this.#parts.network.fetchPackage(provider, this.digest, index, {
        signal: stall.signal,
      })) {
        stall.progress()
        for (let offset = 0; offset < bytes.length; ) {
          const wanted = Math.min(LIMITS.chunkBytes, this.size - index * LIMITS.chunkBytes) - filled
          if (wanted <= 0) throw new Error('the peer sent more than the package')
          const piece = bytes.subarray(offset, offset + wanted)
          offset += piece.length
          filled += piece.length
          hash.update(piece)
          pieces.push(piece)
          if (piece.length < wanted) continue
          const leaf = hash.digest()
          if (!equalBytes(leaf, leaves[index]!)) throw new Error(`chunk ${index} is not what the publisher signed`)
          const written = this.#write(pieces, leaf)
          // It is awaited further down, maybe after the next bytes: until then its failure must not count as unhandled.
          written.catch((error: unknown) => {
            this.#broken ??= error instanceof Error ? error : new Error(String(error))
          })
          writes.push(written)
          if (writes.length > WRITES_AHEAD) await writes.shift()
          index++
          pieces = []
          filled = 0
          hash = leafHasher()
        }
      }
      if (index < leaves.length) throw new Error('the transfer ended early')
    } finally {
      stall.clear()
      await Promise.all(writes)
    }
  }

  async #write(pieces: readonly Uint8Array[], leaf: Uint8Array): Promise<void> {
    const written = this.#writer.appendChunk(pieces, leaf)
    const end = this.#writer.size
    if (this.#writer.leaves.length % FLUSH_EVERY === 0) this.#writer.flushAhead()
    await written
    // Writes may finish out of order by a little; readers are told of a position only when all before it is there.
    this.#progress(end)
  }

  #progress(end: number): void {
    this.#ends.add(end)
    for (let next = this.#verified + LIMITS.chunkBytes; this.#ends.delete(next); next += LIMITS.chunkBytes) {
      // The last bytes are held back until the digest of the whole is known to be right.
      if (next < this.size) this.#verified = next
    }
    this.#wake()
  }

  async #finish(): Promise<void> {
    const summary = this.#writer.hashed()
    if (`sha256:${summary.digest}` !== this.digest) {
      throw new ProviderError(
        'PROV_008',
        `the publisher signed chunks of ${this.digest} that make up sha256:${summary.digest}`,
      )
    }
    if (this.#parts.cache.admits(this.size)) await this.#keep()
    this.#verified = this.size
    this.#wake()
  }

  /** Takes the package into the cache, before a reader gets its last bytes: who has downloaded it can rely on this node for it. */
  async #keep(): Promise<void> {
    const { offer, provider } = this.#described
    await this.#writer.finish()
    const { record, evicted } = await this.#parts.cache.keep(offer, provider, offer.createdAt, this.#writer)
    for (const { manifest } of evicted) {
      this.#parts.events.emit('cell_evicted', {
        digest: manifest.package.digest,
        bytes: manifest.package.size,
        publisher: manifest.publisher,
      })
    }
    this.#parts.events.emit('cell_cached', {
      digest: this.digest,
      bytes: this.size,
      publisher: record.manifest.publisher,
      from: provider,
    })
    this.#onKept(record, evicted)
  }

  async #available(position: number, signal: AbortSignal | undefined): Promise<void> {
    while (this.#verified < position) {
      signal?.throwIfAborted()
      if (this.#failure !== undefined) throw this.#failure
      if (this.#done) throw new Error('the package is shorter than its manifest says')
      const progress = new Promise<void>((resolve) => this.#waiting.push(resolve))
      await (signal === undefined ? progress : unlessAborted(progress, signal))
    }
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }

  /** Lets go of the file once the transfer is over and the last reader has left. */
  async closeWhenUnused(): Promise<void> {
    if (this.#done && this.#readers === 0) await this.#writer.discard()
  }
}

const leafHasher = (): Hash => createHash('sha256').update(LEAF)

/** Aborts when nothing moved for a while. One timer for a whole transfer. */
class StallTimer {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(ms: number) {
    this.#timer = setTimeout(() => this.#controller.abort(new Error(`no byte came for ${ms / 1000} s`)), ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  progress(): void {
    this.#timer.refresh()
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}
