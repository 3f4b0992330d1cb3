import type { Command } from 'commander'
import { systemClock } from '../kernel/base/clock.ts'
import { loadConfig } from '../kernel/config/load.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine } from './output.ts'

interface IdOptions {
  config?: string
  dataDir?: string
  keyDir?: string
  network?: string
  json?: boolean
}

/** `cytoplex id`: who this node is, from its key directory. */
export function registerId(program: Command): void {
  program
    .command('id')
    .description('show the identity in the key directory; works while the node is stopped')
    .option('--config <file>', 'configuration file (CYTOPLEX_CONFIG)')
    .option('--data-dir <dir>', 'data directory')
    .option('--key-dir <dir>', 'key directory (default: the data directory with .keys appended)')
    .option('--network <name>', 'name of the network')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ cytoplex id --key-dir /var/lib/cytoplex.keys')
    .action(id)
}

async function id(options: IdOptions): Promise<void> {
  const flags = { data_dir: options.dataDir, key_dir: options.keyDir, 'network.name': options.network }
  const { config } = loadConfig({ file: options.config, env: process.env, flags })
  const { keyDirectoryState, openKeyDirectory } = await import('../kernel/identity/key-directory.ts')
  if (keyDirectoryState(config.key_dir) === 'absent') {
    throw new CliError(
      `${config.key_dir} holds no keys: the first start of a node creates them`,
      EXIT.notFound,
      'NOT_FOUND',
    )
  }
  const keys = openKeyDirectory(config.key_dir, {
    network: config.network.name,
    allowCreate: false,
    clock: systemClock,
  })
  const identity = {
    provider_id: keys.providerId,
    node_id: keys.nodeId,
    publisher: keys.publisher.publisher,
    public_key: Buffer.from(keys.identity.publicKey).toString('base64'),
  }
  if (options.json) {
    printJson(identity)
    return
  }
  for (const [name, value] of Object.entries(identity)) printLine(`${name.replace('_', ' ').padEnd(12)} ${value}`)
}
