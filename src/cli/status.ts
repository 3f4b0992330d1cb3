import type { Command } from 'commander'
import { ProviderInfo } from '../../protocol/discovery.ts'
import { askNode } from './ask-node.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { paint, printJson, printLine, safe } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface StatusOptions extends TargetOptions {
  json?: boolean
}

/** `cytoplex status`: who a node is, and whether it can do its work. */
export function registerStatus(program: Command): void {
  targetOptions(program.command('status').description('show who a node is and whether it is ready'))
    .addHelpText(
      'after',
      '\nExits with 1 when the node is not ready.\n\nExample:\n  $ cytoplex status --node http://127.0.0.1:8000',
    )
    .action(status)
}

async function status(options: StatusOptions): Promise<void> {
  const { url, client, answer: info } = await askNode(options, '/api/v1/discovery/info', ProviderInfo)
  const readiness = await client.get('/ready').then(String, readinessOf)
  const ready = !readiness.startsWith('NOT READY')

  if (options.json) printJson({ url, ready, readiness, info })
  else printStatus(url, readiness, info)
  if (!ready) throw new CliError(`the node is ${readiness}`, EXIT.failure, 'NOT_READY')
}

/** A node that is not ready says so with status 503. */
function readinessOf(error: unknown): string {
  if (error instanceof Error && 'status' in error && error.status === 503) return error.message
  throw error
}

function printStatus(url: string, readiness: string, info: ProviderInfo): void {
  const style = readiness.startsWith('READY') ? 'green' : readiness.startsWith('DEGRADED') ? 'yellow' : 'red'
  const rows: [string, string | number][] = [
    ['name', info.name],
    ['URL', url],
    ['version', info.software_version],
    ['cells', info.cell_count],
    ['capabilities', info.capability_count],
    ['provider id', info.provider_id],
    ['node id', info.node_id],
    ['publisher', info.publisher],
    ...info.multiaddrs.map((address, i): [string, string] => [i === 0 ? 'peers reach it at' : '', address]),
  ]
  printLine(paint(style, safe(readiness)))
  for (const [name, value] of rows) printLine(`  ${name.padEnd(17)} ${safe(String(value))}`)
}
