import { join } from 'node:path'
import { Level } from 'level'
import { Catalogue } from '../../../src/domain/cells/catalogue.ts'
import { bump, CellIndex } from '../../../src/domain/cells/cell-index.ts'
import { CellLog } from '../../../src/domain/cells/cell-log.ts'
import { CellNames } from '../../../src/domain/cells/cell-names.ts'
import { type CellRecord, types } from '../../../src/domain/cells/records.ts'
import { manifestDigest } from '../../../src/kernel/identity/manifest-signature.ts'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import type { BlobSummary } from '../../../src/kernel/plugins/packages/blob-stores.ts'
import { Store, type Transaction } from '../../../src/kernel/storage/store.ts'
import { createLogger } from '../../../src/kernel/telemetry/logger.ts'
import { TextIndex } from '../../../src/kernel/text/text-index.ts'
import { ChosenProviders } from '../../../src/node/providers.ts'
import { isolatedRegistry } from '../../../src/providers/built-in.ts'
import { capabilityName, cellName, manifestFor, numbered } from '../cells.ts'
import { newStore } from '../new-store.ts'
import { wasmOf } from '../wasm.ts'

/** Cells of one transaction. */
const AT_ONCE = 4000
const PACKAGE_BYTES = 64 * 1024

/** Brings a filled store into the form that it has after hours: what a bulk load leaves is tidied up for minutes, beside every measurement. */
async function compact({ dataDir }: { dataDir: string }): Promise<void> {
  // In Node.js a `Level` is a `ClassicLevel`, which can do that.
  const database = new Level(join(dataDir, 'store')) as Level & {
    compactRange(from: string, to: string): Promise<void>
  }
  await database.open()
  await database.compactRange('', '\u{10ffff}')
  await database.close()
}

/** Brings the text index to where registering the cells would have brought it: a node does so when it starts, for a minute. */
async function index({ dataDir }: { dataDir: string }): Promise<void> {
  const store = await Store.open(join(dataDir, 'store'), { createIfMissing: false })
  const text = new TextIndex(join(dataDir, 'text', 'index.sqlite'))
  const logger = createLogger({ level: 'warn' })
  await new CellNames({ store, log: new MerkleLog(store, ''), text, logger }).caughtUp()
  await text.close()
  await store.close()
}

/** A data directory with `cells` signed cells, which share one package unless each has its own. */
interface Filling {
  readonly dataDir: string
  readonly cells: number
  readonly cellsPerCapability: number
  readonly ownPackages?: boolean
}

/** Makes what registering that many cells would have made, without a synced write for each. */
async function fill({ dataDir, cells, cellsPerCapability, ownPackages = false }: Filling): Promise<void> {
  const { config, keys, store } = await newStore(dataDir)
  const network = config.network.name
  const blobs = await new ChosenProviders(isolatedRegistry(), config).blobStore()
  const index = new CellIndex(store, keys.providerId)
  const catalogue = new Catalogue(store)
  const log = new CellLog(new MerkleLog(store, ''))
  await log.backfill(store)
  const createdAt = new Date().toISOString()

  const add = (tx: Transaction, number: number, summary: BlobSummary): void => {
    const cell = recordOf(tx, number, summary)
    const { manifest } = cell
    index.add(tx, cell, summary)
    log.add(tx, 'register', cell, createdAt)
    catalogue.add(tx, cell)
    tx.put(types, manifest.cell_type, {
      owner: { publisher: manifest.publisher, credential: 'admin' },
      versions: [{ version: manifest.version, id: cell.id, created_at: createdAt, status: 'active' }],
      capabilities: manifest.capabilities.map(({ name, version }) => ({ name, version })),
      description: cell.annotations.description ?? '',
      tags: [],
    })
    bump(tx, 'types', 1)
  }

  function recordOf(tx: Transaction, number: number, summary: BlobSummary): CellRecord {
    const at = Math.floor(number / cellsPerCapability)
    const manifest = manifestFor({
      publisher: keys.publisher.publisher,
      cellType: cellName(number),
      capability: capabilityName(at),
      version: `1.${number % cellsPerCapability}.0`,
      package: summary,
    })
    const id = manifestDigest(manifest)
    return {
      id,
      manifest,
      signature: keys.publisher.signManifest(network, manifest),
      status: 'active',
      created_at: createdAt,
      annotations: { description: `Cell ${numbered(number)} of a benchmark` },
      origin: 'registered',
      signed_by: 'provider',
      source: 'admin',
      updated_at: createdAt,
      report: null,
      page: catalogue.nextPage(tx, id, manifest),
    }
  }

  const addWithPackage = async (from: number, to: number): Promise<void> => {
    const writer = blobs.create()
    await writer.write(wasmOf(PACKAGE_BYTES, from))
    const summary = await writer.finish()
    const named = (digest: string): boolean => index.package(digest) !== undefined
    await blobs.keep(writer, named, async () => {
      for (let start = from; start < to; start += AT_ONCE) {
        await store.transact((tx) => {
          for (let number = start; number < Math.min(to, start + AT_ONCE); number++) add(tx, number, summary)
        })
      }
    })
    await writer.discard()
  }

  if (ownPackages) for (let number = 0; number < cells; number++) await addWithPackage(number, number + 1)
  else await addWithPackage(0, cells)
  await blobs.close()
  await store.close()
}

export const commands = { fill, compact, index }
