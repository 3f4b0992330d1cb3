import type { Command } from 'commander'
import type { Cell } from '../client/index.ts'
import { networkFlag } from './cell-keys.ts'
import { explainNotFound } from './cell-not-found.ts'
import { cellNamed, PACKAGE_OR_CELL, publisherFlag, range } from './cell-options.ts'
import { bytesText, clientFor, downloadToFile, extensionOf, type NodeFlags } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { anyNumber } from './number-flags.ts'
import { printJson, printLine, safe } from './output.ts'
import { outputFlag } from './output-file.ts'
import { targetOptions } from './target.ts'

interface GetFlags extends NodeFlags {
  readonly version?: string
  readonly publisher?: readonly string[]
  readonly wait?: number
  readonly output?: string
  readonly force?: true
}

const DIGEST = /^sha256:[0-9a-f]{64}$/

/** `cell get`: downloads a package, verified. */
export function registerGet(cell: Command): void {
  targetOptions(
    networkFlag(
      cell
        .command('get')
        .description('download a cell, from anywhere in the federation, and verify it')
        .argument('<cell>', PACKAGE_OR_CELL)
        .option('--version <range>', 'version or npm semver range (default: the highest)', range('--version'))
        .option('--publisher <id>', 'accept only cells of this publisher; repeat for more', publisherFlag)
        .option('--wait <seconds>', 'how long to search', anyNumber('--wait', 0))
        .option('-o, --output <file>', 'file to write (default: <type>-<version>.<extension>)', outputFlag)
        .option('--force', 'replace an existing file'),
    ),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex cell get sql-wasm --version ^1.0.0 -o sql.wasm')
    .action(get)
}

async function get(name: string, flags: GetFlags): Promise<void> {
  const client = clientFor(flags, { publishers: flags.publisher })
  if (name.startsWith('sha256:')) {
    if (!DIGEST.test(name))
      throw new CliError(`found ${JSON.stringify(name)}, allowed is sha256:<64 hex digits>`, EXIT.usage)
    if (flags.version !== undefined || flags.publisher !== undefined) {
      throw new CliError('--version and --publisher go with a cell type; a digest names one package', EXIT.usage)
    }
    const file = flags.output ?? `${name.slice('sha256:'.length, 'sha256:'.length + 16)}.bin`
    const size = await downloadToFile(client, { digest: name }, file, flags)
    if (flags.json) return printJson({ file, digest: name, size_bytes: size })
    return printLine(`wrote ${safe(file)} (${bytesText(size)}), ${name}`)
  }
  const { cellType, version: wanted } =
    flags.version === undefined ? cellNamed(name) : { cellType: name, version: flags.version }
  const cell = await client
    .requestSpecific({ cellType, version: wanted, waitSeconds: flags.wait })
    .catch(explainNotFound(cellType, 'cell type'))
  const file = flags.output ?? fileNameOf(cell)
  const size = await downloadToFile(client, cell, file, flags)
  const { cell_type, version, digest, publisher } = cell
  if (flags.json) return printJson({ file, digest, size_bytes: size, cell_type, version, publisher })
  printLine(`wrote ${safe(file)} (${bytesText(size)}), ${digest}`)
  printLine(`  ${cell_type} ${version}, verified; publisher ${publisher}`)
}

const fileNameOf = ({ cell_type, version, manifest }: Cell): string =>
  `${cell_type}-${version}.${extensionOf(manifest.media_type)}`
