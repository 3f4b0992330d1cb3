import type { Annotations, PackageReport, ValidationIssue, ValidationResults } from '../../../protocol/annotations.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import type { CellMetadata } from '../../../protocol/repository.ts'
import type { VerifiedCell } from '../../domain/cells/repository.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { fullDisk, ProviderError } from '../../kernel/base/errors.ts'
import { manifestDigest, parseManifest, verifyManifest } from '../../kernel/identity/manifest-signature.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import type { Registered, Registration } from '../api.ts'
import { HEAD_BYTES, type PackageValidators } from '../package-validators.ts'
import type { NodeParts } from '../parts.ts'
import { StagedBlob } from './stage-package.ts'

type Parts = Pick<
  NodeParts,
  'blobs' | 'config' | 'keys' | 'publishers' | 'repository' | 'cache' | 'validators' | 'events'
>

/** Provider API, "Register New Cell": checks everything that was sent against everything else, then registers. Durable when it resolves. */
export async function registerCell(
  parts: Parts,
  registration: Registration,
): Promise<Registered & { readonly page: number }> {
  const staged = registration.package
  if (!(staged instanceof StagedBlob)) throw new TypeError('the package was not staged by this node')
  try {
    const cell = await manifestOf(parts, registration, staged)
    checkAgreement(parts, cell.manifest, registration.metadata, staged)
    parts.repository.assertFree(cell, registration.credential)
    const { record, results } = await validateAndRegister(parts, cell, registration.credential, staged)
    parts.cache.release(record.id)
    parts.events.emit('cell_registered', {
      cellId: cell.id,
      cellType: cell.manifest.cell_type,
      version: cell.manifest.version,
      publisher: cell.manifest.publisher,
      signedBy: cell.signedBy,
      digest: staged.digest,
      bytes: staged.size,
    })
    return { cellId: cell.id, manifest: cell.manifest, signedBy: cell.signedBy, validation: results, page: record.page }
  } catch (error) {
    throw fullDisk(error)
  } finally {
    await staged.discard()
  }
}

/** The package is opened while its bytes go to the disk: a record names it only when both have gone well. */
async function validateAndRegister(parts: Parts, cell: VerifiedCell, credential: string, staged: StagedBlob) {
  const placing = staged.place(parts.blobs, parts.repository.isPackageNamed)
  placing.catch(() => undefined)
  try {
    // A large package is read from where it is: after it has come to its place.
    if (typeof staged.source === 'string') await placing
    const { results, report } = await validate(parts, cell.manifest, staged)
    await placing
    return { record: await parts.repository.register(cell, { credential, report }, staged.writer), results }
  } finally {
    await placing.then(
      (release) => release(),
      () => undefined,
    )
  }
}

async function manifestOf(
  parts: Parts,
  { metadata, manifest: json, manifestSignature }: Registration,
  staged: StagedBlob,
): Promise<VerifiedCell> {
  const { network } = parts.config
  const annotations = annotationsOf(metadata)
  if (json === undefined) {
    if (manifestSignature !== undefined)
      throw new ProviderError('PROV_001', 'manifest_signature was sent without the manifest that it signs')
    if (!parts.config.cells.sign_uploads) {
      throw new ProviderError(
        'PROV_001',
        'this node does not sign for others: send manifest and manifest_signature with the package',
      )
    }
    const manifest = parseManifest(await providerManifest(parts, metadata, staged))
    const signature = parts.keys.publisher.signManifest(network.name, manifest)
    return { id: manifestDigest(manifest), manifest, signature, signedBy: 'provider', annotations }
  }
  if (manifestSignature === undefined)
    throw new ProviderError('PROV_001', 'manifest was sent without manifest_signature')
  const manifest = parseManifest(json)
  const { kind, publisher } = verifyManifest(nativeVerifier, network.name, manifest, manifestSignature)
  await parts.publishers.admit(publisher, manifestSignature)
  return { id: manifestDigest(manifest), manifest, signature: manifestSignature, signedBy: kind, annotations }
}

/** The manifest that this node signs for somebody without keys. */
async function providerManifest(
  { validators, keys }: Pick<Parts, 'validators' | 'keys'>,
  metadata: CellMetadata,
  staged: StagedBlob,
): Promise<Manifest> {
  const { size, chunksRoot } = staged.writer.summary
  const format = metadata.packaging_format ?? (await recognised(validators, metadata, staged))
  return {
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
    package: { digest: staged.digest, size, chunk_size: LIMITS.chunkBytes, chunks_root: chunksRoot },
  }
}

async function recognised(
  validators: PackageValidators,
  { media_type }: CellMetadata,
  staged: StagedBlob,
): Promise<string> {
  const format = validators.recognise(await staged.head(HEAD_BYTES), media_type)
  if (format !== undefined) return format
  const formats = validators.formats.join(', ')
  const message = `the package looks like none of the packaging formats ${formats}: name its packaging_format (a document also needs its media_type)`
  throw invalid({
    issues: [{ severity: 'error', code: 'FORMAT_UNKNOWN', message, location: 'metadata.packaging_format' }],
    passed_checks: [],
  })
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

/** What was sent must say one thing: manifest, metadata and package. Throws `PROV_005` or `PROV_008`. */
function checkAgreement(
  { validators }: Pick<Parts, 'validators'>,
  manifest: Manifest,
  metadata: CellMetadata,
  staged: StagedBlob,
): void {
  const issues = [...packageMismatches(manifest, staged), ...metadataMismatches(manifest, metadata)]
  if (validators.of(manifest.packaging_format) === undefined) {
    issues.push({
      severity: 'error',
      code: 'FORMAT_UNKNOWN',
      message: `packaging format "${manifest.packaging_format}" has no validator on this node; allowed: ${validators.formats.join(', ')}`,
      location: 'manifest.packaging_format',
    })
  }
  if (issues.length > 0) throw invalid({ issues, passed_checks: [] })
}

async function validate(
  { validators }: Pick<Parts, 'validators'>,
  { packaging_format: format, media_type: mediaType }: Manifest,
  staged: StagedBlob,
): Promise<{ results: ValidationResults; report: PackageReport | null }> {
  const facts = { size: staged.size, format, mediaType }
  const { issues, passed, report } = await validators.of(format)!.validate(staged.source, facts)
  const results: ValidationResults = {
    issues: [...issues],
    passed_checks: ['manifest', 'signature', 'package_digest', ...passed],
  }
  if (issues.some((issue) => issue.severity === 'error')) throw invalid(results)
  return { results, report }
}

function invalid(results: ValidationResults): ProviderError {
  const first = results.issues.find((issue) => issue.severity === 'error')!
  const code = first.code === 'PACKAGE_MISMATCH' ? 'PROV_008' : 'PROV_005'
  return new ProviderError(code, first.message, { details: { validation_results: results } })
}

function packageMismatches(manifest: Manifest, staged: StagedBlob): ValidationIssue[] {
  const { summary } = staged.writer
  const found = { digest: staged.digest, size: summary.size, chunks_root: summary.chunksRoot }
  return (['digest', 'size', 'chunks_root'] as const).flatMap((field): ValidationIssue[] =>
    manifest.package[field] === found[field]
      ? []
      : [
          {
            severity: 'error',
            code: 'PACKAGE_MISMATCH',
            message: `the manifest says ${field} ${manifest.package[field]}, the package has ${found[field]}`,
            location: `manifest.package.${field}`,
          },
        ],
  )
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
  return pairs.flatMap(([field, signed, said]): ValidationIssue[] =>
    signed === said
      ? []
      : [
          {
            severity: 'error',
            code: 'MANIFEST_MISMATCH',
            message: `metadata says ${field} "${said}", the signed manifest says "${signed}"`,
            location: `metadata.${field}`,
          },
        ],
  )
}
