import type { Annotations, PackageReport } from '../../../protocol/annotations.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import type { CellDetails, CellListItem, CellListQuery, CellListResponse } from '../../../protocol/repository.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { BlobStore, BlobSummary, BlobWriter } from '../../kernel/plugins/packages/blob-stores.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import { semver } from './candidate.ts'
import type { Catalogue } from './catalogue.ts'
import { bump, type CellIndex, packageDigest } from './cell-index.ts'
import type { CellLog } from './cell-log.ts'
import { cellDetails } from './details.ts'
import { cachedCells } from './pull-through.ts'
import { type CellRecord, type TypeRecord, types } from './records.ts'

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
}

/** The cells that were registered here: the ones that this node answers for as its own. */
export class Repository {
  readonly #store: Store
  readonly #blobs: BlobStore
  readonly #index: CellIndex
  readonly #catalogue: Catalogue
  readonly #log: CellLog
  readonly #clock: Clock

  constructor(parts: {
    store: Store
    blobs: BlobStore
    index: CellIndex
    catalogue: Catalogue
    log: CellLog
    clock: Clock
  }) {
    this.#store = parts.store
    this.#blobs = parts.blobs
    this.#index = parts.index
    this.#catalogue = parts.catalogue
    this.#log = parts.log
    this.#clock = parts.clock
  }

  /**
   * Registers a verified cell with its package. Durable when it resolves. Throws `PROV_007` when the version exists, `PROV_015` when the
   * name belongs to somebody else.
   */
  async register(cell: VerifiedCell, registrant: Registrant, writer: BlobWriter): Promise<CellRecord> {
    this.assertFree(cell, registrant.credential)
    const record = await this.#blobs.keep(writer, this.isPackageNamed, () =>
      this.#store.transact((tx) => this.#add(tx, cell, registrant, writer.summary)),
    )
    this.#index.changed(record)
    return record
  }

  /** Throws `PROV_007` when the version exists, `PROV_015` when the name belongs to somebody else. */
  assertFree(cell: VerifiedCell, credential: string): void {
    this.#assertFree(this.#store.get(types, cell.manifest.cell_type), cell, credential)
  }

  /** Whether a record names a package: then its file stays. */
  readonly isPackageNamed = (digest: string): boolean => this.#index.package(digest) !== undefined

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

  details(cellType: string, version?: string): CellDetails {
    return cellDetails(this.find(cellType, version))
  }

  /**
   * Removes a version. Durable when it resolves. Throws `PROV_002`, and `PROV_015` while an active cell of this repository depends on the
   * version and no other one here would do.
   */
  async delete(cellType: string, version: string): Promise<CellRecord> {
    const cell = this.find(cellType, version)
    const removed = await this.#store.transact((tx) => {
      const dependent = this.#index.neededBy(tx, cell)
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

  /** Provider API, "List Available Cells": what was registered here, in order of names. */
  async list(query: CellListQuery): Promise<CellListResponse> {
    const limit = query.limit ?? LIMITS.defaultPage
    const offset = query.offset ?? 0
    if (query.capability === undefined && query.version === undefined) {
      const cells: CellListItem[] = []
      let position = 0
      for await (const [name, type] of this.#store.scan(types, { limit: offset + limit })) {
        if (position++ >= offset) cells.push(listItem(name, type))
      }
      return { cells, total_count: this.#index.count('types'), limit, offset }
    }
    const matches: CellListItem[] = []
    for await (const item of this.#matching(query)) matches.push(item)
    return { cells: matches.slice(offset, offset + limit), total_count: matches.length, limit, offset }
  }

  async *#matching(query: CellListQuery): AsyncGenerator<CellListItem> {
    const { capability, version } = query
    if (capability === undefined) {
      for await (const [name, type] of this.#store.scan(types)) {
        if (type.versions.some((other) => other.version === version)) yield listItem(name, type)
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
      if (type !== undefined) yield listItem(name, type)
    }
  }

  #add(tx: Transaction, cell: VerifiedCell, registrant: Registrant, summary: BlobSummary): CellRecord {
    const { manifest } = cell
    const type = tx.get(types, manifest.cell_type)
    this.#assertFree(type, cell, registrant.credential)
    const cached = this.#index.get(cell.id, tx)
    const now = new Date(this.#clock.now()).toISOString()
    const record: CellRecord = {
      id: cell.id,
      manifest,
      signature: cell.signature,
      status: 'active',
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
    const { manifest, id, created_at, status, annotations } = record
    const versions = [...(type?.versions ?? []), { version: manifest.version, id, created_at, status }].sort((a, b) =>
      semver(b.version).compare(semver(a.version)),
    )
    const isHighest = versions[0]!.id === id
    tx.put(types, manifest.cell_type, {
      owner: type?.owner ?? {
        publisher: manifest.publisher,
        credential: record.signed_by === 'provider' ? credential : null,
      },
      versions,
      capabilities: isHighest ? capabilityNames(manifest) : type!.capabilities,
      description: isHighest ? (annotations.description ?? '') : type!.description,
      tags: isHighest ? (annotations.tags ?? []) : type!.tags,
    })
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
    tx.put(types, cellType, {
      owner: type.owner,
      versions,
      capabilities: capabilityNames(highest.manifest),
      description: highest.annotations.description ?? '',
      tags: highest.annotations.tags ?? [],
    })
  }

  #assertFree(type: TypeRecord | undefined, cell: VerifiedCell, credential: string): void {
    if (type === undefined) return
    const { cell_type: name, version, publisher } = cell.manifest
    const { owner } = type
    if (owner.publisher !== publisher) {
      throw new ProviderError(
        'PROV_015',
        `the cell type ${name} belongs to the publisher ${owner.publisher}, not to ${publisher}`,
      )
    }
    if (owner.credential !== null && owner.credential !== credential) {
      throw new ProviderError('PROV_015', `the cell type ${name} belongs to another credential of this node`)
    }
    if (type.versions.some((other) => other.version === version)) {
      throw new ProviderError(
        'PROV_007',
        `${name}@${version} exists already: a version never changes, register a new one`,
      )
    }
  }
}

const capabilityNames = (manifest: Manifest): { name: string; version: string }[] =>
  manifest.capabilities.map(({ name, version }) => ({ name, version }))

const listItem = (cellType: string, type: TypeRecord): CellListItem => ({
  cell_type: cellType,
  capabilities: [...type.capabilities],
  versions: type.versions.map(({ version, created_at, status }) => ({ version, created_at, status })),
  description: type.description,
  tags: [...type.tags],
})
