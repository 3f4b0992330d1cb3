import type { Command } from 'commander'
import { descriptionJson, writeDescription } from './cell-description.ts'
import { type CellFlags, cellFlags, describeCell } from './cell-options.ts'
import { bytesText } from './cell-transfer.ts'
import { printJson, printLine, safe } from './output.ts'
import { outputFlag } from './output-file.ts'

interface PackFlags extends CellFlags {
  readonly output: string
  readonly force?: true
  readonly json?: true
}

/** `cell pack`: writes an unsigned cell description. */
export function registerPack(cell: Command): void {
  cellFlags(cell.command('pack'))
    .description('describe a package in a cell description file, to be signed and registered')
    .argument('<file>', 'the package: a WebAssembly module or component, an archive, a document')
    .option('-o, --output <file>', 'cell description to write', outputFlag, 'cell.json')
    .option('--force', 'replace an existing file')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ cytoplex cell pack sql-wasm.wasm --version 1.0.0 --capability query-sql@3.49.0 -o cell.json',
    )
    .action(pack)
}

async function pack(file: string, flags: PackFlags): Promise<void> {
  const description = await describeCell(file, flags)
  await writeDescription(flags.output, description, flags.force === true)
  const { manifest } = description
  if (flags.json) return printJson({ file: flags.output, ...descriptionJson(description) })
  const offers = manifest.capabilities.map(({ name, version }) => `${name}@${version}`).join(', ')
  printLine(
    `${manifest.cell_type} ${manifest.version} (${manifest.packaging_format}, ${bytesText(manifest.package.size)})`,
  )
  printLine(`  offers  ${offers}`)
  printLine(`  digest  ${manifest.package.digest}`)
  printLine(`wrote ${safe(flags.output)}; next: cytoplex cell sign ${safe(flags.output)}`)
}
