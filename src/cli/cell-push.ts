import { openAsBlob } from 'node:fs'
import type { Command } from 'commander'
import { ValidationError } from '../client/index.ts'
import { canonicalJson } from '../kernel/base/canonical-json.ts'
import { verifyManifest } from '../kernel/identity/manifest-signature.ts'
import { nativeVerifier } from '../kernel/identity/verify.ts'
import { type CellDescription, metadataOf, readDescription } from './cell-description.ts'
import { type KeyFlags, keyFlags } from './cell-keys.ts'
import { type CellFlags, cellFlags, describeCell, givenCellFlag } from './cell-options.ts'
import { readPackage } from './cell-package.ts'
import { signDescription } from './cell-sign.ts'
import { clientFor, interruptible, type NodeFlags, withProgress } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, safe } from './output.ts'
import { targetFlags, targetOptions } from './target.ts'

interface PushFlags extends CellFlags, KeyFlags, Omit<NodeFlags, 'network'> {
  readonly package?: string
  readonly unsigned?: true
}

/** `cell push`: registers a cell at a node. */
export function registerPush(cell: Command): void {
  const command = cell
    .command('push')
    .description('pack, sign and register a cell in one step, or register what was packed before')
    .argument('<file>', 'the package; or with --package a cell description')
    .option('--package <file>', 'the package that the cell description is about')
    .option('--unsigned', 'let the provider sign')
  targetOptions(keyFlags(cellFlags(command)))
    .addHelpText(
      'after',
      '\nExamples:\n  $ cytoplex cell push sql-wasm.wasm --version 1.0.0 --capability query-sql@3.49.0' +
        '\n  $ cytoplex cell push cell.json --package sql-wasm.wasm --node http://127.0.0.1:8000',
    )
    .action(push)
}

async function push(file: string, flags: PushFlags): Promise<void> {
  const path = flags.package ?? file
  if (flags.package === undefined && flags.version === undefined && (await isDescription(file))) {
    throw new CliError(`${file} is a cell description: --package says which package it is about`, EXIT.usage)
  }
  const described =
    flags.package === undefined ? await describeCell(file, flags) : await checkedDescription(file, flags)
  const description = flags.unsigned ? unsigned(described) : vouchedFor(described, flags)
  const client = clientFor(flags)
  const blob = await openAsBlob(path)
  const answer = await interruptible((signal) =>
    withProgress(path, flags, (onProgress) =>
      client.registerCell({
        metadata: metadataOf(description),
        package: blob,
        ...(description.signature === undefined
          ? {}
          : { manifest: description.manifest, manifestSignature: description.signature }),
        onProgress,
        signal,
      }),
    ),
  ).catch((error: unknown) => {
    throw error instanceof ValidationError ? withIssues(error) : error
  })
  if (flags.json) return printJson(answer)
  const { manifest } = description
  printLine(`registered ${manifest.cell_type} ${manifest.version}`)
  printLine(`  cell       ${safe(answer.cell_id ?? '-')}`)
  printLine(`  digest     ${safe(answer.digest ?? manifest.package.digest)}`)
  printLine(`  publisher  ${safe(answer.publisher ?? '-')} (signed by the ${safe(answer.signed_by ?? 'provider')})`)
  printLine(`next: cytoplex cell request ${manifest.capabilities[0]?.name}${targetFlags(flags)}`)
}

/** Reads a cell description, and checks that it is about the package beside it. */
async function checkedDescription(file: string, flags: PushFlags): Promise<CellDescription> {
  const flag = givenCellFlag(flags)
  if (flag !== undefined) {
    throw new CliError(`${flag} cannot change ${file}: with --package the cell is as described there`, EXIT.usage)
  }
  const description = await readDescription(file)
  const path = flags.package ?? ''
  const { ref } = await readPackage(path)
  const wanted = description.manifest.package
  if (canonicalJson(ref) !== canonicalJson(wanted)) {
    throw new CliError(
      `${file} describes ${wanted.digest} (${wanted.size} bytes), ${path} is ${ref.digest}`,
      EXIT.failure,
    )
  }
  return description
}

const isDescription = async (file: string): Promise<boolean> =>
  file.endsWith('.json') &&
  (await readDescription(file).then(
    () => true,
    () => false,
  ))

function unsigned(description: CellDescription): CellDescription {
  return { ...description, signature: undefined }
}

/** Keeps a signature that holds, and makes one where there is none. */
function vouchedFor(description: CellDescription, flags: PushFlags): CellDescription {
  if (description.signature === undefined) return signDescription(description, flags)
  verifyManifest(nativeVerifier, flags.network, description.manifest, description.signature)
  return description
}

function withIssues(error: ValidationError): CliError {
  const { issues } = error.results
  // The first issue is often what the error says already, without its place.
  const same = issues.find(({ message }) => message === error.message)
  const said = same === undefined ? error.message : `${same.message} (${same.location})`
  const others = issues
    .filter((issue) => issue !== same)
    .map(({ severity, message, location }) => `${severity}: ${message} (${location})`)
  return new CliError([said, ...others].join('; '), EXIT.failure, error.code)
}
