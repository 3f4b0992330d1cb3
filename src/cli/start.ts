import type { Command } from 'commander'
import { fullDisk, StartError } from '../kernel/base/errors.ts'
import { adminKeyOrigin, checkAdminKeyEnvironment, loadAdminKey } from '../kernel/config/admin-key.ts'
import { describeConfig } from '../kernel/config/describe.ts'
import { loadConfig } from '../kernel/config/load.ts'
import { FLAG_NAMES, type Flags } from '../kernel/config/read-flags.ts'
import { FlagError, type Origin } from '../kernel/config/setting.ts'
import { LogRing } from '../kernel/telemetry/log-ring.ts'
import { createLogger } from '../kernel/telemetry/logger.ts'
import { printLine } from './output.ts'
import { serve } from './serve.ts'
import { welcome } from './welcome.ts'

interface StartOptions {
  config?: string
  dataDir?: string
  keyDir?: string
  httpHost?: string
  httpPort?: string
  publicUrl?: string
  p2pHost?: string
  p2pPort?: string
  seed?: string[]
  network?: string
  logLevel?: string
  json?: boolean
}

/** `cytoplex start`: runs a node until SIGTERM or SIGINT. */
export function registerStart(program: Command): void {
  program
    .command('start')
    .description('run a node')
    .option('--config <file>', 'configuration file (CYTOPLEX_CONFIG)')
    .option(`${FLAG_NAMES.data_dir} <dir>`, 'store, packages, node.json and admin.key')
    .option(
      `${FLAG_NAMES.key_dir} <dir>`,
      'identity and other private keys (default: the data directory with .keys appended)',
    )
    .option(`${FLAG_NAMES['http.host']} <address>`, 'address of the HTTP API')
    .option(`${FLAG_NAMES['http.port']} <port>`, 'port of the HTTP API; 0 picks a free one')
    .option(`${FLAG_NAMES['http.public_url']} <url>`, 'base of the URLs that answers contain')
    .option(`${FLAG_NAMES['p2p.host']} <address>`, 'address for peers')
    .option(`${FLAG_NAMES['p2p.port']} <port>`, 'port for peers; 0 picks a free one')
    .option(
      `${FLAG_NAMES['p2p.seeds']} <address...>`,
      'node to connect to: /ip4/…/tcp/…[/p2p/…], tcp://host:port or host:port; repeatable',
    )
    .option(`${FLAG_NAMES['network.name']} <name>`, 'name of the network')
    .option(`${FLAG_NAMES['log.level']} <level>`, 'trace, debug, info, warn, error, fatal or silent')
    .option('--json', 'print the line for scripts on a terminal too')
    .addHelpText(
      'after',
      `
When the node is ready, it writes <data-dir>/node.json and prints where it listens; into a pipe or file it prints the same object as
node.json, as one line. Logs go to stderr. Every key of the configuration: cytoplex config show.

Examples:
  $ cytoplex start
  $ cytoplex start --data-dir /tmp/b --http-port 0 --p2p-port 0 --seed 127.0.0.1:9000 192.0.2.7:9000`,
    )
    .action(start)
}

async function start(options: StartOptions): Promise<void> {
  const env = process.env
  checkAdminKeyEnvironment(env)
  const loaded = loadConfig({ file: options.config, env, flags: flagsOf(options) })
  const { config, origins, warnings } = loaded
  const logs = new LogRing()
  const logger = createLogger({ level: config.log.level, also: logs })
  for (const warning of warnings) logger.warn(warning)

  await serve({
    dataDir: config.data_dir,
    logger,
    async start() {
      const { startParts } = await import('./compose.ts')
      await checkSeedFlags(config.p2p.seeds, origins.get('p2p.seeds'))
      const { checkOwnAddresses } = await import('../node/seeds.ts')
      checkOwnAddresses(config.p2p)
      try {
        return await startParts({
          config,
          logger,
          logs,
          adminKey: () => loadAdminKey(config.data_dir, env).key,
          settings: () => describeConfig(loaded, adminKeyOrigin(config.data_dir, env)),
        })
      } catch (error) {
        throw fullDisk(error) === error ? error : diskIsFull(config.data_dir, error)
      }
    },
    ready(file) {
      if (process.stdout.isTTY && !options.json) printLine(welcome({ file, dataDir: config.data_dir, env }))
      else printLine(JSON.stringify(file))
    },
  })
}

const diskIsFull = (dataDir: string, cause: unknown): StartError =>
  new StartError(`the disk of ${dataDir} is full: free some space on it, or choose another --data-dir`, { cause })

/** A malformed `--seed` is a mistake in the command line; from elsewhere it is a reason not to start. Throws `StartError`. */
async function checkSeedFlags(seeds: readonly string[], origin: Origin | undefined): Promise<void> {
  const { checkSeeds } = await import('../node/seeds.ts')
  try {
    checkSeeds(seeds)
  } catch (error) {
    throw error instanceof StartError && origin?.startsWith('flag ') ? new FlagError(error.message) : error
  }
}

function flagsOf(options: StartOptions): Flags {
  return {
    data_dir: options.dataDir,
    key_dir: options.keyDir,
    'http.host': options.httpHost,
    'http.port': options.httpPort,
    'http.public_url': options.publicUrl,
    'p2p.host': options.p2pHost,
    'p2p.port': options.p2pPort,
    'p2p.seeds': options.seed,
    'network.name': options.network,
    'log.level': options.logLevel,
  }
}
