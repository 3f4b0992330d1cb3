import type { Command } from 'commander'
import { AuditList } from '../../protocol/audit.ts'
import { askNode } from './ask-node.ts'
import { wholeNumber } from './number-flags.ts'
import { printJson, printLine, printTable } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface AuditOptions extends TargetOptions {
  json?: boolean
  limit: number
  before?: number
}

/** `cytoplex audit`: what administrators did. */
export function registerAudit(program: Command): void {
  targetOptions(
    program
      .command('audit')
      .description('list what administrators did, newest first')
      .option('--limit <count>', 'acts to list, 500 at most', wholeNumber('--limit'), 50)
      .option('--before <index>', 'only acts before this leaf of the log', wholeNumber('--before')),
  )
    .addHelpText(
      'after',
      '\nNeeds the key of the administrator. What was done to cells is in the log itself.\n\nExample:\n  $ cytoplex audit --limit 10',
    )
    .action(audit)
}

async function audit({ limit, before, ...options }: AuditOptions): Promise<void> {
  const query = new URLSearchParams({ limit: String(limit) })
  if (before !== undefined) query.set('before', String(before))
  const { answer } = await askNode(options, `/api/v1/audit?${query}`, AuditList)
  if (options.json) {
    printJson(answer)
    return
  }
  if (answer.entries.length === 0) printLine('No administrative act is in the log.')
  else {
    printTable(
      ['LEAF', 'AT', 'BY', 'ACT', 'DETAILS'],
      answer.entries.map(({ log_index, at, by, act, details }) => [log_index, at, by, act, JSON.stringify(details)]),
    )
  }
  if (answer.next_before !== null) printLine(`\nEarlier acts: --before ${answer.next_before}`)
}
