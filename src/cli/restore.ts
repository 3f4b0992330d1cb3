import { resolve } from 'node:path'
import type { Command } from 'commander'
import { interruptible, withProgress } from './cell-transfer.ts'
import { printJson, printLine, safe } from './output.ts'
import { readPassphrase } from './passphrase.ts'
import { configOf, type UpkeepOptions } from './upkeep-target.ts'

interface RestoreFlags extends Pick<UpkeepOptions, 'config' | 'dataDir' | 'keyDir' | 'json'> {
  readonly backup?: string
  readonly passphraseFile?: string
}

/** `cytoplex restore`: a data directory of a backup. */
export function registerRestore(program: Command): void {
  program
    .command('restore')
    .description('make a data directory of a backup, verified')
    .argument('<folder>', 'where the backups are')
    .option('--backup <id>', 'which of them (default: the newest)')
    .option('--data-dir <dir>', 'directory to fill; it must be empty')
    .option('--key-dir <dir>', 'key directory (default: the data directory with .keys appended)')
    .option('--config <file>', 'configuration file of the node (CYTOPLEX_CONFIG)')
    .option('--passphrase-file <file>', 'file whose first line opens the keys of the backup (default: it is asked for)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Everything is verified before it is done: digests of all files and packages, signatures of all cells, and the log against the end that was
signed. Where the node may have signed more since the backup, its log goes on in a new epoch at the next start, so that an accident does not
look like a lie. Never run two nodes with one identity.

Example:
  $ cytoplex restore /mnt/backups/node-a --data-dir /var/lib/cytoplex/data --key-dir /var/lib/cytoplex/keys`,
    )
    .action(restore)
}

async function restore(path: string, flags: RestoreFlags): Promise<void> {
  const folder = resolve(path)
  const { data_dir: dataDir, key_dir: keyDir } = configOf(flags)
  const { restoreBackup } = await import('../node/upkeep/restore-backup.ts')
  const { manifest, keys, findings } = await interruptible((signal) =>
    withProgress(
      dataDir,
      { json: flags.json ? true : undefined } as object,
      (onProgress) =>
        restoreBackup({
          folder,
          id: flags.backup,
          dataDir,
          keyDir,
          signal,
          passphrase: () => readPassphrase(flags.passphraseFile, 'Passphrase of the keys in the backup'),
          onProgress: (transferred, total) => onProgress({ transferred, total }),
        }),
      (total) => `${total} packages`,
    ),
  )
  const { id, provider_id, at, entries, packages, log } = manifest
  if (flags.json) {
    return printJson({
      id,
      provider_id,
      at,
      data_dir: dataDir,
      key_dir: keyDir,
      keys,
      records: entries,
      packages,
      findings,
    })
  }
  printLine(`restored ${safe(provider_id)} as of ${safe(at)} to ${safe(dataDir)}`)
  printLine(`${entries} records, ${packages} packages, a log of ${log.size} leaves: all verified`)
  for (const { subject, problem } of findings) printLine(safe(`in the backup already: ${subject}: ${problem}`))
  if (keys === 'restored') printLine(`the keys are in ${safe(keyDir)}`)
  if (keys === 'missing')
    printLine(`Put the keys of this node into ${safe(keyDir)} before you start it: the backup has none.`)
}
