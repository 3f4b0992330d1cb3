import type { CellStatus } from '../../../protocol/annotations.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import type { BlobStore, BlobWriter } from '../../kernel/plugins/packages/blob-stores.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { Catalogue } from './catalogue.ts'
import type { CellIndex } from './cell-index.ts'
import type { CellRecord } from './records.ts'
import type { VerifiedCell } from './repository.ts'

/** What the policy needs to know of a cell that was pulled through. */
interface CachedCell {
  readonly digest: string
  readonly publisher: string
  readonly size: number
}

/** Cell id → entry. */
export const cachedCells = jsonKeyspace<CachedCell>(KEYSPACES.cached)

/** A verified cell, with the status that it was offered with. */
type OfferedToKeep = VerifiedCell & { readonly status?: CellStatus }

/** How much of others' packages to keep. */
export interface CacheBudget {
  /** Bytes in all. */
  readonly maxBytes: number
  /** Bytes of one publisher. */
  readonly maxBytesPerPublisher: number
}

/**
 * Packages that were pulled through from peers. They have a budget of their own and never displace what was registered here. The least
 * recently used goes first; what one publisher may fill is bounded, so that nobody floods the others out.
 */
export class PullThroughCache {
  readonly #store: Store
  readonly #blobs: BlobStore
  readonly #index: CellIndex
  readonly #catalogue: Catalogue
  readonly #clock: Clock
  readonly #budget: CacheBudget
  /** Cell id → entry, least recently used first. */
  readonly #entries = new Map<string, CachedCell>()
  /** Package digest → cell id. */
  readonly #byDigest = new Map<string, string>()
  readonly #byPublisher = new Map<string, number>()
  #bytes = 0
  /** Keeps wait for each other: two at once would both count on the same room. */
  #keeping: Promise<unknown> = Promise.resolve()

  constructor(parts: {
    store: Store
    blobs: BlobStore
    index: CellIndex
    catalogue: Catalogue
    clock: Clock
    budget: CacheBudget
  }) {
    this.#store = parts.store
    this.#blobs = parts.blobs
    this.#index = parts.index
    this.#catalogue = parts.catalogue
    this.#clock = parts.clock
    this.#budget = parts.budget
  }

  /** Learns what the store holds from before. The order of use is not kept over restarts. */
  async load(): Promise<void> {
    for await (const [id, entry] of this.#store.scan(cachedCells)) this.#count(id, entry)
  }

  /** Bytes kept. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether a package of this size could be kept at all. */
  admits(size: number): boolean {
    return size <= this.#budget.maxBytesPerPublisher && size <= this.#budget.maxBytes
  }

  /** Marks a package as used. */
  touch(digest: string): void {
    const id = this.#byDigest.get(digest)
    const entry = id === undefined ? undefined : this.#entries.get(id)
    if (id === undefined || entry === undefined) return
    this.#entries.delete(id)
    this.#entries.set(id, entry)
  }

  /** A cell was registered here: it is no copy any more. */
  release(id: string): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) this.#discount(id, entry)
  }

  /** Keeps a verified cell of `provider` and its package. Returns what had to go for it. */
  keep(
    cell: OfferedToKeep,
    provider: string,
    createdAt: string,
    writer: BlobWriter,
  ): Promise<{ record: CellRecord; evicted: CellRecord[] }> {
    const kept = this.#keeping.then(() => this.#keep(cell, provider, createdAt, writer))
    this.#keeping = kept.catch(() => undefined)
    return kept
  }

  async #keep(
    cell: OfferedToKeep,
    provider: string,
    createdAt: string,
    writer: BlobWriter,
  ): Promise<{ record: CellRecord; evicted: CellRecord[] }> {
    const { digest, size } = writer.summary
    const isHeld = this.#index.get(cell.id) !== undefined
    const evicted = isHeld ? [] : await this.#makeRoom(cell.manifest.publisher, size)
    const record = await this.#blobs.keep(writer, this.#isNamed, () =>
      this.#store.transact((tx) => {
        const held = this.#index.get(cell.id, tx)
        if (held !== undefined) return held
        const added: CellRecord = {
          id: cell.id,
          manifest: cell.manifest,
          signature: cell.signature,
          status: cell.status ?? 'active',
          created_at: createdAt,
          annotations: cell.annotations,
          origin: 'cached',
          signed_by: cell.signedBy,
          source: provider,
          updated_at: new Date(this.#clock.now()).toISOString(),
          report: null,
          page: this.#catalogue.nextPage(tx, cell.id, cell.manifest),
        }
        this.#index.add(tx, added, writer.summary)
        this.#catalogue.add(tx, added)
        tx.put(cachedCells, cell.id, { digest, publisher: cell.manifest.publisher, size })
        return added
      }),
    )
    if (record.origin === 'cached') this.#count(cell.id, { digest, publisher: cell.manifest.publisher, size })
    this.#index.changed(record)
    return { record, evicted }
  }

  /** First of the publisher's own while its share is full, then of everybody's while the cache is. */
  async #makeRoom(publisher: string, size: number): Promise<CellRecord[]> {
    const { maxBytes, maxBytesPerPublisher } = this.#budget
    const share = (): number => this.#byPublisher.get(publisher) ?? 0
    const evicted: CellRecord[] = []
    for (const [id, entry] of this.#entries) {
      if (share() + size <= maxBytesPerPublisher) break
      if (entry.publisher === publisher) await this.#drop(id, entry, evicted)
    }
    for (const [id, entry] of this.#entries) {
      if (this.#bytes + size <= maxBytes) break
      await this.#drop(id, entry, evicted)
    }
    return evicted
  }

  async #drop(id: string, entry: CachedCell, evicted: CellRecord[]): Promise<void> {
    this.#discount(id, entry)
    const record = await this.#evict(id, entry.digest)
    if (record !== undefined) evicted.push(record)
  }

  async #evict(id: string, digest: string): Promise<CellRecord | undefined> {
    const removed = await this.#store.transact((tx) => {
      const record = this.#index.get(id, tx)
      tx.delete(cachedCells, id)
      if (record === undefined || record.origin !== 'cached') return undefined
      this.#index.remove(tx, record)
      this.#catalogue.remove(tx, record)
      return record
    })
    if (removed !== undefined) this.#index.changed(removed)
    this.#blobs.removeUnless(digest, this.#isNamed)
    return removed
  }

  readonly #isNamed = (digest: string): boolean => this.#index.package(digest) !== undefined

  #count(id: string, entry: CachedCell): void {
    if (this.#entries.has(id)) return
    this.#entries.set(id, entry)
    this.#byDigest.set(entry.digest, id)
    this.#bytes += entry.size
    this.#byPublisher.set(entry.publisher, (this.#byPublisher.get(entry.publisher) ?? 0) + entry.size)
  }

  #discount(id: string, entry: CachedCell): void {
    this.#entries.delete(id)
    if (this.#byDigest.get(entry.digest) === id) this.#byDigest.delete(entry.digest)
    this.#bytes -= entry.size
    const left = (this.#byPublisher.get(entry.publisher) ?? 0) - entry.size
    if (left > 0) this.#byPublisher.set(entry.publisher, left)
    else this.#byPublisher.delete(entry.publisher)
  }
}
