import { join } from 'node:path'
import type { FsckLine, GarbageReport } from '../../../protocol/upkeep.ts'
import { packages } from '../../domain/cells/records.ts'
import { systemClock } from '../../kernel/base/clock.ts'
import { StartError } from '../../kernel/base/errors.ts'
import type { Config } from '../../kernel/config/schema.ts'
import { openKeyDirectory } from '../../kernel/identity/key-directory.ts'
import { MerkleLog } from '../../kernel/log/merkle-log.ts'
import { dataOwner, openDataDirectory } from '../../kernel/storage/data-directory.ts'
import { createFileBlobStore } from '../../providers/blob-stores/file.ts'
import { LogEpochs } from '../flows/log-epochs.ts'
import { readAhead } from '../flows/package-source.ts'
import { collectGarbage } from './collect-garbage.ts'
import { fsck } from './fsck.ts'
import { snapshotLines } from './snapshot.ts'
import type { BackupSource } from './write-backup.ts'

/** The data of a node that does not run, opened as if it did; nobody else can open it meanwhile. */
export interface StoppedNode extends BackupSource {
  readonly providerId: string
  fsck(repair: boolean, signal: AbortSignal): AsyncIterable<FsckLine>
  collectGarbage(dryRun: boolean, signal: AbortSignal): Promise<GarbageReport>
  close(): Promise<void>
}

/** Opens the data of a node that does not run. Throws `StartError` where there is none, or a node has it open. */
export async function openStoppedNode(
  config: Pick<Config, 'data_dir' | 'key_dir' | 'network' | 'providers'>,
): Promise<StoppedNode> {
  const owner = await dataOwner(config.data_dir)
  if (owner === undefined) {
    throw new StartError(`no node runs, and ${config.data_dir} holds no data: name the node's --data-dir`)
  }
  const { provider_name: kind } = config.providers.blob_store
  if (kind !== 'file') {
    throw new StartError(`the packages of this node are kept by the blob store "${kind}": start the node first`)
  }
  const network = config.network.name
  const keys = openKeyDirectory(config.key_dir, { network, allowCreate: false, clock: systemClock })
  const store = await openDataDirectory(config.data_dir, network, keys.providerId)
  const directory = join(config.data_dir, 'blobs')
  const blobs = await createFileBlobStore(new AbortController().signal, { directory })
  const log = new MerkleLog(store, '')
  const parts = { clock: systemClock, store, log, keys, config }
  const epochs = new LogEpochs(parts)
  return {
    providerId: keys.providerId,
    snapshot: (signal) => snapshotLines(parts, epochs, signal),
    async package(digest) {
      const record = store.get(packages, digest)
      const reader = await blobs.open(digest)
      if (record === undefined || reader === undefined) return undefined
      return (async function* () {
        try {
          yield* readAhead(
            (...at) => reader.read(...at),
            0,
            record.size - 1,
            () => undefined,
          )
        } finally {
          await reader.close()
        }
      })()
    },
    fsck: (repair, signal) =>
      fsck(
        { store, blobs, network, providerId: keys.providerId, signal },
        repair ? { changed: () => undefined } : undefined,
      ),
    collectGarbage: (dryRun, signal) =>
      collectGarbage(
        { store, blobs, signal, isPackageNamed: (digest) => store.get(packages, digest) !== undefined },
        dryRun,
      ),
    async close() {
      await blobs.close()
      await store.close()
    },
  }
}
