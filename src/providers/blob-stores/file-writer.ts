import { closeSync, constants, fdatasync, open as openFile, openSync, read, write, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import { concatBytes } from '../../kernel/base/bytes.ts'
import type { BlobSummary, BlobWriter } from '../../kernel/plugins/packages/blob-stores.ts'
import { BlobHash } from './blob-hash.ts'
import type { ChunkThread, ChunkWriter } from './chunk-thread.ts'

/** Bytes up to which a blob is held in memory until it is finished: a small one is written with one call. */
const SMALL_BYTES = 256 * 1024
/** Chunks between two hints to the disk. */
const FLUSH_EVERY = 16

const { O_CREAT, O_DSYNC, O_EXCL, O_RDWR } = constants

const fsOpen = promisify(openFile)
const fsRead = promisify(read)
const fsWrite = promisify(write)
const fsDatasync = promisify(fdatasync)

/** What a file store tells its writers. */
export interface FileBlobWriterOptions {
  /** Where the blob is written. */
  readonly path: string
  /** Where the blob of a digest will be. */
  readonly pathOf: (digest: string) => string
  /** Writes chunks. */
  readonly thread: ChunkThread
  /** Called when nothing of the blob is left to close or delete. */
  readonly ended: () => void
}

/** A blob on its way into a file. */
export class FileBlobWriter implements BlobWriter {
  readonly #options: FileBlobWriterOptions
  readonly #hash = new BlobHash()
  /** All bytes, while they are few; undefined once they are in the file only. */
  #small: Uint8Array[] | undefined = []
  #fd: number | undefined
  #chunks: ChunkWriter | undefined
  #hashing: Promise<BlobSummary> | undefined
  #summary: BlobSummary | undefined
  #moved = false
  #flushed: Promise<void> | undefined
  /** A small blob on its way to the disk. */
  #written: Promise<void> | undefined
  #discarded = false
  #discarding: Promise<void> | undefined
  /** What is being done with the file. */
  readonly #using = new Set<Promise<unknown>>()

  constructor(options: FileBlobWriterOptions) {
    this.#options = options
  }

  /** Where the blob is written. */
  get path(): string {
    return this.#options.path
  }

  get size(): number {
    return this.#hash.size
  }

  get summary(): BlobSummary {
    if (this.#summary === undefined) throw new Error('the blob is not finished')
    return this.#summary
  }

  /** Whether the file has its final name. */
  get isMoved(): boolean {
    return this.#moved
  }

  async write(data: Uint8Array): Promise<void> {
    this.#assertKept()
    if (this.#chunks !== undefined) throw new Error('the blob is written chunk by chunk')
    const position = this.size
    this.#hash.update(data)
    if (this.#small !== undefined && this.size <= SMALL_BYTES) {
      this.#small.push(data.slice())
      return
    }
    await this.#track(writeAll(this.#open(), data, position))
  }

  chunkBuffer(): Uint8Array {
    return this.#chunkWriter().buffer()
  }

  /** Checks and writes in a thread. */
  async append(bytes: Uint8Array, length: number, position: number, leaf: Uint8Array): Promise<boolean> {
    if (this.#hashing !== undefined) throw new Error('the blob is finished')
    const fd = this.#open()
    const isGood = await this.#track(this.#chunkWriter().append(fd, bytes, length, position, leaf))
    if (!isGood) return false
    this.#hash.appended(position, length, leaf)
    if (this.#hash.chunks % FLUSH_EVERY === 0) this.#flushAhead(fd)
    return true
  }

  async read(buffer: Uint8Array, length: number, position: number): Promise<{ bytesRead: number }> {
    await this.#written
    return await this.#track(fsRead(this.#open(), buffer, 0, length, position))
  }

  async hashed(): Promise<BlobSummary> {
    this.#hash.assertWhole()
    this.#hashing ??= this.#endHashes()
    return await this.#hashing
  }

  /** Completes the hashes and brings the bytes to the disk. */
  async finish(): Promise<BlobSummary> {
    const summary = await this.hashed()
    if (this.#small !== undefined) {
      this.#written ??= this.#track(this.#writeSmall(this.#small))
      await this.#written
      return summary
    }
    await this.#flushed
    await this.#track(fsDatasync(this.#open()))
    return summary
  }

  source(): string | Uint8Array {
    const { digest } = this.summary
    if (this.#small === undefined) return this.#options.pathOf(digest)
    const bytes = new Uint8Array(this.size)
    let position = 0
    for (const piece of this.#small) {
      bytes.set(piece, position)
      position += piece.length
    }
    return bytes
  }

  /** Told by the store when the file has its final name. */
  moved(): void {
    this.#moved = true
  }

  discard(): Promise<void> {
    this.#discarded = true
    // Who closes the store waits for what who wrote has begun.
    this.#discarding ??= this.#letGo()
    return this.#discarding
  }

  async #letGo(): Promise<void> {
    // The number of the file may be another file's the moment after it was closed: nothing may use it any more.
    while (this.#using.size > 0) await Promise.allSettled(this.#using)
    this.#chunks?.close()
    this.#small = undefined
    if (this.#fd !== undefined) {
      closeSync(this.#fd)
      this.#fd = undefined
      if (!this.#moved) await rm(this.path, { force: true })
    }
    this.#options.ended()
  }

  #chunkWriter(): ChunkWriter {
    this.#assertKept()
    this.#chunks ??= this.#options.thread.writeBlob()
    return this.#chunks
  }

  async #endHashes(): Promise<BlobSummary> {
    this.#assertKept()
    const digest = this.#chunks === undefined ? undefined : await this.#track(this.#chunks.digest())
    this.#chunks?.close()
    this.#summary = this.#hash.summary(digest)
    return this.#summary
  }

  /** The file, with what was held in memory in it. Creating and filling it touches memory only: the disk comes with `finish`. */
  #open(): number {
    this.#assertKept()
    if (this.#fd !== undefined) return this.#fd
    const fd = openSync(this.path, 'wx+', 0o600)
    this.#fd = fd
    let position = 0
    for (const piece of this.#small ?? []) {
      for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done, piece.length - done, position + done)
      position += piece.length
    }
    this.#small = undefined
    return fd
  }

  /** Writes what is held in memory. Each write returns when its bytes are on the disk, and nothing of it happens on the event loop. */
  async #writeSmall(pieces: Uint8Array[]): Promise<void> {
    this.#assertKept()
    const bytes = pieces.length === 1 ? pieces[0]! : concatBytes(pieces)
    this.#fd = await fsOpen(this.path, O_CREAT | O_EXCL | O_RDWR | O_DSYNC, 0o600)
    await writeAll(this.#fd, bytes, 0)
  }

  /** Starts to bring what was written so far to the disk, without waiting, so that `finish` has less to do. */
  #flushAhead(fd: number): void {
    const done = (): void => {
      this.#flushed = undefined
    }
    // A failure here shows again in `finish`, which syncs the same file.
    this.#flushed ??= this.#track(fsDatasync(fd)).then(done, done)
  }

  #assertKept(): void {
    if (this.#discarded) throw new Error('the blob was discarded')
  }

  #track<T>(use: Promise<T>): Promise<T> {
    this.#using.add(use)
    const done = (): void => void this.#using.delete(use)
    use.then(done, done)
    return use
  }
}

async function writeAll(fd: number, data: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await fsWrite(fd, data, done, data.length - done, position + done)
    done += bytesWritten
  }
}
