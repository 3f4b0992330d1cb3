import type { Command } from 'commander'
import { adminKeyOrigin } from '../kernel/config/admin-key.ts'
import { describeConfig } from '../kernel/config/describe.ts'
import { loadConfig } from '../kernel/config/load.ts'
import { printError, printJson, printTable } from './output.ts'

interface ShowOptions {
  config?: string
  dataDir?: string
  json?: boolean
}

/** `cytoplex config show`: the effective configuration and where each value came from. */
export function registerConfigCommands(program: Command): void {
  const config = program
    .command('config')
    .description('look at the configuration')
    .addHelpText('after', '\nExample:\n  $ cytoplex config show')
  config
    .command('show')
    .description('print every key with its effective value and where that came from; secrets are masked')
    .option('--config <file>', 'configuration file (CYTOPLEX_CONFIG)')
    .option('--data-dir <dir>', 'data directory')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Sources, weak to strong: defaults, the file, the environment, flags of cytoplex start. The environment name of a key is CYTOPLEX_ and
its path in capitals: http.port is CYTOPLEX_HTTP_PORT. Lists are separated by commas.

Example:
  $ CYTOPLEX_HTTP_PORT=8080 cytoplex config show --config node.yaml`,
    )
    .action(show)
}

function show(options: ShowOptions): void {
  const env = process.env
  const loaded = loadConfig({ file: options.config, env, flags: { data_dir: options.dataDir } })
  const settings = describeConfig(loaded, adminKeyOrigin(loaded.config.data_dir, env))
  if (options.json) {
    printJson({ settings, warnings: loaded.warnings })
    return
  }
  printTable(
    ['KEY', 'FROM', 'VALUE'],
    settings.map(({ key, value, origin }) => [key, origin, shown(value)]),
  )
  for (const warning of loaded.warnings) printError(`warning: ${warning}`, false)
}

function shown(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`
  if (typeof value !== 'object') return String(value)
  return `{${Object.entries(value)
    .map(([name, inner]) => `${name}: ${shown(inner)}`)
    .join(', ')}}`
}
