import type { CellStatus } from '../../../protocol/annotations.ts'
import { fromBase64Url } from '../../kernel/base/bytes.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import type { BlobStore, BlobSummary, BlobWriter } from '../../kernel/plugins/packages/blob-stores.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import type { Catalogue } from './catalogue.ts'
import type { CellIndex } from './cell-index.ts'
import { type CellRecord, packages } from './records.ts'
import type { VerifiedCell } from './repository.ts'

/** What the policy needs to know of a cell that was pulled through. */
interface CachedCell {
  readonly digest: string
  readonly publisher: string
  readonly size: number
  /** The policy or pin because of which it is kept; absent for a copy that may go when room is needed. */
  readonly keeper?: string
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

/** What is kept for one keeper. */
export interface Kept {
  readonly cells: number
  readonly bytes: number
}

const NOTHING: Kept = { cells: 0, bytes: 0 }

/**
 * Packages that were pulled through from peers. They have a budget of their own and never displace what was registered here. The least
 * recently used goes first; what one publisher may fill is bounded, so that nobody floods the others out. Copies that a policy or a pin keeps
 * are outside that budget, and stay until their keeper lets go of them.
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
  /** Cell id → entry of a copy that is kept. */
  readonly #kept = new Map<string, CachedCell>()
  /** Keeper, and keeper and publisher → what is kept for them. */
  readonly #keptFor = new Map<string, Kept>()
  /** Package digest → who will keep it once it is here. */
  readonly #claims = new Map<string, string>()
  readonly #loaded = Promise.withResolvers<void>()
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
    this.#loaded.resolve()
  }

  /** Resolves when the store was read. */
  get loaded(): Promise<void> {
    return this.#loaded.promise
  }

  /** Bytes of the copies that may go. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether a package of this size could be kept at all; one that was claimed (`digest` in hexadecimal), whatever its size. */
  admits(size: number, digest?: string): boolean {
    if (digest !== undefined && this.#claims.has(digest)) return true
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
    const kept = this.#kept.get(id)
    if (kept !== undefined) this.#discount(id, kept)
  }

  /** Whoever fetches this package (`digest` in hexadecimal): its copy is kept for `keeper`, outside the budget. */
  claim(digest: string, keeper: string): void {
    this.#claims.set(digest, keeper)
  }

  /** What was not fetched meanwhile is kept for nobody. */
  unclaim(digest: string): void {
    this.#claims.delete(digest)
  }

  /** What is kept for a keeper; of one publisher, if it is given. */
  keptFor(keeper: string, publisher?: string): Kept {
    return this.#keptFor.get(publisher === undefined ? keeper : `${keeper}!${publisher}`) ?? NOTHING
  }

  /** Who keeps the copy of a cell; undefined for nobody, or where there is no copy. */
  keeperOf(id: string): string | undefined {
    return this.#kept.get(id)?.keeper
  }

  /** The copies that are kept: cell ids with their keepers. */
  *kept(): Generator<[id: string, keeper: string]> {
    for (const [id, { keeper }] of [...this.#kept]) if (keeper !== undefined) yield [id, keeper]
  }

  /** Whether a cell is here as a copy. */
  has(id: string): boolean {
    return this.#entries.has(id) || this.#kept.has(id)
  }

  /**
   * Keeps the copy of a cell for `keeper` from now on, or for nobody. Durable when it resolves. Returns what had to go, because the budget has no
   * room for a copy that nobody keeps any more.
   */
  assign(id: string, keeper: string | undefined): Promise<CellRecord[]> {
    return this.#inTurn(async () => {
      const before = this.#entries.get(id) ?? this.#kept.get(id)
      if (before === undefined || before.keeper === keeper) return []
      const { keeper: _, ...entry } = before
      const changed = keeper === undefined ? entry : { ...entry, keeper }
      const isHere = await this.#store.transact((tx) => {
        if (tx.get(cachedCells, id) === undefined) return false
        tx.put(cachedCells, id, changed)
        return true
      })
      if (!isHere) return []
      this.#discount(id, before)
      this.#count(id, changed)
      return keeper === undefined ? this.#makeRoom(entry.publisher, 0) : []
    })
  }

  /** Removes the copy of a cell, whoever keeps it. Durable when it resolves; undefined when there is none. */
  drop(id: string, witness?: (tx: Transaction) => void): Promise<CellRecord | undefined> {
    return this.#inTurn(async () => {
      const entry = this.#entries.get(id) ?? this.#kept.get(id)
      if (entry === undefined) return undefined
      const dropped: CellRecord[] = []
      await this.#drop(id, entry, dropped, witness)
      return dropped[0]
    })
  }

  /**
   * Keeps a verified cell of `provider` for `keeper`, whose package is here because another cell has it. Durable when it resolves; undefined
   * when the package is gone, or the cell is here.
   */
  keepHeld(cell: OfferedToKeep, provider: string, createdAt: string, keeper: string): Promise<CellRecord | undefined> {
    return this.#inTurn(async () => {
      const { size, digest } = cell.manifest.package
      const entry = { digest: digest.slice('sha256:'.length), publisher: cell.manifest.publisher, size, keeper }
      const record = await this.#store.transact((tx) => {
        const held = tx.get(packages, entry.digest)
        if (held === undefined || this.#index.get(cell.id, tx) !== undefined) return undefined
        return this.#add(tx, cell, provider, createdAt, entry, { size: held.size, chunks: fromBase64Url(held.chunks) })
      })
      if (record === undefined) return undefined
      this.#count(cell.id, entry)
      this.#index.changed(record)
      return record
    })
  }

  /** Keeps a verified cell of `provider` and its package. Returns what had to go for it. */
  keep(
    cell: OfferedToKeep,
    provider: string,
    createdAt: string,
    writer: BlobWriter,
  ): Promise<{ record: CellRecord; evicted: CellRecord[] }> {
    return this.#inTurn(() => this.#keep(cell, provider, createdAt, writer))
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#keeping.then(work)
    this.#keeping = done.catch(() => undefined)
    return done
  }

  async #keep(
    cell: OfferedToKeep,
    provider: string,
    createdAt: string,
    writer: BlobWriter,
  ): Promise<{ record: CellRecord; evicted: CellRecord[] }> {
    const { digest, size } = writer.summary
    const keeper = this.#claims.get(digest)
    const { publisher } = cell.manifest
    const entry: CachedCell = { digest, publisher, size, ...(keeper === undefined ? {} : { keeper }) }
    const isHeld = this.#index.get(cell.id) !== undefined
    const evicted = isHeld || keeper !== undefined ? [] : await this.#makeRoom(publisher, size)
    const record = await this.#blobs.keep(writer, this.#isNamed, () =>
      this.#store.transact((tx) => {
        return this.#index.get(cell.id, tx) ?? this.#add(tx, cell, provider, createdAt, entry, writer.summary)
      }),
    )
    if (record.origin === 'cached') this.#count(cell.id, entry)
    this.#index.changed(record)
    return { record, evicted }
  }

  #add(
    tx: Transaction,
    cell: OfferedToKeep,
    provider: string,
    createdAt: string,
    entry: CachedCell,
    summary: Pick<BlobSummary, 'size' | 'chunks'>,
  ): CellRecord {
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
    this.#index.add(tx, added, summary)
    this.#catalogue.add(tx, added)
    tx.put(cachedCells, cell.id, entry)
    return added
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

  async #drop(
    id: string,
    entry: CachedCell,
    evicted: CellRecord[],
    witness?: (tx: Transaction) => void,
  ): Promise<void> {
    this.#discount(id, entry)
    const record = await this.#evict(id, entry.digest, witness)
    if (record !== undefined) evicted.push(record)
  }

  async #evict(id: string, digest: string, witness?: (tx: Transaction) => void): Promise<CellRecord | undefined> {
    const removed = await this.#store.transact((tx) => {
      const record = this.#index.get(id, tx)
      tx.delete(cachedCells, id)
      if (record === undefined || record.origin !== 'cached') return undefined
      this.#index.remove(tx, record)
      this.#catalogue.remove(tx, record)
      witness?.(tx)
      return record
    })
    if (removed !== undefined) this.#index.changed(removed)
    this.#blobs.removeUnless(digest, this.#isNamed)
    return removed
  }

  readonly #isNamed = (digest: string): boolean => this.#index.package(digest) !== undefined

  #count(id: string, entry: CachedCell): void {
    if (this.has(id)) return
    this.#byDigest.set(entry.digest, id)
    if (entry.keeper !== undefined) {
      this.#kept.set(id, entry)
      this.#countKept(entry.keeper, 1, entry.size)
      this.#countKept(`${entry.keeper}!${entry.publisher}`, 1, entry.size)
      return
    }
    this.#entries.set(id, entry)
    this.#bytes += entry.size
    this.#byPublisher.set(entry.publisher, (this.#byPublisher.get(entry.publisher) ?? 0) + entry.size)
  }

  #discount(id: string, entry: CachedCell): void {
    if (this.#byDigest.get(entry.digest) === id) this.#byDigest.delete(entry.digest)
    if (entry.keeper !== undefined) {
      if (!this.#kept.delete(id)) return
      this.#countKept(entry.keeper, -1, -entry.size)
      this.#countKept(`${entry.keeper}!${entry.publisher}`, -1, -entry.size)
      return
    }
    if (!this.#entries.delete(id)) return
    this.#bytes -= entry.size
    const left = (this.#byPublisher.get(entry.publisher) ?? 0) - entry.size
    if (left > 0) this.#byPublisher.set(entry.publisher, left)
    else this.#byPublisher.delete(entry.publisher)
  }

  #countKept(key: string, cells: number, bytes: number): void {
    const before = this.keptFor(key)
    const after = { cells: before.cells + cells, bytes: before.bytes + bytes }
    if (after.cells > 0) this.#keptFor.set(key, after)
    else this.#keptFor.delete(key)
  }
}
