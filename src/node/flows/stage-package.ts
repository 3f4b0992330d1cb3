import { ProviderError } from '../../kernel/base/errors.ts'
import type { BlobStore, BlobWriter } from '../../kernel/storage/blobs.ts'
import type { StagedPackage } from '../api.ts'

/** A staged package with the file behind it, for the flows of this node. */
export class StagedBlob implements StagedPackage {
  readonly writer: BlobWriter
  readonly #synced: Promise<unknown>

  constructor(writer: BlobWriter) {
    this.writer = writer
    this.#synced = writer.finish()
    // Whoever registers awaits it; a package that is discarded need not reach the disk.
    this.#synced.catch(() => undefined)
  }

  get digest(): string {
    return `sha256:${this.writer.summary.digest}`
  }

  get size(): number {
    return this.writer.summary.size
  }

  /** Resolves when the bytes are on disk. */
  async synced(): Promise<void> {
    await this.#synced
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
  const writer = await blobs.create()
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
    throw error
  }
}
