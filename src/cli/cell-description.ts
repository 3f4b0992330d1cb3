import { readFile } from 'node:fs/promises'
import { type Static, Type } from 'typebox'
import { Annotations } from '../../protocol/annotations.ts'
import { type Manifest, SignatureToken } from '../../protocol/manifest.ts'
import type { CellMetadata } from '../../protocol/repository.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { errorMessage, hasCode, ProviderError } from '../kernel/base/errors.ts'
import { schemaFinding } from '../kernel/base/schema-findings.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import { parseManifest } from '../kernel/identity/manifest-signature.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { writeWhole } from './output-file.ts'

const closed = { additionalProperties: false } as const

/** A cell description file: what `cell pack` writes, `cell sign` completes and `cell push` sends. */
const CellDescriptionFile = Type.Object(
  {
    /** The manifest; without `publisher` until it is signed. */
    manifest: Type.Object({}, { additionalProperties: true }),
    annotations: Annotations,
    /** `cs1.…` */
    manifest_signature: Type.Optional(SignatureToken),
  },
  closed,
)
const fileSchema = checkerOf(CellDescriptionFile)

/** A manifest whose publisher is not known yet. */
export type UnsignedManifest = Omit<Manifest, 'publisher'>

export interface CellDescription {
  /** Complete: signed already, or with a publisher that stands for nobody. */
  readonly manifest: Manifest
  readonly annotations: Static<typeof Annotations>
  readonly signature: string | undefined
}

/** Stands where the publisher will be, so that a manifest can be checked before it has one. */
const NOBODY = '0'.repeat(64)

/** Checks a manifest that has no publisher yet. Throws `CliError`, exit code 2: what is wrong came from flags. */
export function unsignedManifest(manifest: UnsignedManifest): Manifest {
  try {
    return parseManifest({ ...manifest, publisher: NOBODY })
  } catch (error) {
    if (error instanceof ProviderError) throw new CliError(error.message, EXIT.usage)
    throw error
  }
}

/** Reads a cell description. Throws `CliError`. */
export async function readDescription(path: string): Promise<CellDescription> {
  try {
    const json = parseStrictJson(await readFile(path))
    if (!fileSchema.Check(json)) throw new Error(schemaFinding('it', json, fileSchema.Errors(json)))
    const { annotations, manifest_signature: signature } = json
    const manifest = parseManifest(signature === undefined ? { publisher: NOBODY, ...json.manifest } : json.manifest)
    return { manifest, annotations, signature }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new CliError(`${path} does not exist`, EXIT.failure)
    throw new CliError(`${path} is no cell description: ${errorMessage(error)}`, EXIT.failure)
  }
}

/** Writes a cell description, whole or not at all. Throws `CliError` when it exists and `replace` is false. */
export async function writeDescription(path: string, description: CellDescription, replace: boolean): Promise<void> {
  const text = `${JSON.stringify(descriptionJson(description), null, 2)}\n`
  await writeWhole(path, text, replace)
}

/** A cell description as it stands in its file: without a publisher as long as nobody has signed. */
export function descriptionJson({ manifest, annotations, signature }: CellDescription) {
  const { publisher, ...rest } = manifest
  return signature === undefined
    ? { manifest: rest, annotations }
    : { manifest: { ...rest, publisher }, annotations, manifest_signature: signature }
}

/** The `metadata` part of an upload. */
export function metadataOf({ manifest, annotations }: CellDescription): CellMetadata {
  const { description, tags, license, documentation_url, repository_url, issue_tracker_url, performance } = annotations
  const links = { license, documentation_url, repository_url, issue_tracker_url }
  return {
    cell_type: manifest.cell_type,
    version: manifest.version,
    capabilities: manifest.capabilities,
    dependencies: manifest.dependencies,
    requirements: manifest.requirements,
    packaging_format: manifest.packaging_format,
    media_type: manifest.media_type,
    labels: manifest.labels,
    ...(description === undefined ? {} : { description }),
    ...(tags === undefined ? {} : { tags }),
    ...(performance === undefined ? {} : { performance }),
    metadata: Object.fromEntries(Object.entries(links).filter(([, value]) => value !== undefined)),
  }
}
