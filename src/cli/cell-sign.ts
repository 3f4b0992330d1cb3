import type { Command } from 'commander'
import { manifestDigest } from '../kernel/identity/manifest-signature.ts'
import { type CellDescription, readDescription, writeDescription } from './cell-description.ts'
import { type KeyFlags, keyFlags, openPublisherKeys } from './cell-keys.ts'
import { printJson, printLine, safe } from './output.ts'

/** `cell sign`: makes the publisher vouch for a cell description. */
export function registerSign(cell: Command): void {
  keyFlags(cell.command('sign'))
    .description('sign a cell description with a publisher key, and write the signature into it')
    .argument('<cell.json>', 'what `cell pack` wrote')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ cytoplex cell sign cell.json --key ~/keys/publisher.json')
    .action(sign)
}

async function sign(path: string, flags: KeyFlags & { readonly json?: true }): Promise<void> {
  const signed = signDescription(await readDescription(path), flags)
  await writeDescription(path, signed, true)
  const { manifest, signature } = signed
  const cellId = manifestDigest(manifest)
  if (flags.json) {
    return printJson({ file: path, cell_id: cellId, publisher: manifest.publisher, manifest_signature: signature })
  }
  printLine(`signed ${safe(path)} for the network ${safe(flags.network)}`)
  printLine(`  cell       ${cellId}`)
  printLine(`  publisher  ${manifest.publisher}`)
  printLine(`next: cytoplex cell push ${safe(path)} --package <file>`)
}

/** The description, signed by the publisher that the flags name; a signature that it had is replaced. */
export function signDescription(
  description: CellDescription,
  flags: KeyFlags,
): CellDescription & { signature: string } {
  const keys = openPublisherKeys(flags)
  const manifest = { ...description.manifest, publisher: keys.publisher }
  return { ...description, manifest, signature: keys.signManifest(flags.network, manifest) }
}
