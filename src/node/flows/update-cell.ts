import type { CellMetadata } from '../../../protocol/repository.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { parseManifest } from '../../kernel/identity/manifest-signature.ts'
import type { CellUpdate } from '../api.ts'
import { assertValid, type CellUpload, checkUpload, issue, resultsOf, verifiedCell } from './check-upload.ts'
import { type RegisteredOnPage, registerCell, registered } from './register-cell.ts'

type Parts = Parameters<typeof registerCell>[0]

/**
 * Provider API, "Update Cell": registers a new version, for which the highest one stands in where nothing was sent. Durable when it
 * resolves. Throws as registering does, and `PROV_002` when there is no version to update.
 */
export async function updateCell(parts: Parts, update: CellUpdate): Promise<RegisteredOnPage> {
  const highest = parts.repository.find(update.cellType)
  const { package: staged, manifest, manifestSignature, credential } = update
  const metadata = completed(highest, update)
  const upload: CellUpload = { metadata, manifest, manifestSignature, credential }
  return staged === undefined
    ? await registerHeld(parts, upload, highest)
    : await registerCell(parts, { ...upload, package: staged })
}

/** Registers a version with the package of another one, which was opened when that was registered. */
async function registerHeld(parts: Parts, upload: CellUpload, highest: CellRecord): Promise<RegisteredOnPage> {
  const { publishers, repository } = parts
  const held = { ref: highest.manifest.package, recognise: async () => highest.manifest.packaging_format }
  const checked = await checkUpload(parts, upload, held, (...signed) => publishers.admit(...signed))
  if (checked.objection !== undefined) throw checked.objection
  const results = resultsOf(checked)
  for (const field of ['packaging_format', 'media_type'] as const) {
    const [before, now] = [highest.manifest[field], checked.manifest?.[field]]
    if (before === now) continue
    const message = `${field} is ${before} in ${highest.manifest.version}, "${now}" needs a cell_package to be opened as such`
    results.issues.push(issue('PACKAGE_MISSING', message, `metadata.${field}`))
  }
  assertValid(results)
  const cell = verifiedCell(parts, checked, upload)
  const registrant = { credential: upload.credential, report: highest.report, status: upload.metadata.status }
  return registered(parts, await repository.registerHeld(cell, registrant), results)
}

/** Everything that the new version's metadata says. What a publisher signs is for their manifest to say, not for another version's. */
function completed({ manifest: last, annotations }: CellRecord, update: CellUpdate): CellMetadata {
  const { cellType, metadata, manifest } = update
  const version = update.version ?? metadata.version
  if (version === undefined)
    throw new ProviderError('PROV_001', 'version is missing: the version that the update makes')
  assertSame('version', metadata.version, version)
  assertSame('cell_type', metadata.cell_type, cellType)
  const signed = manifest === undefined ? last : parseManifest(manifest)
  const { capabilities, dependencies, requirements, packaging_format, media_type, labels } = signed
  const { description, tags, performance, ...links } = annotations
  return {
    capabilities,
    dependencies,
    requirements,
    packaging_format,
    media_type,
    labels,
    ...(description === undefined ? {} : { description }),
    ...(tags === undefined ? {} : { tags }),
    ...(performance === undefined ? {} : { performance }),
    ...metadata,
    metadata: { ...links, ...metadata.metadata },
    cell_type: cellType,
    version,
  }
}

function assertSame(field: 'cell_type' | 'version', said: string | undefined, wanted: string): void {
  if (said === undefined || said === wanted) return
  throw new ProviderError('PROV_001', `metadata says ${field} "${said}", the request says "${wanted}"`)
}
