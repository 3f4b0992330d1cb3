import { randomBytes } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import { type FileHandle, mkdir, open, opendir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from '../../kernel/base/errors.ts'
import type { BlobReader, BlobStore } from '../../kernel/plugins/packages/blob-stores.ts'
import { DirectorySync, syncDirectory } from '../../kernel/storage/durable-files.ts'
import { ChunkThread } from './chunk-thread.ts'
import { FileBlobWriter } from './file-writer.ts'
import { PinnedBlobs } from './pinned-blobs.ts'

const SHARDS = '0123456789abcdef'

/** Configuration of the provider `file`. */
export interface FileBlobStoreConfig {
  /** Created when missing. */
  readonly directory: string
}

/** Opens the blob store in a directory, creates it when missing, and removes what a crash left half written. */
export async function createFileBlobStore(signal: AbortSignal, { directory }: FileBlobStoreConfig): Promise<BlobStore> {
  signal.throwIfAborted()
  const incoming = join(directory, 'incoming')
  await rm(incoming, { recursive: true, force: true })
  await mkdir(incoming, { recursive: true, mode: 0o700 })
  await Promise.all(Array.from(SHARDS, (shard) => mkdir(join(directory, shard), { recursive: true, mode: 0o700 })))
  await syncDirectory(directory)
  return new FileBlobStore(directory, incoming)
}

/** Content-addressed files. A blob is written beside the others, hashed on the way, synced, and renamed to its digest. */
class FileBlobStore extends PinnedBlobs<FileBlobWriter> {
  readonly #directory: string
  readonly #incoming: string
  readonly #directories = new DirectorySync()
  readonly #thread = new ChunkThread()

  constructor(directory: string, incoming: string) {
    super()
    this.#directory = directory
    this.#incoming = incoming
  }

  /** Where the file of a blob is, once it was placed. */
  readonly path = (digest: string): string => join(this.#shard(digest), digest)

  protected async reader(digest: string): Promise<BlobReader | undefined> {
    let handle: FileHandle
    try {
      handle = await open(this.path(digest), 'r')
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
    return {
      read: (buffer, length, position) => handle.read(buffer, 0, length, position),
      close: () => handle.close(),
    }
  }

  protected writer(ended: () => void): FileBlobWriter {
    const path = join(this.#incoming, randomBytes(12).toString('hex'))
    return new FileBlobWriter({ path, pathOf: this.path, thread: this.#thread, ended })
  }

  protected async move(writer: FileBlobWriter): Promise<void> {
    if (writer.isMoved) return
    const { digest } = writer.summary
    await rename(writer.path, this.path(digest))
    writer.moved()
    await this.#directories.sync(this.#shard(digest))
  }

  protected remove(digest: string): void {
    try {
      unlinkSync(this.path(digest))
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
  }

  protected async *placed(): AsyncGenerator<string> {
    for (const shard of SHARDS) {
      for await (const entry of await opendir(join(this.#directory, shard))) {
        if (entry.isFile()) yield entry.name
      }
    }
  }

  protected async letGo(): Promise<void> {
    await this.#directories.close()
    await this.#thread.close()
  }

  #shard(digest: string): string {
    return join(this.#directory, digest.slice(0, 1))
  }
}
