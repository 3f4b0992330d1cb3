import type { Annotations, CellStatus, PackageReport } from '../../../protocol/annotations.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import type { CellChange, CellListItem, CellListQuery, CellListResponse } from '../../../protocol/repository.ts'
import { fromBase64Url } from '../../kernel/base/bytes.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { BlobStore, BlobSummary, BlobWriter } from '../../kernel/plugins/packages/blob-stores.ts'
import type { StartMeasurement } from '../../kernel/plugins/packages/validators.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import { semver } from './candidate.ts'
import type { Catalogue } from './catalogue.ts'
import { bump, type CellIndex, packageDigest } from './cell-index.ts'
import type { CellLog } from './cell-log.ts'
import { cachedCells } from './pull-through.ts'
import { type CellRecord, packages, type TypeRecord, types } from './records.ts'
import type { Yanks } from './yanks.ts'

/** A cell whose manifest, signature and package were verified. */
export interface VerifiedCell {
  /** The manifest's digest. */
  readonly id: string
  readonly manifest: Manifest
  readonly signature: string
  readonly signedBy: 'publisher' | 'provider'
  readonly annotations: Annotations
}

/** Who registers: ownership of a name goes to the publisher, and where this node signs for others, to their credential. */
export interface Registrant {
  readonly credential: string
  readonly report: PackageReport | null
  /** Of the new version; `active` unless given. */
  readonly status?: CellStatus | undefined
}

/** Who changes what was registered: an administrator everything, others what they registered themselves. */
export interface Editor {
  readonly credential: string
  readonly isAdmin: boolean
}

/** Who has the node in their hands. */
const OPERATOR: Editor = { credential: 'admin', isAdmin: true }

/** What decides whether a version may be registered. */
export type VersionName = Pick<Manifest, 'cell_type' | 'version' | 'publisher'>

/** The cells that were registered here: the ones that this node answers for as its own. */
export class Repository {
  readonly #store: Store
  readonly #blobs: BlobStore
  readonly #index: CellIndex
  readonly #catalogue: Catalogue
  readonly #log: CellLog
  readonly #yanks: Pick<Yanks, 'isWithdrawn'>
  readonly #clock: Clock

  constructor(parts: {
    store: Store
    blobs: BlobStore
    index: CellIndex
    catalogue: Catalogue
    log: CellLog
    yanks: Pick<Yanks, 'isWithdrawn'>
    clock: Clock
  }) {
    this.#store = parts.store
    this.#blobs = parts.blobs
    this.#index = parts.index
    this.#catalogue = parts.catalogue
    this.#log = parts.log
    this.#yanks = parts.yanks
    this.#clock = parts.clock
  }

  /**
   * Registers a verified cell with its package. Durable when it resolves. Throws `PROV_007` when the version exists, `PROV_015` when the
   * name belongs to somebody else.
   */
  async register(cell: VerifiedCell, registrant: Registrant, writer: BlobWriter): Promise<CellRecord> {
    this.assertFree(cell.manifest, registrant.credential)
    const record = await this.#blobs.keep(writer, this.isPackageNamed, () =>
      this.#store.transact((tx) => this.#add(tx, cell, registrant, writer.summary)),
    )
    this.#index.changed(record)
    return record
  }

  /**
   * Registers a verified cell whose package is here already, because another cell has it. Durable when it resolves. Throws like
   * {@link register}, and `PROV_002` when the package is gone.
   */
  async registerHeld(cell: VerifiedCell, registrant: Registrant): Promise<CellRecord> {
    const record = await this.#store.transact((tx) => {
      const held = tx.get(packages, packageDigest(cell))
      if (held === undefined) {
        throw new ProviderError('PROV_002', `the package ${cell.manifest.package.digest} was deleted meanwhile`)
      }
      return this.#add(tx, cell, registrant, { size: held.size, chunks: fromBase64Url(held.chunks) })
    })
    this.#index.changed(record)
    return record
  }

  /** Throws `PROV_007` when the version exists, `PROV_015` when the name belongs to somebody else. */
  assertFree(name: VersionName, credential: string): void {
    assertNone(this.objections(name, credential))
  }

  /** Everything that keeps a version from being registered, as {@link assertFree} throws the first of it. */
  objections(name: VersionName, credential: string): ProviderError[] {
    return objections(this.#store.get(types, name.cell_type), name, credential)
  }

  /** Whether a record names a package: then its file stays. */
  readonly isPackageNamed = (digest: string): boolean => this.#index.package(digest) !== undefined

  /** Whether a credential owns a cell type whose cells this node signs. */
  owns(credential: string, cellType: string): boolean {
    return this.#store.get(types, cellType)?.owner.credential === credential
  }

  /** The version asked for, else the highest. Throws `PROV_002`. */
  find(cellType: string, version?: string): CellRecord {
    const type = this.#store.get(types, cellType)
    const entry = version === undefined ? type?.versions[0] : type?.versions.find((other) => other.version === version)
    const cell = entry === undefined ? undefined : this.#index.get(entry.id)
    if (cell === undefined) {
      const found =
        type === undefined
          ? 'no cell of that type'
          : `versions ${type.versions
              .map((v) => v.version)
              .slice(0, 10)
              .join(', ')}`
      throw new ProviderError(
        'PROV_002',
        `${cellType}${version === undefined ? '' : `@${version}`} is not in this repository; it has ${found}`,
      )
    }
    return cell
  }

  /**
   * Removes a version. Durable when it resolves. Throws `PROV_002`, and `PROV_015` when somebody else registered it, and while an active
   * cell of this repository depends on the version and no other one here would do.
   */
  async delete(cellType: string, version: string, by: Editor = OPERATOR): Promise<CellRecord> {
    const cell = this.find(cellType, version)
    const removed = await this.#store.transact((tx) => {
      assertOwn(this.#index.get(cell.id, tx), by)
      const dependent = this.#index.neededBy(tx, cell, (other) => this.#yanks.isWithdrawn(other))
      if (dependent !== undefined) {
        throw new ProviderError(
          'PROV_015',
          `${cellType}@${version} is in use: ${dependent.cellType}@${dependent.version} depends on ${dependent.capability} ${dependent.range}`,
        )
      }
      const type = tx.get(types, cellType)
      if (type?.versions.some((other) => other.id === cell.id) !== true) {
        throw new ProviderError('PROV_002', `${cellType}@${version} was deleted meanwhile`)
      }
      this.#index.remove(tx, cell)
      this.#catalogue.remove(tx, cell)
      this.#removeVersion(tx, cellType, type, cell.id)
      this.#log.add(tx, 'delete', cell, new Date(this.#clock.now()).toISOString())
      return cell
    })
    this.#index.changed(removed)
    this.#blobs.removeUnless(packageDigest(removed), this.isPackageNamed)
    return removed
  }

  /**
   * Changes what is said of a version outside its signature. Durable when it resolves. Throws `PROV_002`, and `PROV_015` when somebody
   * else registered it.
   */
  async annotate(cellType: string, version: string, change: CellChange, by: Editor = OPERATOR): Promise<CellRecord> {
    const { id } = this.find(cellType, version)
    const changed = await this.#store.transact((tx) => {
      const type = tx.get(types, cellType)
      const cell = this.#index.get(id, tx)
      if (cell === undefined || type?.versions.some((other) => other.id === id) !== true) {
        throw new ProviderError('PROV_002', `${cellType}@${version} was deleted meanwhile`)
      }
      assertOwn(cell, by)
      const { status = cell.status, ...annotations } = change
      const now = new Date(this.#clock.now()).toISOString()
      const record = { ...cell, status, annotations: { ...cell.annotations, ...annotations }, updated_at: now }
      this.#index.replace(tx, record)
      this.#catalogue.add(tx, record)
      const versions = type.versions.map((other) => (other.id === id ? { ...other, status } : other))
      tx.put(types, cellType, versions[0]!.id === id ? typeRecord(type.owner, versions, record) : { ...type, versions })
      this.#log.add(tx, 'update', record, now)
      return record
    })
    this.#index.changed(changed)
    return changed
  }

  /** Adds what starting a cell's package took to its report, where both are still here. Nothing was done to the cell, so nothing is logged. */
  async measured(id: string, measurement: StartMeasurement): Promise<void> {
    const cell = await this.#store.transact((tx) => {
      const cell = this.#index.get(id, tx)
      if (cell?.origin !== 'registered' || cell.report?.kind !== 'module') return undefined
      const record = { ...cell, report: { ...cell.report, ...measurement } }
      this.#index.replace(tx, record)
      return record
    })
    if (cell !== undefined) this.#index.changed(cell)
  }

  /** Provider API, "List Available Cells": what was registered here, in order of names. */
  async list(query: CellListQuery): Promise<CellListResponse> {
    const limit = query.limit ?? LIMITS.defaultPage
    const offset = query.offset ?? 0
    if (query.capability === undefined && query.version === undefined) {
      const cells: CellListItem[] = []
      let position = 0
      for await (const [name, type] of this.#store.scan(types, { limit: offset + limit })) {
        if (position++ >= offset) cells.push(this.#listItem(name, type))
      }
      return { cells, total_count: this.#index.count('types'), limit, offset }
    }
    const matches: CellListItem[] = []
    for await (const item of this.#matching(query)) matches.push(item)
    return { cells: matches.slice(offset, offset + limit), total_count: matches.length, limit, offset }
  }

  /** A cell type as the list has it; undefined for one that was not registered here. */
  listed(cellType: string): CellListItem | undefined {
    const type = this.#store.get(types, cellType)
    return type === undefined ? undefined : this.#listItem(cellType, type)
  }

  async *#matching(query: CellListQuery): AsyncGenerator<CellListItem> {
    const { capability, version } = query
    if (capability === undefined) {
      for await (const [name, type] of this.#store.scan(types)) {
        if (type.versions.some((other) => other.version === version)) yield this.#listItem(name, type)
      }
      return
    }
    const names = new Set<string>()
    for (const candidate of this.#index.candidates('capability', capability)) {
      if (candidate.registered && (version === undefined || candidate.version === version))
        names.add(candidate.cellType)
    }
    for (const name of [...names].sort()) {
      const type = this.#store.get(types, name)
      if (type !== undefined) yield this.#listItem(name, type)
    }
  }

  #listItem(cellType: string, { owner, capabilities, versions, description, tags }: TypeRecord): CellListItem {
    return {
      cell_type: cellType,
      capabilities: [...capabilities],
      versions: versions.map(({ id, version, created_at, status }) => {
        const isWithdrawn = this.#yanks.isWithdrawn({ id, publisher: owner.publisher })
        return { version, created_at, status: isWithdrawn ? 'yanked' : status }
      }),
      description,
      tags: [...tags],
    }
  }

  #add(
    tx: Transaction,
    cell: VerifiedCell,
    registrant: Registrant,
    summary: Pick<BlobSummary, 'size' | 'chunks'>,
  ): CellRecord {
    const { manifest } = cell
    const type = tx.get(types, manifest.cell_type)
    assertNone(objections(type, manifest, registrant.credential))
    const cached = this.#index.get(cell.id, tx)
    const now = new Date(this.#clock.now()).toISOString()
    const record: CellRecord = {
      id: cell.id,
      manifest,
      signature: cell.signature,
      status: registrant.status ?? 'active',
      created_at: now,
      annotations: cell.annotations,
      origin: 'registered',
      signed_by: cell.signedBy,
      source: registrant.credential,
      updated_at: now,
      report: registrant.report,
      page: cached?.page ?? this.#catalogue.nextPage(tx, cell.id, manifest),
    }
    if (cached === undefined) this.#index.add(tx, record, summary)
    else this.#index.adopt(tx, record)
    tx.delete(cachedCells, record.id)
    this.#catalogue.add(tx, record)
    this.#addVersion(tx, record, type, registrant.credential)
    this.#log.add(tx, 'register', record, now)
    return record
  }

  #addVersion(tx: Transaction, record: CellRecord, type: TypeRecord | undefined, credential: string): void {
    const { manifest, id, created_at, status } = record
    const versions = [...(type?.versions ?? []), { version: manifest.version, id, created_at, status }].sort((a, b) =>
      semver(b.version).compare(semver(a.version)),
    )
    const owner = type?.owner ?? {
      publisher: manifest.publisher,
      credential: record.signed_by === 'provider' ? credential : null,
    }
    const isHighest = versions[0]!.id === id
    tx.put(types, manifest.cell_type, isHighest ? typeRecord(owner, versions, record) : { ...type!, versions })
    if (type === undefined) bump(tx, 'types', 1)
  }

  #removeVersion(tx: Transaction, cellType: string, type: TypeRecord, id: string): void {
    const versions = type.versions.filter((other) => other.id !== id)
    if (versions.length === 0) {
      tx.delete(types, cellType)
      bump(tx, 'types', -1)
      return
    }
    const highest = this.#index.get(versions[0]!.id, tx)!
    tx.put(types, cellType, typeRecord(type.owner, versions, highest))
  }
}

function objections(type: TypeRecord | undefined, name: VersionName, credential: string): ProviderError[] {
  if (type === undefined) return []
  const { cell_type: cellType, version, publisher } = name
  const { owner } = type
  const found: ProviderError[] = []
  if (owner.publisher !== publisher) {
    const message = `the cell type ${cellType} belongs to the publisher ${owner.publisher}, not to ${publisher}: choose another cell_type, or sign with the key of that publisher`
    found.push(new ProviderError('PROV_015', message))
  } else if (owner.credential !== null && owner.credential !== credential) {
    found.push(new ProviderError('PROV_015', `the cell type ${cellType} belongs to another credential of this node`))
  }
  if (type.versions.some((other) => other.version === version)) {
    const message = `${cellType}@${version} exists already: a version never changes, register a new one`
    found.push(new ProviderError('PROV_007', message))
  }
  return found
}

function assertOwn(cell: CellRecord | undefined, { credential, isAdmin }: Editor): void {
  if (cell === undefined || isAdmin || cell.source === credential) return
  const { cell_type: cellType, version } = cell.manifest
  throw new ProviderError('PROV_015', `${cellType}@${version} was registered by another credential of this node`)
}

function assertNone([first]: readonly ProviderError[]): void {
  if (first !== undefined) throw first
}

/** `highest` is the first of `versions`. */
const typeRecord = (
  owner: TypeRecord['owner'],
  versions: TypeRecord['versions'],
  { manifest, annotations }: Pick<CellRecord, 'manifest' | 'annotations'>,
): TypeRecord => ({
  owner,
  versions,
  capabilities: manifest.capabilities.map(({ name, version }) => ({ name, version })),
  description: annotations.description ?? '',
  tags: annotations.tags ?? [],
})
