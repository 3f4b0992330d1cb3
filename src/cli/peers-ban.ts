import type { Command } from 'commander'
import { PeerBan, PeerBanList, PeerUnbanned } from '../../protocol/peers.ts'
import { askNode } from './ask-node.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, printTable } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface BanOptions extends TargetOptions {
  json?: boolean
  reason?: string
  hours?: string
}

const PATH = '/api/v1/peers'

/** `cytoplex peers ban`, `unban` and `banned`: whom a node has nothing to do with. */
export function registerPeerBans(peers: Command): void {
  targetOptions(
    peers
      .command('ban')
      .description('have nothing to do with a peer')
      .argument('<id>', 'its provider id')
      .option('--reason <text>', 'why, for your own record')
      .option('--hours <number>', 'for how long; without it, until it is lifted'),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex peers ban 12D3KooW… --reason "sends garbage" --hours 24')
    .action(ban)
  targetOptions(peers.command('unban').description('lift a ban').argument('<id>', 'its provider id'))
    .addHelpText('after', '\nExample:\n  $ cytoplex peers unban 12D3KooW…')
    .action(unban)
  targetOptions(peers.command('banned').description('list who is banned, and why'))
    .addHelpText('after', '\nExample:\n  $ cytoplex peers banned')
    .action(banned)
}

async function ban(id: string, _options: BanOptions, command: Command): Promise<void> {
  const options = optionsOf(command)
  const { reason, hours } = options
  const seconds = hours === undefined ? undefined : Math.round(Number(hours) * 3600)
  if (seconds !== undefined && !(seconds > 0)) {
    throw new CliError(`--hours: found ${JSON.stringify(hours)}, allowed are numbers above 0`, EXIT.usage)
  }
  const body = {
    ...(reason === undefined ? {} : { reason }),
    ...(seconds === undefined ? {} : { duration_seconds: seconds }),
  }
  const { answer } = await askNode(options, pathOf(id), PeerBan, { method: 'POST', body })
  if (options.json) printJson(answer)
  else
    printLine(
      `${answer.provider_id} is banned ${answer.until === null ? 'until you lift it' : `until ${answer.until}`}.`,
    )
}

async function unban(id: string, _options: BanOptions, command: Command): Promise<void> {
  const options = optionsOf(command)
  const { answer } = await askNode(options, pathOf(id), PeerUnbanned, { method: 'DELETE' })
  if (options.json) printJson(answer)
  else printLine(`${answer.provider_id} is not banned any more.`)
}

async function banned(_options: BanOptions, command: Command): Promise<void> {
  const options = optionsOf(command)
  const { answer } = await askNode(options, `${PATH}/banned`, PeerBanList)
  if (options.json) printJson(answer)
  else if (answer.total === 0) printLine('Nobody is banned.')
  else {
    printTable(
      ['PROVIDER', 'SINCE', 'UNTIL', 'REASON'],
      answer.bans.map(({ provider_id, since, until, reason }) => [provider_id, since, until ?? 'lifted', reason]),
    )
  }
}

/** `peers` has the same flags, and takes them wherever they stand. */
const optionsOf = (command: Command): BanOptions => command.optsWithGlobals()

const pathOf = (id: string): string => `${PATH}/${encodeURIComponent(id)}/ban`
