import type { ValidationResults } from '../../../protocol/annotations.ts'
import { fullDisk } from '../../kernel/base/errors.ts'
import type { Registration } from '../api.ts'
import type { NodeParts } from '../parts.ts'
import { checkUpload, resultsOf } from './check-upload.ts'
import { blobOf, openReceived, receivedPackage } from './received-package.ts'

type Parts = Pick<NodeParts, 'blobs' | 'config' | 'keys' | 'publishers' | 'repository' | 'validators'>

/**
 * Provider API, "Cell Validation": everything that registering would find, and whatever else is wrong. Stores nothing and learns nothing.
 * Throws `PROV_001` for what cannot be read.
 */
export async function validateCell(parts: Parts, registration: Registration): Promise<ValidationResults> {
  const { validators, publishers } = parts
  const staged = blobOf(registration.package)
  let release: (() => void) | undefined
  try {
    const received = receivedPackage(validators, registration, staged)
    const checked = await checkUpload(parts, registration, received, (...signed) => publishers.assess(...signed))
    // A large package is opened where registering would put it, and goes from there.
    if (typeof staged.source === 'string') release = await staged.place(parts.blobs, parts.repository.isPackageNamed)
    return resultsOf(checked, await openReceived(validators, checked, staged))
  } catch (error) {
    throw fullDisk(error)
  } finally {
    release?.()
    await staged.discard()
  }
}
