import { fullDisk, ProviderError } from '../../kernel/base/errors.ts'
import type { BlobStore, BlobWriter } from '../../kernel/storage/blobs.ts'
import type { StagedPackage } from '../api.ts'

/** A staged package with the file behind it, for the flows of this node. */
export class StagedBlob implements StagedPackage {
  readonly writer: BlobWriter
  /** A copy of all bytes for whoever opens the package, where they are few enough to be held in memory. */
  readonly bytes: Uint8Array | undefined
  readonly #synced: Promise<unknown>

  constructor(writer: BlobWriter) {
    this.writer = writer
    this.bytes = writer.copy()
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

  /** Brings the bytes to their place, durably. They stay there until the function that this resolves to is called; see `BlobStore.place`. */
  async place(blobs: BlobStore, named: (digest: string) => boolean): Promise<() => void> {
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
    writer.hashed()
    return new StagedBlob(writer)
  } catch (error) {
    await writer.discard()
    throw fullDisk(error)
  }
}
