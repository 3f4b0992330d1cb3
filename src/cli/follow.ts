import type { Command } from 'commander'
import { type FollowPolicy, PolicyStatus, ReplicationStatus } from '../../protocol/replication.ts'
import { askNode } from './ask-node.ts'
import { bytesText } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, printTable, safe } from './output.ts'
import { type TargetOptions, targetFlags, targetOptions } from './target.ts'

interface FollowOptions extends TargetOptions {
  json?: boolean
}

interface AddOptions extends FollowOptions {
  publisher?: string
  capability?: string
  partner?: string
  versions?: string
  maxBytes: string
}

const PATH = '/api/v1/replication'
const EXAMPLE = "\nExample:\n  $ cytoplex follow add --capability 'sql.*' --max-bytes 10GiB"

/** `cytoplex follow …`: what to keep copies of. */
export function registerFollowCommands(program: Command): void {
  const follow = program
    .command('follow')
    .description('keep copies of what a publisher, a partner or everybody offers')
    .addHelpText('after', EXAMPLE)
  targetOptions(
    follow
      .command('add')
      .description('fetch and keep cells, those that are there and those to come; exactly one of the first three flags')
      .option('--publisher <id>', 'all cells of this publisher, which then rank before those of unknown ones')
      .option('--capability <pattern>', 'cells that offer it; * stands for any characters')
      .option('--partner <id>', 'what this partner announces as its own')
      .option('--versions <range>', 'only these versions of the cells, an npm semver range')
      .requiredOption('--max-bytes <size>', 'what the packages may come to, such as 500MiB'),
  )
    .addHelpText('after', EXAMPLE)
    .action(add)
  targetOptions(follow.command('list').description('show what is followed and pinned, and how far it is'))
    .addHelpText('after', '\nExample:\n  $ cytoplex follow list')
    .action(list)
  targetOptions(
    follow
      .command('remove')
      .alias('rm')
      .description('stop following; what was kept stays as copies that go when room is needed')
      .argument('<id>', 'id of the policy, from `cytoplex follow list`'),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex follow remove 0f3a5b7c9d1e')
    .action(remove)
}

async function add(options: AddOptions): Promise<void> {
  const { publisher, capability, partner, versions } = options
  const body = { publisher, capability, partner, versions, max_bytes: sizeOf(options.maxBytes) }
  if ([publisher, capability, partner].filter((one) => one !== undefined).length !== 1) {
    throw new CliError('exactly one of --publisher, --capability and --partner is needed', EXIT.usage)
  }
  const { answer } = await askNode(options, `${PATH}/policies`, PolicyStatus, { method: 'POST', body })
  if (options.json) return printJson(answer)
  printLine(`${answer.id} follows ${safe(followed(answer))}.`)
  printLine(`next: cytoplex follow list${targetFlags(options)} shows how far it is`)
}

async function list(options: FollowOptions): Promise<void> {
  const { answer } = await askNode(options, PATH, ReplicationStatus)
  if (options.json) return printJson(answer)
  const { policies, pins } = answer
  if (policies.length === 0) printLine('Nothing is followed.')
  else {
    printTable(
      ['POLICY', 'FOLLOWS', 'KEPT', 'MATCHES', 'WAITING', 'FAILED', 'BYTES', 'OF', 'LAST ERROR'],
      policies.map((one) => [
        one.id,
        followed(one),
        one.kept,
        one.matches,
        one.waiting,
        one.failed,
        bytesText(one.bytes),
        `${bytesText(one.max_bytes)}${one.full ? ', full' : ''}`,
        one.last_error,
      ]),
    )
  }
  if (pins.length === 0) return
  printLine()
  printTable(
    ['PINNED', 'CELL', 'STATE', 'BYTES', 'LAST ERROR'],
    pins.map((pin) => [
      pin.digest,
      pin.cell_type === null ? null : `${pin.cell_type}@${pin.version}`,
      pin.state,
      bytesText(pin.bytes),
      pin.last_error,
    ]),
  )
}

async function remove(id: string, options: FollowOptions): Promise<void> {
  const path = `${PATH}/policies/${encodeURIComponent(id)}`
  const { answer } = await askNode(options, path, PolicyStatus, { method: 'DELETE' })
  if (options.json) return printJson(answer)
  printLine(`${safe(followed(answer))} is not followed any more; its ${answer.kept} copies may go when room is needed.`)
}

function followed({ publisher, capability, partner, versions }: FollowPolicy): string {
  const what =
    publisher !== undefined
      ? `publisher ${publisher}`
      : partner !== undefined
        ? `partner ${partner}`
        : `capability ${capability}`
  return versions === undefined ? what : `${what} ${versions}`
}

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

/** Bytes of `500MiB`. */
function sizeOf(text: string): number {
  const [, number, unit] = /^([1-9][0-9]{0,14})(KiB|MiB|GiB|TiB)?$/.exec(text) ?? []
  const bytes = Number(number) * (UNITS[unit ?? ''] ?? Number.NaN)
  if (Number.isSafeInteger(bytes)) return bytes
  throw new CliError(
    `--max-bytes: found ${JSON.stringify(text)}, allowed is a whole number, with KiB, MiB, GiB or TiB if wanted`,
    EXIT.usage,
  )
}
