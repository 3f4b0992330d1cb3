import { MAX_SOURCE_BYTES, type SourceCell } from '../../domain/assurance/corpus.ts'
import type { Documents } from '../../domain/cells/documents.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import type { BlobStore } from '../../kernel/plugins/packages/blob-stores.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import { Feed } from '../../kernel/text/feed.ts'
import type { IndexedDocument, PassageIndex } from '../../kernel/text/passage-index.ts'

/** Documents, and bytes of them, that are indexed at once: how long a question may wait behind them. */
const BATCH = 128
const BATCH_BYTES = 1024 * 1024

/** Hexadecimal digest of `sha256:…`. */
export const hexOf = (digest: string): string => digest.slice('sha256:'.length)

/** Whether questions may be about a document at all. */
const isSource = ({ domain, mediaType, size }: Pick<SourceCell, 'domain' | 'mediaType' | 'size'>): boolean =>
  domain !== undefined && mediaType.startsWith('text/') && size <= MAX_SOURCE_BYTES

/**
 * Keeps the index of passages equal to the documents that this node holds, whoever they are by: those that came are read and put in, those that went
 * are taken out, and an index that was made anew is filled again. What is in it says nothing about who may be quoted.
 */
export class DocumentIndexer {
  readonly #documents: Documents
  readonly #blobs: Pick<BlobStore, 'open'>
  readonly #passages: PassageIndex
  readonly #logger: Logger
  readonly #feed: Feed
  /** What is in the index, as long as it has this generation. */
  #generation: string | undefined
  #indexed = new Set<string>()

  constructor(parts: {
    documents: Documents
    blobs: Pick<BlobStore, 'open'>
    passages: PassageIndex
    logger: Logger
  }) {
    this.#documents = parts.documents
    this.#blobs = parts.blobs
    this.#passages = parts.passages
    this.#logger = parts.logger
    this.#feed = new Feed((signal) => this.#follow(signal), parts.logger)
  }

  /** Begins, unless there is nothing to index: a node without documents needs no thread. */
  start(): void {
    this.#documents.watch(() => this.#feed.later())
    if (this.#documents.size > 0) this.#feed.later()
  }

  /** Resolves when every document that is here now can be found, or could not be indexed. Never rejects. */
  caughtUp(): Promise<void> {
    // Whoever asks misses something that should be there.
    this.#generation = undefined
    return this.#feed.now()
  }

  stop(): Promise<void> {
    return this.#feed.stop()
  }

  async #follow(signal: AbortSignal): Promise<void> {
    if (this.#generation === undefined) await this.#look()
    const wanted = new Map<string, SourceCell>()
    for (const document of this.#documents.all()) if (isSource(document)) wanted.set(document.id, document)
    const gone = [...this.#indexed].filter((id) => !wanted.has(id))
    while (gone.length > 0) {
      signal.throwIfAborted()
      const removed = gone.splice(0, BATCH)
      if (!(await this.#write([], removed))) return this.#follow(signal)
    }
    let batch: IndexedDocument[] = []
    let bytes = 0
    for (const cell of wanted.values()) {
      signal.throwIfAborted()
      if (this.#indexed.has(cell.id)) continue
      const document = await this.#read(cell)
      if (document === undefined) continue
      batch.push(document)
      bytes += document.bytes.length
      if (batch.length < BATCH && bytes < BATCH_BYTES) continue
      if (!(await this.#write(batch, []))) return this.#follow(signal)
      batch = []
      bytes = 0
    }
    if (batch.length > 0 && !(await this.#write(batch, []))) return this.#follow(signal)
  }

  async #look(): Promise<void> {
    const { generation, ids } = await this.#passages.ids()
    this.#generation = generation
    this.#indexed = new Set(ids)
  }

  /** False when the index was made anew meanwhile. */
  async #write(documents: readonly IndexedDocument[], removed: readonly string[]): Promise<boolean> {
    const generation = await this.#passages.write(documents, removed)
    if (generation !== this.#generation) {
      this.#generation = undefined
      return false
    }
    for (const { id } of documents) this.#indexed.add(id)
    for (const id of removed) this.#indexed.delete(id)
    return true
  }

  /** Undefined for one that went meanwhile, or whose bytes are not what they should be. */
  async #read({ id, digest, size }: SourceCell): Promise<IndexedDocument | undefined> {
    const bytes = await readBlob(this.#blobs, digest, size)
    if (bytes === undefined) return undefined
    if (sha256Hex(bytes) === hexOf(digest)) return { id, digest, bytes }
    this.#logger.error({ digest }, 'a document on disk is not what was registered: it is not indexed')
    return undefined
  }
}

/** The bytes of a package, all of them; undefined where it is not here. */
export async function readBlob(
  blobs: Pick<BlobStore, 'open'>,
  digest: string,
  size: number,
): Promise<Uint8Array | undefined> {
  const reader = await blobs.open(hexOf(digest))
  if (reader === undefined) return undefined
  try {
    const bytes = new Uint8Array(size)
    for (let at = 0; at < size; ) {
      const { bytesRead } = await reader.read(at === 0 ? bytes : bytes.subarray(at), size - at, at)
      if (bytesRead === 0) return undefined
      at += bytesRead
    }
    return bytes
  } finally {
    await reader.close()
  }
}
