import { createHash, type Hash, randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fdatasync,
  open as openFile,
  openSync,
  read,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs'
import { type FileHandle, mkdir, open, opendir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LIMITS } from '../../../protocol/limits.ts'
import { concatBytes, toHex } from '../base/bytes.ts'
import { hasCode } from '../base/errors.ts'
import { merkleRoot } from '../base/merkle.ts'
import { DirectorySync, syncDirectory } from './durable-files.ts'

const LEAF = Uint8Array.of(0)
const SHARDS = '0123456789abcdef'

/** What writing a blob found out about its bytes. */
export interface BlobSummary {
  /** SHA-256 in hexadecimal. */
  readonly digest: string
  readonly size: number
  /** Leaf digests of the chunk tree, 32 bytes each, concatenated. */
  readonly chunks: Uint8Array
  /** Root of the chunk tree, in hexadecimal. */
  readonly chunksRoot: string
}

/**
 * Content-addressed files. A blob is written beside the others, hashed on the way, synced, and renamed to its digest; only then may a record
 * name it. Files that no record names are removed by `removeUnless`.
 */
export class BlobStore {
  readonly #directory: string
  readonly #incoming: string
  readonly #directories = new DirectorySync()
  /** Digests that a registration under way is about to name. */
  readonly #pins = new Map<string, number>()
  readonly #writing = new Set<BlobWriter>()

  private constructor(directory: string) {
    this.#directory = directory
    this.#incoming = join(directory, 'incoming')
  }

  /** Opens the blob store in `directory`, creates it when missing, and removes what a crash left half written. */
  static async open(directory: string): Promise<BlobStore> {
    const store = new BlobStore(directory)
    await rm(store.#incoming, { recursive: true, force: true })
    await mkdir(store.#incoming, { recursive: true, mode: 0o700 })
    await Promise.all(Array.from(SHARDS, (shard) => mkdir(join(directory, shard), { recursive: true, mode: 0o700 })))
    await syncDirectory(directory)
    return store
  }

  /** Ends what is still being written, and leaves nothing of it behind. */
  async close(): Promise<void> {
    for (const writer of this.#writing) await writer.discard()
    await this.#directories.close()
  }

  path(digest: string): string {
    return join(this.#directory, digest.slice(0, 1), digest)
  }

  /** Opens a blob for reading; undefined when it is not here. */
  async open(digest: string): Promise<FileHandle | undefined> {
    try {
      return await open(this.path(digest), 'r')
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /** Starts a new blob. */
  create(): BlobWriter {
    const writer = new BlobWriter(join(this.#incoming, randomBytes(12).toString('hex')), () =>
      this.#writing.delete(writer),
    )
    this.#writing.add(writer)
    return writer
  }

  /**
   * Moves a finished blob to its place, durably, and keeps it there until the function that this resolves to is called: then it is removed unless
   * something names it (`named`).
   */
  async place(writer: BlobWriter, named: (digest: string) => boolean): Promise<() => void> {
    const { digest } = writer.summary
    this.#pins.set(digest, (this.#pins.get(digest) ?? 0) + 1)
    const release = (): void => {
      const pins = this.#pins.get(digest)! - 1
      if (pins === 0) this.#pins.delete(digest)
      else this.#pins.set(digest, pins)
      this.removeUnless(digest, named)
    }
    try {
      if (!writer.isMoved) {
        await rename(writer.path, this.path(digest))
        writer.moved()
        await this.#directories.sync(join(this.#directory, digest.slice(0, 1)))
      }
      return release
    } catch (error) {
      release()
      throw error
    }
  }

  /** Moves a finished blob to its place and keeps it there while `use` runs: the one who names it in a record. */
  async keep<Result>(
    writer: BlobWriter,
    named: (digest: string) => boolean,
    use: () => Promise<Result>,
  ): Promise<Result> {
    const release = await this.place(writer, named)
    try {
      return await use()
    } finally {
      release()
    }
  }

  /** Removes a blob unless a record names it or is about to. Synchronous, so that no registration can slip in between. */
  removeUnless(digest: string, named: (digest: string) => boolean): void {
    if (this.#pins.has(digest) || named(digest)) return
    try {
      unlinkSync(this.path(digest))
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
  }

  /** Every blob's digest, in no order. */
  async *digests(): AsyncGenerator<string> {
    for (const shard of SHARDS) {
      for await (const entry of await opendir(join(this.#directory, shard))) {
        if (entry.isFile()) yield entry.name
      }
    }
  }
}

/** Bytes up to which a blob is held in memory until it is finished: a small one is written with one call. */
const SMALL_BYTES = 256 * 1024

const { O_CREAT, O_DSYNC, O_EXCL, O_RDWR } = constants

const fsOpen = promisify(openFile)
const fsRead = promisify(read)
const fsWrite = promisify(write)
const fsDatasync = promisify(fdatasync)

/** A blob that is being written. Either `finish` it and hand it to the store, or `discard` it. One call at a time, except where said otherwise. */
export class BlobWriter {
  readonly path: string
  readonly #whole: Hash = createHash('sha256')
  readonly #leaves: Uint8Array[] = []
  /** What is in no file yet. */
  #small: Uint8Array[] = []
  #fd: number | undefined
  #chunk: Hash | undefined
  #chunkBytes = 0
  #size = 0
  #summary: BlobSummary | undefined
  #moved = false
  #flushed: Promise<void> | undefined
  /** A small blob on its way to the disk. */
  #written: Promise<void> | undefined
  #discarded = false
  /** What is being done with the file. */
  readonly #using = new Set<Promise<unknown>>()
  readonly #ended: () => void

  /** `ended` is called when nothing of the blob is left to close or delete. */
  constructor(path: string, ended: () => void) {
    this.path = path
    this.#ended = ended
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size
  }

  /** Digests of the chunks that are complete. */
  get leaves(): readonly Uint8Array[] {
    return this.#leaves
  }

  /** Available after `hashed` or `finish`. */
  get summary(): BlobSummary {
    if (this.#summary === undefined) throw new Error('the blob is not finished')
    return this.#summary
  }

  /** Whether the file has its final name. */
  get isMoved(): boolean {
    return this.#moved
  }

  /** A copy of all bytes, while they are held in memory; undefined once they are in the file only. */
  copy(): Uint8Array | undefined {
    if (this.#fd !== undefined) return undefined
    const bytes = new Uint8Array(this.#size)
    let position = 0
    for (const piece of this.#small) {
      bytes.set(piece, position)
      position += piece.length
    }
    return bytes
  }

  /** Hashes and writes `data`, which may be reused when this resolves. */
  async write(data: Uint8Array): Promise<void> {
    const position = this.#size
    this.#hash(data)
    if (this.#fd === undefined && this.#size <= SMALL_BYTES) {
      this.#small.push(data.slice())
      return
    }
    await this.#track(writeAll(this.#open(), data, position))
  }

  /** The file, for somebody who writes whole chunks into it and reports each (`appended`). Not together with `write`. */
  descriptor(): number {
    return this.#open()
  }

  /** Told of a chunk that was written at the end of the file. `leaf` is its digest. */
  appended(length: number, leaf: Uint8Array): void {
    this.#size += length
    this.#leaves.push(leaf)
  }

  /** Told the digest of the whole, in hexadecimal, by somebody who wrote all chunks. */
  digested(digest: string): void {
    this.#summarise(digest)
  }

  /** Reads back what was written. May overlap with anything. */
  async read(buffer: Uint8Array, length: number, position: number): Promise<{ bytesRead: number }> {
    await this.#written
    return await this.#track(fsRead(this.#open(), buffer, 0, length, position))
  }

  /** Starts to bring what was written so far to the disk, without waiting, so that `finish` has less to do. */
  flushAhead(): void {
    // A failure here shows again in `finish`, which syncs the same file.
    this.#flushed ??= this.#track(fsDatasync(this.#open())).then(
      () => this.#endFlush(),
      () => this.#endFlush(),
    )
  }

  /** Completes the hashes. */
  hashed(): BlobSummary {
    if (this.#chunkBytes > 0) this.#endChunk()
    return this.#summary ?? this.#summarise(this.#whole.digest('hex'))
  }

  #summarise(digest: string): BlobSummary {
    this.#summary = {
      digest,
      size: this.#size,
      chunks: concatBytes(this.#leaves),
      chunksRoot: toHex(merkleRoot(this.#leaves)),
    }
    return this.#summary
  }

  /** Completes the hashes and brings the bytes to the disk. The file stays readable until `close`. */
  async finish(): Promise<BlobSummary> {
    const summary = this.hashed()
    if (this.#fd === undefined) {
      this.#written ??= this.#track(this.#writeSmall())
      await this.#written
      return summary
    }
    await this.#flushed
    await this.#track(fsDatasync(this.#fd))
    return summary
  }

  /** Told by the store when the file has its final name. */
  moved(): void {
    this.#moved = true
  }

  /** Closes the file once nothing uses it: its number may be another file's the moment after. */
  async close(): Promise<void> {
    await this.#unused()
    if (this.#fd === undefined) return
    closeSync(this.#fd)
    this.#fd = undefined
  }

  /** Closes, and deletes the bytes unless the store took them. Safe to call always. */
  async discard(): Promise<void> {
    this.#discarded = true
    await this.#unused()
    const isOnDisk = this.#fd !== undefined
    await this.close()
    this.#small = []
    if (isOnDisk && !this.#moved) await rm(this.path, { force: true })
    this.#ended()
  }

  /** The file, with what was held in memory in it. Creating and filling it touches memory only: the disk comes with `finish`. */
  #open(): number {
    if (this.#fd !== undefined) return this.#fd
    if (this.#discarded) throw new Error('the blob was discarded')
    const fd = openSync(this.path, 'wx+', 0o600)
    this.#fd = fd
    let position = 0
    for (const piece of this.#small) {
      for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done, piece.length - done, position + done)
      position += piece.length
    }
    this.#small = []
    return fd
  }

  /** Writes what is held in memory. Each write returns when its bytes are on the disk, and nothing of it happens on the event loop. */
  async #writeSmall(): Promise<void> {
    if (this.#discarded) throw new Error('the blob was discarded')
    const bytes = this.#small.length === 1 ? this.#small[0]! : concatBytes(this.#small)
    this.#small = []
    this.#fd = await fsOpen(this.path, O_CREAT | O_EXCL | O_RDWR | O_DSYNC, 0o600)
    await writeAll(this.#fd, bytes, 0)
  }

  async #unused(): Promise<void> {
    while (this.#using.size > 0) await Promise.allSettled(this.#using)
  }

  #track<T>(use: Promise<T>): Promise<T> {
    this.#using.add(use)
    const done = (): void => void this.#using.delete(use)
    use.then(done, done)
    return use
  }

  #hash(data: Uint8Array): void {
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

  #endFlush(): void {
    this.#flushed = undefined
  }

  #endChunk(): void {
    this.#leaves.push(this.#chunk!.digest())
    this.#chunk = undefined
    this.#chunkBytes = 0
  }
}

async function writeAll(fd: number, data: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await fsWrite(fd, data, done, data.length - done, position + done)
    done += bytesWritten
  }
}
