import type { ValidationResults } from '../../../protocol/annotations.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import { fullDisk } from '../../kernel/base/errors.ts'
import type { Registered, Registration } from '../api.ts'
import type { NodeParts } from '../parts.ts'
import { assertValid, type CheckedUpload, checkUpload, resultsOf, verifiedCell } from './check-upload.ts'
import { blobOf, openReceived, receivedPackage } from './received-package.ts'
import type { StagedBlob } from './stage-package.ts'

type Parts = Pick<
  NodeParts,
  'blobs' | 'config' | 'keys' | 'publishers' | 'repository' | 'cache' | 'validators' | 'events'
>

/** A cell that was registered, and the page that it is announced on. */
export type RegisteredOnPage = Registered & { readonly page: number }

/** Provider API, "Register New Cell": checks everything that was sent against everything else, then registers. Durable when it resolves. */
export async function registerCell(parts: Parts, registration: Registration): Promise<RegisteredOnPage> {
  const { validators, publishers } = parts
  const staged = blobOf(registration.package)
  try {
    const received = receivedPackage(validators, registration, staged)
    const checked = await checkUpload(parts, registration, received, (...signed) => publishers.admit(...signed))
    if (checked.objection !== undefined) throw checked.objection
    return await openAndRegister(parts, checked, registration, staged)
  } catch (error) {
    throw fullDisk(error)
  } finally {
    await staged.discard()
  }
}

/** The package is opened while its bytes go to the disk: a record names it only when both have gone well. */
async function openAndRegister(
  parts: Parts,
  checked: CheckedUpload,
  registration: Registration,
  staged: StagedBlob,
): Promise<RegisteredOnPage> {
  const placing = staged.place(parts.blobs, parts.repository.isPackageNamed)
  placing.catch(() => undefined)
  try {
    // A large package is read from where it is: after it has come to its place.
    if (typeof staged.source === 'string') await placing
    const opened = await openReceived(parts.validators, checked, staged)
    const results = resultsOf(checked, opened)
    assertValid(results)
    await placing
    const cell = verifiedCell(parts, checked, registration)
    const { credential, metadata } = registration
    const registrant = { credential, report: opened?.report ?? null, status: metadata.status }
    const record = await parts.repository.register(cell, registrant, staged.writer)
    return registered(parts, record, results)
  } finally {
    await placing.then(
      (release) => release(),
      () => undefined,
    )
  }
}

/** Tells the parts of a node that a cell was registered. */
export function registered(
  { cache, events }: Pick<Parts, 'cache' | 'events'>,
  { id, manifest, signed_by: signedBy, page }: CellRecord,
  validation: ValidationResults,
): RegisteredOnPage {
  const { cell_type: cellType, version, publisher, package: ref } = manifest
  cache.release(id)
  events.emit('cell_registered', {
    cellId: id,
    cellType,
    version,
    publisher,
    signedBy,
    digest: ref.digest,
    bytes: ref.size,
  })
  return { cellId: id, manifest, signedBy, validation, page }
}
