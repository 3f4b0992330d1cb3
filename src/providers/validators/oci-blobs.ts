import { createHash, type Hash } from 'node:crypto'
import type { ValidationIssue } from '../../../protocol/annotations.ts'
import { Budget } from './archive-budget.ts'
import { ArchiveFault, FindingList } from './archive-findings.ts'
import { OCI_DOCUMENT_BYTES, OCI_DOCUMENTS_BYTES } from './archive-limits.ts'
import { type Compression, compressionOf, decompress } from './decompress.ts'
import { readTar } from './read-tar.ts'

/** Bytes that tell a tar archive (`ustar` at 257), a compressed one and a document apart. */
const HEAD_BYTES = 262

/** Faults that are kept of one layer: it may turn out that nobody refers to it. */
const LAYER_ISSUES = 3

/** Faults that are kept of all layers together. */
const KEPT_ISSUES = 1000

/** Limits hold for every blob, whether it is a layer or not. */
const LIMITS_EXCEEDED = ['ARCHIVE_TOO_LARGE', 'ARCHIVE_TOO_MANY']

/** What a blob holds when it is opened as a layer. */
export interface LayerContent {
  readonly compression: Compression
  /** `sha256:` and the digest of the unpacked archive; undefined when it could not be unpacked to its end. */
  readonly diffId: string | undefined
  readonly entries: number
  readonly bytes: number
  readonly issues: readonly ValidationIssue[]
}

/** A blob of a layout, read once. */
export interface Blob {
  readonly size: number
  /** The bytes of what looks like a JSON document. */
  readonly document?: Uint8Array
  /** What is inside of what looks like an archive. */
  readonly layer?: LayerContent
}

/**
 * Reads blobs as they come by. Which of them are documents and layers is said by documents that may come last, so what looks like one is
 * kept or opened at once, and what was found there counts when it turns out to be one.
 */
export class BlobReader {
  readonly #budget: Budget
  #documentBytes = 0
  #keptIssues = 0

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** Reads a blob to its end, and says its digest (lowercase hexadecimal). Throws `ArchiveFault` where a limit is exceeded. */
  async read(
    content: AsyncIterable<Uint8Array>,
    size: number,
    algorithm: string,
  ): Promise<{ readonly digest: string; readonly blob: Blob }> {
    const hash = createHash(algorithm)
    const source = new HashedSource(content, hash)
    const head = await source.peek(HEAD_BYTES)
    let blob: Blob = { size }
    if (looksLikeJson(head) && size <= OCI_DOCUMENT_BYTES && this.#documentBytes + size <= OCI_DOCUMENTS_BYTES) {
      this.#documentBytes += size
      blob = { size, document: Buffer.concat(await Array.fromAsync(source.chunks())) }
    } else if (looksLikeLayer(head)) blob = { size, layer: await this.#openLayer(source, size, compressionOf(head)) }
    await source.finish()
    return { digest: hash.digest('hex'), blob }
  }

  async #openLayer(source: HashedSource, size: number, compression: Compression): Promise<LayerContent> {
    const findings = new FindingList(LAYER_ISSUES)
    const unpacked = createHash('sha256')
    let content: Pick<LayerContent, 'diffId' | 'entries' | 'bytes'> = { diffId: undefined, entries: 0, bytes: 0 }
    try {
      const archive = new HashedSource(decompress(source.chunks(), compression), unpacked)
      const summary = await readTar(archive.chunks(), {
        destination: 'root',
        budget: new Budget(size, this.#budget),
        findings,
      })
      content = { ...summary, diffId: `sha256:${unpacked.digest('hex')}` }
    } catch (error) {
      if (!(error instanceof ArchiveFault) || LIMITS_EXCEEDED.includes(error.code)) throw error
      findings.error(error.code, error.message, error.location)
    }
    return { compression, ...content, issues: this.#keep(findings.issues) }
  }

  #keep(issues: readonly ValidationIssue[]): readonly ValidationIssue[] {
    this.#keptIssues += issues.length
    if (this.#keptIssues <= KEPT_ISSUES || issues.length === 0) return issues
    throw new ArchiveFault('ARCHIVE_TOO_MANY', `blobs that look like archives have more than ${KEPT_ISSUES} faults`)
  }
}

/** Hashes what is read of a source; whoever stops early can let the rest be hashed. */
class HashedSource {
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #hash: Hash
  #head: Uint8Array | undefined

  constructor(source: AsyncIterable<Uint8Array>, hash: Hash) {
    this.#iterator = source[Symbol.asyncIterator]()
    this.#hash = hash
  }

  /** At least `count` bytes from the start, fewer only when there are no more. */
  async peek(count: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let length = 0
    while (length < count) {
      const { value, done } = await this.#iterator.next()
      if (done === true) break
      parts.push(value)
      length += value.length
    }
    this.#head = Buffer.concat(parts)
    return this.#head
  }

  /** The chunks, head first. To end this early does not end the source. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const head = this.#head
    this.#head = undefined
    if (head !== undefined && head.length > 0) yield this.#hashed(head)
    while (true) {
      const { value, done } = await this.#iterator.next()
      if (done === true) return
      yield this.#hashed(value)
    }
  }

  /** Hashes what nobody has read. */
  async finish(): Promise<void> {
    for await (const _chunk of this.chunks());
  }

  #hashed(chunk: Uint8Array): Uint8Array {
    this.#hash.update(chunk)
    return chunk
  }
}

const looksLikeJson = (head: Uint8Array): boolean => /^\s*\{/.test(Buffer.from(head).toString('latin1'))

const looksLikeLayer = (head: Uint8Array): boolean =>
  compressionOf(head) !== 'none' || Buffer.from(head).toString('latin1', 257, 262) === 'ustar'
