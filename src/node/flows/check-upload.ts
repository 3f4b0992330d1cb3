import type { Annotations, ValidationIssue, ValidationResults } from '../../../protocol/annotations.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import type { CellMetadata } from '../../../protocol/repository.ts'
import type { VerifiedCell } from '../../domain/cells/repository.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { manifestDigest, parseManifest, verifyManifest } from '../../kernel/identity/manifest-signature.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import type { Findings } from '../../kernel/plugins/packages/validators.ts'
import type { Registration } from '../api.ts'
import type { NodeParts } from '../parts.ts'

type Parts = Pick<NodeParts, 'config' | 'keys' | 'repository' | 'validators'>

/** What was sent of a cell, beside its package. */
export type CellUpload = Omit<Registration, 'package'>

/** The package of an upload: received just now, or here already. */
export interface UploadPackage {
  readonly ref: Manifest['package']
  /** Its packaging format, by its first bytes. Asked when nobody named one. */
  recognise(): Promise<string | undefined>
}

/** Judges the key records of a signature that was verified; throws `PROV_005`. */
export type KeyJudge = (publisher: string, token: string) => unknown

/** An upload that was checked against itself and the repository; its package was not opened. */
export interface CheckedUpload {
  /** The publisher's manifest, or what this node would sign; undefined when no packaging format is known. */
  readonly manifest: Manifest | undefined
  readonly signedBy: VerifiedCell['signedBy']
  readonly issues: readonly ValidationIssue[]
  /** Names of the checks without an issue. */
  readonly passed: readonly string[]
  /** Why the repository would not take it, however right it is; among the issues too. */
  readonly objection: ProviderError | undefined
}

/**
 * Checks everything that was sent against everything else, as far as the package need not be opened, and finds all that is wrong. Throws
 * `PROV_001` for what cannot be read.
 */
export async function checkUpload(
  parts: Parts,
  upload: CellUpload,
  { ref, recognise }: UploadPackage,
  judge: KeyJudge,
): Promise<CheckedUpload> {
  const { metadata, credential } = upload
  const { manifest, signedBy, signature } = isSigned(upload)
    ? await signedManifest(parts, upload, judge)
    : await manifestToSign(parts, metadata, ref, recognise)
  const { cell_type, version } = metadata
  const name = manifest ?? { cell_type, version, publisher: parts.keys.publisher.publisher }
  const objections = parts.repository.objections(name, credential)
  const objectionsBy = (code: string) => objections.filter((error) => error.code === code)
  const checks: [name: string, issues: ValidationIssue[]][] = [
    ['manifest', formatIssues(parts, manifest)],
    ['signature', signature],
    ['package_digest', manifest === undefined ? [] : packageMismatches(manifest, ref)],
    ['metadata', manifest === undefined ? [] : metadataMismatches(manifest, metadata)],
    ['ownership', objectionsBy('PROV_015').map(({ message }) => issue('NOT_OWNER', message, 'metadata.cell_type'))],
    ['version', objectionsBy('PROV_007').map(({ message }) => issue('VERSION_EXISTS', message, 'metadata.version'))],
  ]
  return {
    manifest,
    signedBy,
    issues: checks.flatMap(([, issues]) => issues),
    passed: checks.flatMap(([name, issues]) => (issues.length === 0 ? [name] : [])),
    objection: objections[0],
  }
}

/** Everything that was found, before and after the package was opened. */
export const resultsOf = (checked: CheckedUpload, opened?: Findings): ValidationResults => ({
  issues: [...checked.issues, ...(opened?.issues ?? [])],
  passed_checks: [...checked.passed, ...(opened?.passed ?? [])],
})

/** Codes of the error table for issues, where it has a better one than `PROV_005`. */
const ERROR_CODES = { PACKAGE_MISMATCH: 'PROV_008', MANIFEST_MISSING: 'PROV_001' } as const

/** Throws when there is an error among the issues: its first one, with everything that was found. */
export function assertValid(results: ValidationResults): void {
  const first = results.issues.find(({ severity }) => severity === 'error')
  if (first === undefined) return
  const code = ERROR_CODES[first.code as keyof typeof ERROR_CODES] ?? 'PROV_005'
  throw new ProviderError(code, first.message, { details: { validation_results: results } })
}

/** The cell of an upload without errors, signed by this node where the publisher did not. */
export function verifiedCell({ config, keys }: Parts, checked: CheckedUpload, upload: CellUpload): VerifiedCell {
  const { manifest, signedBy } = checked
  if (manifest === undefined) throw new TypeError('an upload with errors is no cell')
  return {
    id: manifestDigest(manifest),
    manifest,
    signature: upload.manifestSignature ?? keys.publisher.signManifest(config.network.name, manifest),
    signedBy,
    annotations: annotationsOf(upload.metadata),
  }
}

/** An issue that keeps a cell from being registered. */
export const issue = (code: string, message: string, location: string): ValidationIssue => ({
  severity: 'error',
  code,
  message,
  location,
})

/** A manifest, who signs it, and what is wrong with its signature. */
interface ManifestFound extends Pick<CheckedUpload, 'manifest' | 'signedBy'> {
  readonly signature: ValidationIssue[]
}

type SignedUpload = CellUpload & { manifestSignature: string }

function isSigned(upload: CellUpload): upload is SignedUpload {
  const { manifest, manifestSignature } = upload
  if (manifest === undefined && manifestSignature !== undefined)
    throw new ProviderError('PROV_001', 'manifest_signature was sent without the manifest that it signs')
  if (manifest !== undefined && manifestSignature === undefined)
    throw new ProviderError('PROV_001', 'manifest was sent without manifest_signature')
  return manifest !== undefined
}

async function signedManifest(
  { config }: Parts,
  { manifest: json, manifestSignature: token }: SignedUpload,
  judge: KeyJudge,
): Promise<ManifestFound> {
  const manifest = parseManifest(json)
  try {
    const { kind, publisher } = verifyManifest(nativeVerifier, config.network.name, manifest, token)
    await judge(publisher, token)
    return { manifest, signedBy: kind, signature: [] }
  } catch (error) {
    if (!(error instanceof ProviderError) || error.code !== 'PROV_005') throw error
    const signature = [issue('SIGNATURE_INVALID', error.message, 'manifest_signature')]
    return { manifest, signedBy: 'publisher', signature }
  }
}

/** The manifest that this node signs for somebody without keys. */
async function manifestToSign(
  { config, validators, keys }: Parts,
  metadata: CellMetadata,
  ref: Manifest['package'],
  recognise: UploadPackage['recognise'],
): Promise<ManifestFound> {
  const message = 'this node does not sign for others: send manifest and manifest_signature with the package'
  const signature = config.cells.sign_uploads ? [] : [issue('MANIFEST_MISSING', message, 'manifest')]
  const format = metadata.packaging_format ?? (await recognise())
  if (format === undefined) return { manifest: undefined, signedBy: 'provider', signature }
  const manifest = parseManifest({
    format: 1,
    publisher: keys.publisher.publisher,
    cell_type: metadata.cell_type,
    version: metadata.version,
    capabilities: metadata.capabilities,
    dependencies: metadata.dependencies ?? [],
    requirements: metadata.requirements ?? {},
    packaging_format: format,
    media_type: metadata.media_type ?? validators.of(format)?.mediaType ?? 'application/octet-stream',
    labels: metadata.labels ?? {},
    package: ref,
  } satisfies Manifest)
  return { manifest, signedBy: 'provider', signature }
}

const ANNOTATION_KEYS = ['license', 'documentation_url', 'repository_url', 'issue_tracker_url'] as const

function annotationsOf(metadata: CellMetadata): Annotations {
  const links = Object.fromEntries(
    ANNOTATION_KEYS.flatMap((key) => (metadata.metadata?.[key] == null ? [] : [[key, metadata.metadata[key]]])),
  )
  return {
    ...(metadata.description === undefined ? {} : { description: metadata.description }),
    ...(metadata.tags === undefined ? {} : { tags: metadata.tags }),
    ...(metadata.performance === undefined ? {} : { performance: metadata.performance }),
    ...links,
  }
}

function formatIssues({ validators }: Parts, manifest: Manifest | undefined): ValidationIssue[] {
  const formats = validators.formats.join(', ')
  if (manifest === undefined) {
    const found = `the package looks like none of the packaging formats ${formats}`
    const message = `${found}: name its packaging_format (a document also needs its media_type)`
    return [issue('FORMAT_UNKNOWN', message, 'metadata.packaging_format')]
  }
  const { packaging_format: format } = manifest
  if (validators.of(format) !== undefined) return []
  const message = `packaging format "${format}" has no validator on this node; allowed: ${formats}`
  return [issue('FORMAT_UNKNOWN', message, 'manifest.packaging_format')]
}

function packageMismatches(manifest: Manifest, ref: Manifest['package']): ValidationIssue[] {
  return (['digest', 'size', 'chunks_root'] as const).flatMap((field) => {
    if (manifest.package[field] === ref[field]) return []
    const message = `the manifest says ${field} ${manifest.package[field]}, the package has ${ref[field]}`
    return [issue('PACKAGE_MISMATCH', message, `manifest.package.${field}`)]
  })
}

/** Where metadata says another thing than the signed manifest. What it does not say is the manifest's to say. */
function metadataMismatches(manifest: Manifest, metadata: CellMetadata): ValidationIssue[] {
  const list = (items: readonly object[]) => items.map(canonicalJson).sort().join(', ')
  const names = (items: { name: string; version: string }[]) =>
    items
      .map(({ name, version }) => `${name}@${version}`)
      .sort()
      .join(', ')
  const pairs: [string, string, string][] = [
    ['cell_type', manifest.cell_type, metadata.cell_type],
    ['version', manifest.version, metadata.version],
    ['capabilities', names(manifest.capabilities), names(metadata.capabilities)],
    ['packaging_format', manifest.packaging_format, metadata.packaging_format ?? manifest.packaging_format],
    ['media_type', manifest.media_type, metadata.media_type ?? manifest.media_type],
    ['dependencies', list(manifest.dependencies), list(metadata.dependencies ?? manifest.dependencies)],
    [
      'requirements',
      canonicalJson(manifest.requirements),
      canonicalJson(metadata.requirements ?? manifest.requirements),
    ],
    ['labels', canonicalJson(manifest.labels), canonicalJson(metadata.labels ?? manifest.labels)],
  ]
  return pairs.flatMap(([field, signed, said]) => {
    if (signed === said) return []
    const message = `metadata says ${field} "${said}", the signed manifest says "${signed}"`
    return [issue('MANIFEST_MISMATCH', message, `metadata.${field}`)]
  })
}
