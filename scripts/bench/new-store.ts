import { systemClock } from '../../src/kernel/base/clock.ts'
import { loadConfig } from '../../src/kernel/config/load.ts'
import type { Config } from '../../src/kernel/config/schema.ts'
import { type KeyDirectory, openKeyDirectory } from '../../src/kernel/identity/key-directory.ts'
import { checkDataDirectory, openDataDirectory } from '../../src/kernel/storage/data-directory.ts'
import type { Store } from '../../src/kernel/storage/store.ts'

/** Makes a node's data directory and keys, as its first start does, to be filled without a node. */
export async function newStore(dataDir: string): Promise<{ config: Config; keys: KeyDirectory; store: Store }> {
  const { config } = loadConfig({ env: {}, flags: { data_dir: dataDir } })
  const network = config.network.name
  await checkDataDirectory(config.data_dir, network, { directory: config.key_dir, present: false })
  const keys = openKeyDirectory(config.key_dir, { network, allowCreate: true, clock: systemClock })
  return { config, keys, store: await openDataDirectory(config.data_dir, network, keys.providerId) }
}
