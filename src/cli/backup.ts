import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Call } from '../client/transport.ts'
import type { SealedKeys } from '../node/upkeep/sealed-keys.ts'
import type { BackupSource } from '../node/upkeep/write-backup.ts'
import { bytesText, interruptible, withProgress } from './cell-transfer.ts'
import { CliError, codeOf, EXIT, exitCodeOf } from './exit-codes.ts'
import { wholeNumber } from './number-flags.ts'
import { printJson, printLine, safe } from './output.ts'
import { readPassphrase } from './passphrase.ts'
import type { Target } from './target.ts'
import { configOf, onNodeOrData, type UpkeepOptions, upkeepOptions } from './upkeep-target.ts'

interface BackupFlags extends UpkeepOptions {
  readonly withKeys?: boolean
  readonly passphraseFile?: string
  readonly verify?: boolean
  readonly keep?: number
}

/** `cytoplex backup`: everything that a node stores, while it runs. */
export function registerBackup(program: Command): void {
  upkeepOptions(program.command('backup').description('back up everything that a node stores, while it runs'))
    .argument('<folder>', 'where the backups of this node are, or will be')
    .option('--with-keys', 'and its keys, sealed with a passphrase')
    .option('--passphrase-file <file>', 'file whose first line is the passphrase (default: it is asked for)')
    .option('--verify', 'read the packages of earlier backups again')
    .option('--keep <count>', 'then remove all backups but so many, the newest', wholeNumber('--keep', 1))
    .addHelpText(
      'after',
      `
A folder holds any number of backups of one node. Packages are kept once, by their digest: only new ones are copied. The keys are not in a
backup unless --with-keys: without them nobody can be this node, or read its sessions; keep them elsewhere. A node that does not run is backed
up from its data directory. Back with: cytoplex restore.

Examples:
  $ cytoplex backup /mnt/backups/node-a
  $ cytoplex backup /mnt/backups/node-a --keep 14
  $ cytoplex backup /mnt/backups/node-a --with-keys --passphrase-file ~/.backup-passphrase`,
    )
    .action(backup)
}

async function backup(path: string, flags: BackupFlags): Promise<void> {
  const folder = resolve(path)
  const { writeBackup } = await import('../node/upkeep/write-backup.ts')
  const { pruneBackups } = await import('../node/upkeep/prune-backups.ts')
  const keys = flags.withKeys === true ? await sealedKeys(flags) : undefined
  const write = (source: BackupSource) =>
    interruptible((signal) =>
      withProgress(
        folder,
        { json: flags.json ? true : undefined } as object,
        (onProgress) =>
          writeBackup(source, {
            folder,
            signal,
            keys,
            verify: flags.verify === true,
            onProgress: (transferred, total) => onProgress({ transferred, total }),
          }),
        (total) => `${total} packages`,
      ),
    )
  const done = await onNodeOrData(
    flags,
    (target) => write(sourceOf(target)),
    (node) => write(node),
  )
  const pruned = flags.keep === undefined ? undefined : await pruneBackups(folder, flags.keep)
  const { manifest, copied, copiedBytes } = done
  const { id, entries, packages, lost, log } = manifest
  if (flags.json) {
    printJson({
      folder,
      id,
      provider_id: manifest.provider_id,
      records: entries,
      packages,
      copied,
      copied_bytes: copiedBytes,
      lost,
      log_size: log.size,
      with_keys: keys !== undefined,
      ...(pruned === undefined ? {} : { removed: pruned }),
    })
  } else {
    const copies = `${copied} of them new (${bytesText(copiedBytes)})`
    printLine(`backed up ${safe(manifest.provider_id)} to ${safe(folder)} as ${id}`)
    printLine(`${entries} records, ${packages} packages, ${copies}; the log has ${log.size} leaves`)
    if (pruned !== undefined) {
      const space = `${pruned.packages} packages that only they needed (${bytesText(pruned.bytes)})`
      printLine(`removed ${pruned.backups.length} older backups, and ${space}`)
    }
    if (keys === undefined)
      printLine('The keys are not in it: keep a copy of the key directory elsewhere, or use --with-keys.')
  }
  if (lost.length === 0) return
  throw new CliError(
    `the backup is whole but for ${lost.length} packages that this node has lost, such as sha256:${lost[0]}: cytoplex fsck --repair fetches them from peers`,
    EXIT.failure,
    'LOST_PACKAGES',
  )
}

/** The keys are read from this machine: no node shows them. */
async function sealedKeys(flags: BackupFlags): Promise<SealedKeys> {
  const { sealKeys } = await import('../node/upkeep/sealed-keys.ts')
  const { key_dir: directory } = configOf(flags)
  return sealKeys(directory, await readPassphrase(flags.passphraseFile, 'Passphrase for the keys in the backup'))
}

function sourceOf({ url, apiKey }: Target): BackupSource {
  const get = async (path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> => {
    const { openStream } = await import('../client/open-stream.ts')
    return openStream({ url, apiKey }, { path } satisfies Call, signal)
  }
  return {
    async *snapshot(signal) {
      yield* await get('/api/v1/backup/snapshot', signal)
    },
    async package(digest, signal) {
      try {
        return await get(`/api/v1/backup/packages/sha256:${digest}`, signal)
      } catch (error) {
        if (codeOf(error) !== 'INTERRUPTED' && exitCodeOf(error) === EXIT.notFound) return undefined
        throw error
      }
    },
  }
}
