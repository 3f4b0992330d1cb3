import { type Command, Option } from 'commander'
import type { YankOrder } from '../../protocol/repository.ts'
import { type Yank, YankReason } from '../../protocol/yank.ts'
import type { Client } from '../client/index.ts'
import { loadPublisherKeyFile, publisherKeys } from '../kernel/identity/manifest-signer.ts'
import { nativeVerifier } from '../kernel/identity/verify.ts'
import { decodeYankToken, verifyYank } from '../kernel/identity/yank-signature.ts'
import { networkFlag } from './cell-keys.ts'
import { clientFor, type NodeFlags } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, safe } from './output.ts'
import { targetOptions } from './target.ts'

interface YankFlags extends Omit<NodeFlags, 'network'> {
  readonly reason?: YankReason
  readonly message?: string
  readonly undo?: true
  readonly key?: string
  readonly network: string
}

/** `cell yank`: withdraws a version, or takes that back. */
export function registerYank(cell: Command): void {
  const command = cell
    .command('yank')
    .description('withdraw a version: nobody is given it any more, and who knows its digest can still download it')
    .argument('<type>', 'cell type')
    .argument('<version>', 'version, such as 1.0.0')
    .addOption(
      new Option('--reason <reason>', 'why; compromised cannot be undone').choices(
        YankReason.anyOf.map((one) => one.const),
      ),
    )
    .option('--message <text>', 'what those should know who use it')
    .option('--undo', 'take the yank back')
    .option('--key <file>', 'publisher key that signs, for a cell that it signed (default: the node does what it may)')
  targetOptions(networkFlag(command))
    .addHelpText('after', '\nExample:\n  $ cytoplex cell yank sql-wasm 1.0.0 --reason broken --message "loses rows"')
    .action(yank)
}

async function yank(type: string, version: string, flags: YankFlags): Promise<void> {
  if ((flags.reason === undefined) === (flags.undo === undefined)) {
    throw new CliError('say either --reason, or --undo', EXIT.usage)
  }
  const client = clientFor(flags)
  const answer = await client.yankCell(
    type,
    version,
    flags.key === undefined ? orderOf(flags) : { yank: await signedYank(client, type, version, flags, flags.key) },
  )
  if (flags.json) return printJson(answer)
  const where = answer.by === 'publisher' ? 'everywhere' : 'at this node'
  const cell = `${safe(type)} ${safe(version)}`
  printLine(answer.yanked ? `${cell} is yanked ${where}` : `the yank of ${cell} is undone ${where}`)
}

const orderOf = ({ reason, message, undo }: YankFlags): YankOrder => ({
  ...(reason === undefined ? {} : { reason }),
  ...(message === undefined ? {} : { message }),
  ...(undo === undefined ? {} : { undo }),
})

/** The publisher's word about a cell, after what it has said before. */
async function signedYank(
  client: Client,
  type: string,
  version: string,
  { reason, message, network }: YankFlags,
  keyFile: string,
): Promise<string> {
  const keys = publisherKeys(loadPublisherKeyFile(keyFile))
  const { cell_id, publisher, yanks } = await client.cellDetails(type, version)
  if (publisher !== keys.publisher) {
    throw new CliError(`${type} ${version} is signed by ${publisher}, ${keyFile} is ${keys.publisher}`, EXIT.failure)
  }
  const token = yanks.find(({ by }) => by === 'publisher')?.token
  const before = token === undefined ? undefined : saidBefore(token, network, cell_id)
  if (reason === undefined && !before?.yanked) {
    throw new CliError(`${type} ${version} is not yanked by its publisher`, EXIT.failure)
  }
  return keys.signYank(network, {
    format: 1,
    manifest_digest: cell_id,
    publisher,
    counter: (before?.counter ?? 0) + 1,
    yanked: reason !== undefined,
    reason: reason ?? before!.reason,
    ...(message === undefined ? {} : { message }),
    at: Date.now(),
  })
}

/** What the publisher said of a cell. A node's mere word for it could make the publisher use up its counters. */
function saidBefore(token: string, network: string, cellId: string): Yank {
  const signed = decodeYankToken(token)
  verifyYank(nativeVerifier, network, signed)
  if (signed.record.manifest_digest === cellId) return signed.record
  throw new CliError(`the node answers with the yank of another cell, ${signed.record.manifest_digest}`, EXIT.failure)
}
