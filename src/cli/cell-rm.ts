import type { Command } from 'commander'
import { clientFor, type NodeFlags } from './cell-transfer.ts'
import { printJson, printLine, safe } from './output.ts'
import { targetOptions } from './target.ts'

/** `cell rm`: deletes a version from a node. */
export function registerRm(cell: Command): void {
  targetOptions(
    cell
      .command('rm')
      .description('delete a version of a cell from a node')
      .argument('<type>', 'cell type')
      .argument('<version>', 'version, such as 1.0.0'),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex cell rm sql-wasm 1.0.0')
    .action(remove)
}

async function remove(type: string, version: string, flags: NodeFlags): Promise<void> {
  const answer = await clientFor(flags).deleteCell(type, version)
  if (flags.json) return printJson(answer)
  printLine(`deleted ${safe(type)} ${safe(version)}`)
}
