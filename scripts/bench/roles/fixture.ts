import { Catalogue } from '../../../src/domain/cells/catalogue.ts'
import { bump, CellIndex } from '../../../src/domain/cells/cell-index.ts'
import { type CellRecord, types } from '../../../src/domain/cells/records.ts'
import { systemClock } from '../../../src/kernel/base/clock.ts'
import { loadConfig } from '../../../src/kernel/config/load.ts'
import { openKeyDirectory } from '../../../src/kernel/identity/key-directory.ts'
import { manifestDigest } from '../../../src/kernel/identity/manifest-signature.ts'
import type { BlobSummary } from '../../../src/kernel/storage/blobs.ts'
import { checkDataDirectory, openDataDirectory } from '../../../src/kernel/storage/data-directory.ts'
import type { Transaction } from '../../../src/kernel/storage/store.ts'
import { capabilityName, cellName, manifestFor, numbered } from '../cells.ts'
import { wasmOf } from '../wasm.ts'

/** Cells of one transaction. */
const AT_ONCE = 1000
const PACKAGE_BYTES = 64 * 1024

/** A data directory with `cells` signed cells that share one package. */
interface Filling {
  readonly dataDir: string
  readonly cells: number
  readonly cellsPerCapability: number
}

/** Makes what registering that many cells would have made, without a synced write for each. */
async function fill({ dataDir, cells, cellsPerCapability }: Filling): Promise<void> {
  const { config } = loadConfig({ env: {}, flags: { data_dir: dataDir } })
  const network = config.network.name
  await checkDataDirectory(config.data_dir, network, { directory: config.key_dir, present: false })
  const keys = openKeyDirectory(config.key_dir, { network, allowCreate: true, clock: systemClock })
  const { store, blobs, close } = await openDataDirectory(config.data_dir, network, keys.providerId)
  const index = new CellIndex(store, keys.providerId)
  const catalogue = new Catalogue(store)
  const createdAt = new Date().toISOString()

  const writer = await blobs.create()
  await writer.write(wasmOf(PACKAGE_BYTES, 0))
  const summary = await writer.finish()

  const add = (tx: Transaction, number: number): void => {
    const cell = recordOf(tx, number)
    const { manifest } = cell
    index.add(tx, cell, summary)
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

  function recordOf(tx: Transaction, number: number): CellRecord {
    const at = Math.floor(number / cellsPerCapability)
    const manifest = manifestFor({
      publisher: keys.publisher.publisher,
      cellType: cellName(number),
      capability: capabilityName(at),
      version: `1.${number % cellsPerCapability}.0`,
      package: summary satisfies BlobSummary,
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

  await blobs.keep(
    writer,
    (digest) => index.package(digest) !== undefined,
    async () => {
      for (let from = 0; from < cells; from += AT_ONCE) {
        await store.transact((tx) => {
          for (let number = from; number < Math.min(cells, from + AT_ONCE); number++) add(tx, number)
        })
      }
    },
  )
  await writer.close()
  await close()
}

export const commands = { fill }
