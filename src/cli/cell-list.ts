import type { Command } from 'commander'
import { clientFor, type NodeFlags } from './cell-transfer.ts'
import { anyNumber } from './number-flags.ts'
import { printJson, printLine, printTable } from './output.ts'
import { targetOptions } from './target.ts'

interface ListFlags extends NodeFlags {
  readonly capability?: string
  readonly search?: string
  readonly limit?: number
  readonly offset?: number
}

/** `cell list`: what a node holds as its own. */
export function registerList(cell: Command): void {
  targetOptions(
    cell
      .command('list')
      .description('list the cells of a node')
      .option('--capability <name>', 'only those that offer it')
      .option(
        '--search <text>',
        'only those with a close name, or these words in their description or tags, best first',
      )
      .option('--limit <n>', 'at most so many cell types (default: 50)', anyNumber('--limit', 0))
      .option('--offset <n>', 'leave out the first ones', anyNumber('--offset', 0)),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex cell list --capability query-sql')
    .action(list)
}

async function list(flags: ListFlags): Promise<void> {
  const { capability, search, limit, offset } = flags
  const answer = await clientFor(flags).listCells({
    ...(capability === undefined ? {} : { capability }),
    ...(search === undefined ? {} : { search }),
    ...(limit === undefined ? {} : { limit }),
    ...(offset === undefined ? {} : { offset }),
  })
  if (flags.json) return printJson(answer)
  if (answer.cells.length === 0) return printLine('no cells')
  printTable(
    ['TYPE', 'VERSIONS', 'CAPABILITIES', 'DESCRIPTION'],
    answer.cells.map(({ cell_type, versions, capabilities, description }) => [
      cell_type,
      versions.map(({ version, status }) => (status === 'active' ? version : `${version} (${status})`)).join(', '),
      capabilities.map(({ name, version }) => `${name}@${version}`).join(', '),
      description,
    ]),
  )
  const shown = answer.offset + answer.cells.length
  if (shown < answer.total_count) printLine(`${shown} of ${answer.total_count}; next: --offset ${shown}`)
}
