import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { type BundleOrder, BundleReport } from '../../protocol/upkeep.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { bytesText, interruptible } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, safe } from './output.ts'
import { outputFlag, streamToFile } from './output-file.ts'
import { resolveTarget, type TargetOptions, targetOptions } from './target.ts'

interface ExportFlags extends TargetOptions {
  readonly output: string
  readonly since?: string
  readonly force?: true
  readonly json?: boolean
}

interface ImportFlags extends TargetOptions {
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `cytoplex export` and `cytoplex import`: cells for nodes that cannot connect. */
export function registerBundleCommands(program: Command): void {
  targetOptions(program.command('export').description('write cells with everything that they depend on into one file'))
    .argument('[cell...]', 'cell type or capability:<name>, also with @<range> (default: everything)')
    .requiredOption('-o, --output <file>', 'file to write, a tar archive', outputFlag)
    .option(
      '--since <checkpoint>',
      'only what came since: a checkpoint file of this node, or the leaves that its log had',
    )
    .option('--force', 'replace an existing file')
    .addHelpText(
      'after',
      `
A bundle holds cells, packages, signatures, yanks, keys of publishers and proofs of registration: all that another node needs to verify
them without asking anybody. Needs the key of the administrator.

Examples:
  $ cytoplex export -o everything.tar
  $ cytoplex export sql-wasm@^1.0.0 capability:image.resize -o some.tar
  $ cytoplex export --since 1200 -o delta.tar`,
    )
    .action(exportBundle)
  targetOptions(program.command('import').description('take in a bundle, verified as if a stranger had sent it'))
    .argument('<file>', 'a bundle')
    .option('--dry-run', 'verify it, and keep nothing')
    .addHelpText(
      'after',
      `
What is here already stays as it is, so a bundle may be imported again. Names belong to nobody because of a bundle: its cells count as copies,
which stay until cytoplex removes them on request. Exits with 1 when a part was refused. Needs the key of the administrator.

Example:
  $ cytoplex import everything.tar --dry-run`,
    )
    .action(importBundle)
}

async function exportBundle(cells: string[], flags: ExportFlags): Promise<void> {
  const order: BundleOrder = {
    ...(cells.length === 0 ? {} : { cells }),
    ...(flags.since === undefined ? {} : { since: await checkpointOf(flags.since) }),
  }
  const { url, apiKey } = resolveTarget(flags)
  const size = await interruptible(async (signal) => {
    const { openStream } = await import('../client/open-stream.ts')
    const call = {
      method: 'POST',
      path: '/api/v1/bundles/export',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(order),
    }
    return await streamToFile(flags.output, await openStream({ url, apiKey }, call, signal), flags.force === true)
  })
  if (flags.json) printJson({ file: flags.output, size_bytes: size })
  else printLine(`wrote ${safe(flags.output)} (${bytesText(size)})`)
}

/** A number of leaves, or a checkpoint (C2SP `tlog-checkpoint`), whose second line is that number and whose third the root. */
async function checkpointOf(text: string): Promise<NonNullable<BundleOrder['since']>> {
  if (/^\d{1,15}$/.test(text)) return { size: Number(text) }
  let note: string
  try {
    note = await readFile(text, 'utf8')
  } catch (error) {
    throw new CliError(
      `--since: found ${JSON.stringify(text)}, allowed are a number and a checkpoint file (${errorMessage(error)})`,
      EXIT.usage,
    )
  }
  const [, size = '', root = ''] = note.split('\n')
  const bytes = Buffer.from(root, 'base64')
  if (!/^\d{1,15}$/.test(size) || bytes.length !== 32)
    throw new CliError(`--since: ${text} is no checkpoint`, EXIT.usage)
  return { size: Number(size), root: bytes.toString('hex') }
}

async function importBundle(file: string, flags: ImportFlags): Promise<void> {
  const found = await stat(file).catch((error: unknown) => {
    throw new CliError(`${file} cannot be read: ${errorMessage(error)}`, EXIT.failure)
  })
  // What comes through a pipe is fine.
  if (found.isDirectory()) throw new CliError(`${file} is no file`, EXIT.failure)
  const { url, apiKey } = resolveTarget(flags)
  const report = await interruptible(async (signal) => {
    const { openStream } = await import('../client/open-stream.ts')
    const body = Readable.toWeb(createReadStream(file)) as unknown as BodyInit
    const path = `/api/v1/bundles/import?dry_run=${flags.dryRun === true}`
    const call = { method: 'POST', path, headers: { 'Content-Type': 'application/x-tar' }, body }
    const pieces = await Array.fromAsync(await openStream({ url, apiKey }, call, signal))
    const answer: unknown = JSON.parse(Buffer.concat(pieces).toString('utf8'))
    if (Check(BundleReport, answer)) return answer
    throw new CliError(`${url} answered, but not as a Cytoplex node does`, EXIT.failure, 'BAD_ANSWER')
  })
  if (flags.json) printJson(report)
  else printReport(report)
  if (report.refused > 0)
    throw new CliError(`${report.refused} parts of the bundle were refused`, EXIT.failure, 'REFUSED')
}

function printReport({ dry_run: dryRun, bundle, added, known, refused, items }: BundleReport): void {
  for (const { kind, name, outcome, reason } of items) {
    if (outcome === 'refused') printLine(safe(`refused  ${kind} ${name}: ${reason ?? ''}`))
    else printLine(safe(`${dryRun ? 'would add' : 'added'}  ${kind} ${name}`))
  }
  for (const missing of bundle.missing) printLine(safe(`missing  ${missing}: nothing in the bundle offers it`))
  printLine(
    `${added} ${dryRun ? 'would be added' : 'added'}, ${known} known, ${refused} refused; the next delta begins with --since ${bundle.log.size}`,
  )
}
