import type { Command } from 'commander'
import { maxSatisfying } from 'semver'
import { CopyDropped, Pin, ReplicationStatus } from '../../protocol/replication.ts'
import { askNode } from './ask-node.ts'
import { networkFlag } from './cell-keys.ts'
import { explainNotFound } from './cell-not-found.ts'
import { cellNamed, PACKAGE_OR_CELL } from './cell-options.ts'
import { bytesText, clientFor, type NodeFlags } from './cell-transfer.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { printJson, printLine, safe } from './output.ts'
import { targetFlags, targetOptions } from './target.ts'

interface UnpinFlags extends NodeFlags {
  readonly drop?: true
}

const PATH = '/api/v1/replication'
const DIGEST = /^sha256:[0-9a-f]{64}$/
const WHY_NO_COPY: Readonly<Record<Pin['state'], string>> = {
  kept: 'its copy is gone already',
  registered: 'it is registered here, so there was no copy to drop',
  waiting: 'it was not here yet',
}

/** `cytoplex pin`, `cytoplex unpin`: whether one package is kept. */
export function registerPinCommands(program: Command): void {
  const pinning = program
    .command('pin')
    .description('fetch a package, and keep it whatever becomes of it elsewhere')
    .argument('<what>', PACKAGE_OR_CELL)
  targetOptions(networkFlag(pinning)).addHelpText('after', '\nExample:\n  $ cytoplex pin sql-wasm@1.0.0').action(pin)
  const unpinning = program
    .command('unpin')
    .description('let go of a package: the copy may go when room is needed')
    .argument('<what>', PACKAGE_OR_CELL)
    .option('--drop', 'drop the copy at once, pinned or not')
  targetOptions(networkFlag(unpinning))
    .addHelpText('after', '\nExample:\n  $ cytoplex unpin sql-wasm@1.0.0 --drop')
    .action(unpin)
}

async function pin(what: string, flags: NodeFlags): Promise<void> {
  const digest = await digestOf(what, flags)
  const { answer } = await askNode(flags, `${PATH}/pins/${digest}`, Pin, {
    method: 'POST',
  })
  if (flags.json) return printJson(answer)
  if (answer.state === 'waiting') {
    printLine(`${digest} is pinned, and will be fetched.`)
    printLine(`next: cytoplex follow list${targetFlags(flags)} shows when it is here`)
  } else printLine(`${safe(nameOf(answer))} is pinned, and here.`)
}

async function unpin(what: string, flags: UnpinFlags): Promise<void> {
  const digest = (await pinnedAs(what, flags)) ?? (await digestOf(what, flags))
  const remove = { method: 'DELETE' }
  // What is not pinned may be dropped all the same.
  const unpinned = await askNode(flags, `${PATH}/pins/${digest}`, Pin, remove).catch(absent(flags.drop === true))
  const pin = unpinned?.answer
  const dropped =
    flags.drop === true
      ? await askNode(flags, `${PATH}/copies/${digest}`, CopyDropped, remove).catch(absent(pin !== undefined))
      : undefined
  if (flags.json) return printJson(dropped?.answer ?? pin)
  if (dropped !== undefined) return printLine(`The copy of ${digest} is gone: ${bytesText(dropped.answer.bytes)}.`)
  const why = flags.drop === true ? `; ${WHY_NO_COPY[pin!.state]}` : ''
  printLine(`${safe(nameOf(pin!))} is not pinned any more${why}.`)
}

/** Throws what failed, but for what is not there, where that is no failure. */
const absent =
  (isFine: boolean) =>
  (error: unknown): undefined => {
    if (!isFine || exitCodeOf(error) !== EXIT.notFound) throw error
  }

/** What is yanked or deleted, nobody offers any more, but it is still pinned. */
async function pinnedAs(what: string, flags: NodeFlags): Promise<string | undefined> {
  if (DIGEST.test(what)) return undefined
  const { cellType, version } = cellNamed(what)
  const { answer } = await askNode(flags, PATH, ReplicationStatus)
  const pins = answer.pins.filter((pin) => pin.cell_type === cellType)
  const versions = pins.flatMap((pin) => pin.version ?? [])
  const highest = maxSatisfying(versions, version ?? '*', { includePrerelease: version === undefined })
  return pins.find((pin) => pin.version === highest)?.digest
}

/** The digest itself, or that of the cell which the node finds. */
async function digestOf(what: string, flags: NodeFlags): Promise<string> {
  if (DIGEST.test(what)) return what
  const { cellType, version } = cellNamed(what)
  const found = await clientFor(flags)
    .requestSpecific({ cellType, version })
    .catch(explainNotFound(cellType, 'cell type'))
  return found.digest
}

const nameOf = ({ digest, cell_type: cellType, version }: Pin): string =>
  cellType === null ? digest : `${cellType}@${version}`
