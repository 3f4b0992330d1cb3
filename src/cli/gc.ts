import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { GarbageReport } from '../../protocol/upkeep.ts'
import { bytesText, interruptible } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, printTable } from './output.ts'
import { onNodeOrData, type UpkeepOptions, upkeepOptions } from './upkeep-target.ts'

interface GcFlags extends UpkeepOptions {
  readonly remove?: boolean
}

/** Milliseconds for the answer: every package is looked at. */
const ANSWER_MS = 10 * 60 * 1000

/** `cytoplex gc`: what nothing refers to any more. */
export function registerGc(program: Command): void {
  upkeepOptions(program.command('gc').description('show what nothing refers to any more, and remove it'))
    .option('--remove', 'remove it (default: only show it)')
    .addHelpText(
      'after',
      `
Packages that no cell names, and records whose session, export or batch is gone. Copies that may go when room is needed are not among them:
those are bounded by cache.max_bytes. Needs the key of the administrator.

Examples:
  $ cytoplex gc
  $ cytoplex gc --remove`,
    )
    .action(collect)
}

async function collect(flags: GcFlags): Promise<void> {
  const dryRun = flags.remove !== true
  const report = await interruptible((signal) =>
    onNodeOrData(
      flags,
      async ({ url, apiKey }) => {
        const { createClient } = await import('../client/index.ts')
        const client = createClient({ nodes: url, apiKey, timeoutMs: ANSWER_MS })
        const answer = await client.send('POST', `/api/v1/gc?dry_run=${dryRun}`)
        if (Check(GarbageReport, answer)) return answer
        throw new CliError(`${url} answered, but not as a Cytoplex node does`, EXIT.failure, 'BAD_ANSWER')
      },
      (node) => node.collectGarbage(dryRun, signal),
    ),
  )
  if (flags.json) return printJson(report)
  if (report.count === 0) return printLine('Everything is referred to.')
  printTable(
    ['WHAT', 'COUNT', 'BYTES'],
    report.found.map(({ what, count, bytes }) => [what, count, bytesText(bytes)]),
  )
  printLine()
  printLine(
    dryRun ? `cytoplex gc --remove would free ${bytesText(report.bytes)}.` : `Removed: ${bytesText(report.bytes)}.`,
  )
}
