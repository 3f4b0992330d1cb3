import { lacking, type PackageDefinition } from '../package.ts'

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

/** Reads a blob. Reads may overlap. */
export interface BlobReader {
  /** Reads `length` bytes at `position` into the beginning of `buffer`: at least one, and none only at the end. */
  read(buffer: Uint8Array, length: number, position: number): Promise<{ bytesRead: number }>
  /** To be called once, when no read is under way. */
  close(): Promise<void>
}

/**
 * A blob that is being written, by `write` or by `append`, never both. Then it is finished and handed to the store; `discard` is called
 * in any case, and whatever bytes are asked for or added after it reject.
 */
export interface BlobWriter {
  /** Bytes written so far, from the first on without a hole. */
  readonly size: number
  /** Throws before `hashed` has resolved. */
  readonly summary: BlobSummary
  /** Adds any number of bytes. `data` may be reused when this resolves; one call at a time. */
  write(data: Uint8Array): Promise<void>
  /** A buffer for one chunk (`LIMITS.chunkBytes`), with anything in it: what `append` takes best. */
  chunkBuffer(): Uint8Array
  /**
   * Puts the first `length` bytes of `bytes`, which are the writer's from here on, at `position`, as a chunk whose digest (RFC 9162 §2.1.1)
   * is `leaf`. Every chunk but the last is whole. Chunks may come in any order, calls may overlap, and they are answered in order. False when
   * the bytes have another digest: then nothing was written. A chunk that is here already stays as it is.
   */
  append(bytes: Uint8Array, length: number, position: number, leaf: Uint8Array): Promise<boolean>
  /** Reads back what was written, until `discard`; like {@link BlobReader.read}. May overlap with anything. */
  read(buffer: Uint8Array, length: number, position: number): Promise<{ bytesRead: number }>
  /** Completes the hashes: nothing more can be added. Rejects when a chunk is missing before one that is here. */
  hashed(): Promise<BlobSummary>
  /** Completes the hashes, and makes the bytes as durable as the store can. */
  finish(): Promise<BlobSummary>
  /**
   * What a validator opens: a copy of the bytes, which is the caller's, or the path of a file that is there once the blob was placed.
   * Throws before `hashed` has resolved.
   */
  source(): string | Uint8Array
  /** Lets go of the bytes, and deletes them unless the store took them. Safe to call always. */
  discard(): Promise<void>
}

/** Says whether a record names the blob of a digest: then it stays. */
export type IsNamed = (digest: string) => boolean

/**
 * Keeps the bytes of packages by their digest. A blob is written at first, placed under its digest when it is finished, and only then may
 * a record name it. Blobs that no record names go with `removeUnless`. A write that finds no room rejects with the code `ENOSPC`.
 */
export interface BlobStore {
  /** Opens a blob that was placed; undefined when it is not here. */
  open(digest: string): Promise<BlobReader | undefined>
  /** Starts a new blob. */
  create(): BlobWriter
  /**
   * Places a finished blob under its digest, durably, and keeps it there until the function that this resolves to is called: then it is
   * removed unless something names it. The same writer may be placed again until then, and others of the same bytes always.
   */
  place(writer: BlobWriter, named: IsNamed): Promise<() => void>
  /** Places a finished blob while `use` runs: the one who names it in a record. */
  keep<Result>(writer: BlobWriter, named: IsNamed, use: () => Promise<Result>): Promise<Result>
  /** Removes a blob unless a record names it or is about to. Synchronous, so that no registration can slip in between. */
  removeUnless(digest: string, named: IsNamed): void
  /** The digest of every blob that was placed, in no order. */
  digests(): AsyncIterable<string>
  /** Discards what is being written, and lets go of everything else. Whatever is called afterwards throws or rejects. */
  close(): Promise<void>
}

/** The package `blob-stores`: a node uses one. */
export const blobStores: PackageDefinition<BlobStore> = {
  name: 'blob-stores',
  documentation: 'Keep the bytes of packages by their digest.',
  misshapen: (store) => lacking(store, ['open', 'create', 'place', 'keep', 'removeUnless', 'digests', 'close']),
}
