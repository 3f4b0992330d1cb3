import type { Command } from 'commander'
import { FsckLine } from '../../protocol/upkeep.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { interruptible } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { jsonLines } from './json-lines.ts'
import { paint, printLine, safe } from './output.ts'
import { onNodeOrData, type UpkeepOptions, upkeepOptions } from './upkeep-target.ts'

interface FsckFlags extends UpkeepOptions {
  readonly repair?: boolean
}

const lineSchema = checkerOf(FsckLine)

/** `cytoplex fsck`: whether everything that a node stores is what it was. */
export function registerFsck(program: Command): void {
  upkeepOptions(program.command('fsck').description('verify every package, signature, index and log of a node'))
    .option('--repair', 'fetch damaged packages from peers, and make derived records anew')
    .addHelpText(
      'after',
      `
A node that does not run is checked in its data directory; packages can be fetched only by one that runs. Exits with 1 when something is wrong
and was not mended. Needs the key of the administrator.

Example:
  $ cytoplex fsck --repair`,
    )
    .action(check)
}

async function check(flags: FsckFlags): Promise<void> {
  const { repair = false } = flags
  let open = 0
  await interruptible((signal) =>
    onNodeOrData(
      flags,
      async ({ url, apiKey }) => {
        const { openStream } = await import('../client/open-stream.ts')
        const call = {
          method: 'POST',
          path: '/api/v1/fsck',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ repair }),
        }
        open = await print(checkedLines(await openStream({ url, apiKey }, call, signal), url), flags)
      },
      async (node) => {
        open = await print(node.fsck(repair, signal), flags)
      },
    ),
  )
  if (open === 0) return
  const advice = repair ? '' : ': cytoplex fsck --repair mends what can be mended'
  throw new CliError(`${open} ${open === 1 ? 'thing is' : 'things are'} wrong${advice}`, EXIT.failure, 'DAMAGED')
}

async function* checkedLines(bytes: AsyncIterable<Uint8Array>, url: string): AsyncGenerator<FsckLine> {
  for await (const line of jsonLines(bytes)) {
    if (!lineSchema.Check(line))
      throw new CliError(`${url} answered, but not as a Cytoplex node does`, EXIT.failure, 'BAD_ANSWER')
    yield line
  }
}

/** How many findings are left. */
async function print(lines: AsyncIterable<FsckLine>, { json }: FsckFlags): Promise<number> {
  let left: number | undefined
  const isTerminal = process.stderr.isTTY && !json
  for await (const line of lines) {
    if (line.type === 'summary') left = line.findings - line.repaired
    if (json) {
      if (line.type !== 'progress') printLine(safe(JSON.stringify(line)))
      continue
    }
    if (isTerminal && line.type === 'progress') process.stderr.write(`\r\x1b[K${line.stage}: ${line.checked}`)
    if (line.type === 'progress') continue
    if (isTerminal) process.stderr.write('\r\x1b[K')
    if (line.type === 'finding') {
      const mark = line.repaired ? paint('green', 'mended') : paint('red', 'wrong ')
      printLine(`${mark}  ${safe(line.subject)}: ${safe(line.problem)}`)
    } else {
      const counts = Object.entries(line.checked).map(([stage, count]) => `${count} ${stage}`)
      printLine(
        `checked ${counts.join(', ')}: ${line.findings === 0 ? 'all is well' : `${line.findings} found, ${line.repaired} mended`}`,
      )
    }
  }
  if (left === undefined) throw new CliError('the check broke off before its end', EXIT.failure, 'BROKEN_OFF')
  return left
}
