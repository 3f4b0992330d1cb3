import type { BundleOrder, BundleReport, FsckLine, FsckOrder, GarbageReport } from '../../protocol/upkeep.ts'
import type { Administration } from '../domain/access/administration.ts'
import { ProviderError } from '../kernel/base/errors.ts'
import type { Part } from '../kernel/base/lifecycle.ts'
import type { PackageSource } from './cells-api.ts'
import { IMPORTED } from './flows/bring-copies.ts'
import type { PackageFetcher } from './flows/fetch-package.ts'
import type { LogEpochs } from './flows/log-epochs.ts'
import type { LogProofs } from './flows/log-proofs.ts'
import { holders, openHere } from './flows/open-package.ts'
import type { NodeParts } from './parts.ts'
import { collectGarbage } from './upkeep/collect-garbage.ts'
import { exportBundle } from './upkeep/export-bundle.ts'
import { fsck } from './upkeep/fsck.ts'
import { BundleImport, type ImportNeeds } from './upkeep/import-bundle.ts'
import { snapshotLines } from './upkeep/snapshot.ts'
import type { Upkeep } from './upkeep-api.ts'

interface Needs extends ImportNeeds {
  readonly administration: Administration
  readonly epochs: LogEpochs
  readonly proofs: LogProofs
  readonly fetcher: PackageFetcher
}

/** Kinds of work of which one runs at a time: each reads, or writes, as much as the disk gives. */
type Work = 'fsck' | 'import'

/** Looking after a node's data while it runs. */
export class NodeUpkeep implements Upkeep, Part {
  readonly name = 'upkeep'
  readonly #parts: NodeParts
  readonly #needs: Needs
  readonly #stop = new AbortController()
  readonly #running = new Map<Work, Promise<unknown>>()

  constructor(parts: NodeParts, needs: Needs) {
    this.#parts = parts
    this.#needs = needs
  }

  start(): void {}

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the node is stopping'))
    await Promise.allSettled(this.#running.values())
  }

  async snapshot(by: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    await this.#log('backup_taken', by, {})
    return snapshotLines(this.#parts, this.#needs.epochs, this.#until(signal))
  }

  package(digest: string): Promise<PackageSource | undefined> {
    return openHere(this.#parts, digest)
  }

  async fsck({ repair = false }: FsckOrder, by: string, signal: AbortSignal): Promise<AsyncIterable<FsckLine>> {
    const release = this.#take('fsck')
    const { store, blobs, config, keys } = this.#parts
    const until = this.#until(signal)
    const data = { store, blobs, network: config.network.name, providerId: keys.providerId, signal: until }
    const mending = {
      fetch: (digest: string) => this.#fetchPackage(digest, until),
      changed: (id: string) => this.#changed(id),
    }
    try {
      if (repair) await this.#log('store_repaired', by, {})
    } catch (error) {
      release()
      throw error
    }
    return released(fsck(data, repair ? mending : undefined), release)
  }

  async collectGarbage(dryRun: boolean, by: string, signal: AbortSignal): Promise<GarbageReport> {
    const { store, blobs, repository } = this.#parts
    const parts = { store, blobs, isPackageNamed: repository.isPackageNamed, signal: this.#until(signal) }
    const report = await collectGarbage(parts, dryRun)
    if (!dryRun) await this.#log('garbage_collected', by, { count: report.count, bytes: report.bytes })
    return report
  }

  exportBundle(order: BundleOrder, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return exportBundle(this.#parts, this.#needs, order, this.#until(signal))
  }

  async importBundle(
    bytes: AsyncIterable<Uint8Array>,
    dryRun: boolean,
    by: string,
    signal: AbortSignal,
  ): Promise<BundleReport> {
    const release = this.#take('import')
    try {
      const report = await new BundleImport(this.#parts, this.#needs, dryRun).run(bytes, this.#until(signal))
      const { added, known, refused, bundle } = report
      const details = { provider_id: bundle.provider_id, log_size: bundle.log.size, added, known, refused }
      if (!dryRun) await this.#log('bundle_imported', by, details)
      return report
    } finally {
      release()
    }
  }

  #until(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#stop.signal])
  }

  /** Throws `PROV_013` while such work is under way. */
  #take(work: Work): () => void {
    if (this.#running.has(work)) throw new ProviderError('PROV_013', `another ${work} is under way: try again later`)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#running.set(work, promise)
    return () => {
      this.#running.delete(work)
      resolve()
    }
  }

  async #log(act: Parameters<Administration['add']>[1]['act'], by: string, details: object): Promise<void> {
    await this.#parts.store.transact((tx) => this.#needs.administration.add(tx, { act, by, details }))
  }

  #changed(id: string): void {
    const cell = this.#parts.index.get(id)
    if (cell !== undefined) this.#parts.index.changed(cell)
  }

  /** Brings a package from peers in place of the one that is here. */
  async #fetchPackage(hex: string, signal: AbortSignal): Promise<void> {
    const { cache, index } = this.#parts
    const digest = `sha256:${hex}`
    const cell = await index.cellOfPackage(hex)
    cache.claim(hex, (cell && cache.keeperOf(cell.id)) ?? IMPORTED)
    try {
      const source = await this.#needs.fetcher.open(digest, holders(this.#parts, digest), cell?.id)
      if (source === undefined) throw new Error('its transfer ended meanwhile')
      try {
        for await (const _ of source.read(source.size - 1, source.size - 1, signal)) signal.throwIfAborted()
      } finally {
        await source.close()
      }
    } finally {
      cache.unclaim(hex)
    }
  }
}

async function* released<Item>(items: AsyncIterable<Item>, release: () => void): AsyncGenerator<Item> {
  try {
    yield* items
  } finally {
    release()
  }
}
