import { concatBytes } from '../../kernel/base/bytes.ts'
import { fullDisk, ProviderError } from '../../kernel/base/errors.ts'
import type { BlobStore, BlobWriter, IsNamed } from '../../kernel/plugins/packages/blob-stores.ts'
import type { StagedPackage } from '../api.ts'
import { readAhead } from './package-source.ts'

/** A staged package with the blob behind it, for the flows of this node. */
export class StagedBlob implements StagedPackage {
  readonly writer: BlobWriter
  /** What a validator opens; see `BlobWriter.source`. A path is good once the package was placed. */
  readonly source: string | Uint8Array
  readonly #synced: Promise<unknown>

  /** The hashes of `writer` are complete. */
  constructor(writer: BlobWriter) {
    this.writer = writer
    this.source = writer.source()
    this.#synced = writer.finish()
    // Whoever registers hears of a failure.
    this.#synced.catch(() => undefined)
  }

  get digest(): string {
    return `sha256:${this.writer.summary.digest}`
  }

  get size(): number {
    return this.writer.summary.size
  }

  /** The first `length` bytes, fewer only of a smaller package. To be called before a validator gets the source. */
  async head(length: number): Promise<Uint8Array> {
    if (typeof this.source !== 'string') return this.source.slice(0, length)
    const pieces: Uint8Array[] = []
    const end = Math.min(length, this.size) - 1
    for await (const piece of readAhead(
      (...at) => this.writer.read(...at),
      0,
      end,
      () => undefined,
    )) {
      pieces.push(piece.slice())
    }
    return concatBytes(pieces)
  }

  /** Brings the bytes to their place, durably. They stay there until the function that this resolves to is called; see `BlobStore.place`. */
  async place(blobs: BlobStore, named: IsNamed): Promise<() => void> {
    await this.#synced
    return await blobs.place(this.writer, named)
  }

  async discard(): Promise<void> {
    await this.#synced.catch(() => undefined)
    await this.writer.discard()
  }
}

/** Receives a package, hashing while it is written. Throws `PROV_001` with status 413 past `maxBytes`, and leaves nothing behind when it fails. */
export async function stagePackage(
  blobs: BlobStore,
  bytes: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<StagedBlob> {
  const writer = blobs.create()
  try {
    for await (const piece of bytes) {
      if (writer.size + piece.length > maxBytes) {
        throw new ProviderError(
          'PROV_001',
          `the package is larger than ${maxBytes} bytes, which is the most that this node takes`,
          { status: 413 },
        )
      }
      await writer.write(piece)
    }
    if (writer.size === 0) throw new ProviderError('PROV_008', 'the package is empty')
    await writer.hashed()
    return new StagedBlob(writer)
  } catch (error) {
    await writer.discard()
    throw fullDisk(error)
  }
}
