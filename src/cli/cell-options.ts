import { basename, extname } from 'node:path'
import type { Command } from 'commander'
import { valid, validRange } from 'semver'
import type { Static } from 'typebox'
import { Annotations } from '../../protocol/annotations.ts'
import { NAME_PATTERN } from '../../protocol/fields.ts'
import type { Requirements } from '../../protocol/manifest.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { schemaFinding } from '../kernel/base/schema-findings.ts'
import { type CellDescription, unsignedManifest } from './cell-description.ts'
import { readPackage } from './cell-package.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { anyNumber } from './number-flags.ts'

/** Flags that describe a cell, as commander gives them. */
export interface CellFlags {
  readonly type?: string
  readonly version?: string
  readonly capability?: readonly string[]
  readonly dependency?: readonly string[]
  readonly label?: readonly string[]
  readonly platform?: readonly string[]
  readonly memoryGb?: number
  readonly cpuCores?: number
  readonly gpu?: true
  readonly format?: string
  readonly mediaType?: string
  readonly description?: string
  readonly tag?: readonly string[]
  readonly license?: string
  readonly documentationUrl?: string
  readonly repositoryUrl?: string
  readonly issueTrackerUrl?: string
}

const CELL_FLAGS = [
  ...['type', 'version', 'capability', 'dependency', 'label', 'platform', 'memoryGb', 'cpuCores', 'gpu', 'format'],
  ...['mediaType', 'description', 'tag', 'license', 'documentationUrl', 'repositoryUrl', 'issueTrackerUrl'],
] as readonly (keyof CellFlags)[]

const NAME = new RegExp(NAME_PATTERN)
const annotationsSchema = checkerOf(Annotations)

/** Collects a flag that may be given more than once. */
export const repeated = (value: string, before: readonly string[] = []): string[] => [...before, value]

/** Parses the npm semver range of a flag. Throws `CliError`, exit code 2. */
export function range(flag: string): (value: string) => string {
  return (value) => {
    if (validRange(value) !== null) return value
    throw new CliError(`${flag}: found ${JSON.stringify(value)}, allowed is a range such as ^1.2.0`, EXIT.usage)
  }
}

/** Collects `--publisher`. Throws `CliError`, exit code 2. */
export function publisherFlag(value: string, before?: readonly string[]): string[] {
  if (/^[0-9a-f]{64}$/.test(value)) return repeated(value, before)
  throw new CliError(`--publisher: found ${JSON.stringify(value)}, allowed are 64 hex digits`, EXIT.usage)
}

/** What an argument may be that is a digest, or else what {@link cellNamed} takes apart. */
export const PACKAGE_OR_CELL = 'digest of a package (sha256:…), or a cell type, with @VERSION if wanted'

/** Takes `TYPE` or `TYPE@VERSION` apart. Throws `CliError`, exit code 2. */
export function cellNamed(text: string): { readonly cellType: string; readonly version?: string } {
  const [cellType = '', version, ...rest] = text.split('@')
  if (cellType === '' || version === '' || rest.length > 0) {
    throw new CliError(`found ${JSON.stringify(text)}, allowed is the ${PACKAGE_OR_CELL}`, EXIT.usage)
  }
  return version === undefined ? { cellType } : { cellType, version }
}

/** Adds the flags that describe a cell. */
export function cellFlags(command: Command): Command {
  return command
    .option('--type <name>', 'cell type (default: from the file name)')
    .option('--version <version>', 'version of the cell, such as 1.0.0')
    .option('--capability <name@version>', 'what it can do; repeat for more (default: <type>@<version>)', repeated)
    .option('--dependency <name@range>', 'capability that it needs; repeat for more', repeated)
    .option('--label <key=value>', 'signed attribute; repeat for more', repeated)
    .option('--platform <name>', 'platform that it runs on; repeat for more (default: any)', repeated)
    .option('--memory-gb <n>', 'memory that it needs', anyNumber('--memory-gb', 0))
    .option('--cpu-cores <n>', 'processor cores that it needs', anyNumber('--cpu-cores', 0))
    .option('--gpu', 'it needs a GPU')
    .option('--format <name>', 'packaging format (default: from the content)')
    .option('--media-type <type>', 'media type (default: from the content)')
    .option('--description <text>', 'one or two sentences')
    .option('--tag <tag>', 'word to find it by; repeat for more', repeated)
    .option('--license <id>', 'SPDX license identifier')
    .option('--documentation-url <url>', 'https link')
    .option('--repository-url <url>', 'https link')
    .option('--issue-tracker-url <url>', 'https link')
}

/** The first of these flags that was given, as it is typed; undefined when none was. */
export function givenCellFlag(flags: CellFlags): string | undefined {
  const name = CELL_FLAGS.find((flag) => flags[flag] !== undefined)
  return name === undefined ? undefined : `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** Describes the package at `path` as the flags say. Nobody has signed it. Throws `CliError`. */
export async function describeCell(path: string, flags: CellFlags): Promise<CellDescription> {
  const { version } = flags
  if (version === undefined)
    throw new CliError('--version is needed: the version of the cell, such as 1.0.0', EXIT.usage)
  checkVersion('--version', version)
  const type = flags.type === undefined ? typeFromFile(path) : checkName('--type', flags.type)
  const { ref, kind } = await readPackage(path)
  const format = flags.format ?? kind?.format
  const mediaType = flags.mediaType ?? (flags.format === undefined ? kind?.mediaType : 'application/octet-stream')
  if (format === undefined || mediaType === undefined) {
    throw new CliError(`${path} is of no kind that is known here; say --format and --media-type`, EXIT.usage)
  }
  const manifest = unsignedManifest({
    format: 1,
    cell_type: type,
    version,
    capabilities: (flags.capability ?? [type]).map((text) => {
      const [name, own] = split(text, '@')
      checkName('--capability', name)
      return { name, version: own === undefined ? version : checkVersion('--capability', own) }
    }),
    dependencies: (flags.dependency ?? []).map((text) => {
      const [capability, constraint] = split(text, '@')
      checkName('--dependency', capability)
      return { capability, version_constraint: constraint === undefined ? '*' : range('--dependency')(constraint) }
    }),
    requirements: requirementsOf(flags),
    packaging_format: format,
    media_type: mediaType,
    labels: labelsOf(flags.label ?? []),
    package: ref,
  })
  return { manifest, annotations: annotationsOf(flags), signature: undefined }
}

function typeFromFile(path: string): string {
  const name = basename(path, extname(path))
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
  if (NAME.test(name)) return name
  throw new CliError(`${path} gives no cell type; say --type`, EXIT.usage)
}

function checkName(flag: string, name: string): string {
  if (NAME.test(name)) return name
  throw new CliError(
    `${flag}: found ${JSON.stringify(name)}, allowed is a name of a-z, 0-9, ".", "_" and "-", at most 128 characters`,
    EXIT.usage,
  )
}

function checkVersion(flag: string, version: string): string {
  if (valid(version) === version) return version
  throw new CliError(`${flag}: found ${JSON.stringify(version)}, allowed is a version such as 1.0.0`, EXIT.usage)
}

/** `text` before and after the first separator. */
function split(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)]
}

function requirementsOf({ platform, memoryGb, cpuCores, gpu }: CellFlags): Static<typeof Requirements> {
  return {
    ...(platform === undefined ? {} : { platforms: [...platform] }),
    ...(memoryGb === undefined ? {} : { memory_gb: memoryGb }),
    ...(cpuCores === undefined ? {} : { cpu_cores: cpuCores }),
    ...(gpu === undefined ? {} : { gpu }),
  }
}

function labelsOf(texts: readonly string[]): Record<string, string> {
  const labels = new Map<string, string>()
  for (const text of texts) {
    const [key, value] = split(text, '=')
    if (value === undefined) {
      throw new CliError(`--label: found ${JSON.stringify(text)}, allowed is key=value`, EXIT.usage)
    }
    if (labels.has(key)) throw new CliError(`--label: ${JSON.stringify(key)} is given twice`, EXIT.usage)
    labels.set(key, value)
  }
  return Object.fromEntries(labels)
}

function annotationsOf(flags: CellFlags): Annotations {
  const all = {
    description: flags.description,
    tags: flags.tag,
    license: flags.license,
    documentation_url: flags.documentationUrl,
    repository_url: flags.repositoryUrl,
    issue_tracker_url: flags.issueTrackerUrl,
  }
  const given: unknown = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  if (annotationsSchema.Check(given)) return given
  throw new CliError(schemaFinding('annotations', given, annotationsSchema.Errors(given)), EXIT.usage)
}
