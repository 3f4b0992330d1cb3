import type { BlobReader, BlobStore, BlobWriter, IsNamed } from '../../kernel/plugins/packages/blob-stores.ts'

/** Which blobs stay, and what closing ends: the same in every store. Where the bytes are is a store's own matter. */
export abstract class PinnedBlobs<Writer extends BlobWriter> implements BlobStore {
  /** Digests that a registration under way is about to name. */
  readonly #pins = new Map<string, number>()
  readonly #writing = new Set<Writer>()
  readonly #placing = new Set<Promise<void>>()
  #closed = false

  async open(digest: string): Promise<BlobReader | undefined> {
    this.#assertOpen()
    return await this.reader(digest)
  }

  create(): Writer {
    this.#assertOpen()
    const writer = this.writer(() => this.#writing.delete(writer))
    this.#writing.add(writer)
    return writer
  }

  async place(writer: BlobWriter, named: IsNamed): Promise<() => void> {
    this.#assertOpen()
    const own = writer as Writer
    if (!this.#writing.has(own)) throw new TypeError('the blob was discarded, or another store wrote it')
    const { digest } = own.summary
    this.#pins.set(digest, (this.#pins.get(digest) ?? 0) + 1)
    const release = (): void => {
      const pins = this.#pins.get(digest)! - 1
      if (pins === 0) this.#pins.delete(digest)
      else this.#pins.set(digest, pins)
      // What a closed store leaves behind is an orphan, like all that a crash leaves.
      if (!this.#closed) this.removeUnless(digest, named)
    }
    const moving = this.move(own)
    this.#placing.add(moving)
    try {
      await moving
      return release
    } catch (error) {
      release()
      throw error
    } finally {
      this.#placing.delete(moving)
    }
  }

  async keep<Result>(writer: BlobWriter, named: IsNamed, use: () => Promise<Result>): Promise<Result> {
    const release = await this.place(writer, named)
    try {
      return await use()
    } finally {
      release()
    }
  }

  removeUnless(digest: string, named: IsNamed): void {
    this.#assertOpen()
    if (!this.#pins.has(digest) && !named(digest)) this.remove(digest)
  }

  async *digests(): AsyncGenerator<string> {
    this.#assertOpen()
    yield* this.placed()
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#placing)
    for (const writer of this.#writing) await writer.discard()
    await this.letGo()
  }

  /** Opens a blob that was placed; undefined when it is not here. */
  protected abstract reader(digest: string): Promise<BlobReader | undefined>
  /** Makes a writer that calls `ended` when nothing of it is left. */
  protected abstract writer(ended: () => void): Writer
  /** Brings a finished blob to its place, unless it is there. */
  protected abstract move(writer: Writer): Promise<void>
  /** Removes a blob that was placed; none is no error. */
  protected abstract remove(digest: string): void
  /** Digests of the blobs that were placed. */
  protected abstract placed(): AsyncIterable<string> | Iterable<string>
  /** Lets go of what the store itself holds. */
  protected abstract letGo(): Promise<void>

  #assertOpen(): void {
    if (this.#closed) throw new Error('the blob store is closed')
  }
}
