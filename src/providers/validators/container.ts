import type { Validator } from '../../kernel/plugins/packages/validators.ts'
import { ARCHIVE_OPENER } from './archives.ts'
import { sandboxedValidator, type ValidatorConfig } from './sandboxed.ts'

const MAGIC = new TextEncoder().encode('ustar')
const MAGIC_OFFSET = 257

/**
 * Opens packages of the format `container`: a tar archive with an OCI image layout (image-spec 1.1). Every blob is hashed, every descriptor
 * followed, every layer unpacked.
 *
 * Errors among the issues: those of archives (see `qcc.ts`), also of layers; `OCI_LAYOUT`, `OCI_INDEX`, `OCI_MANIFEST`, `OCI_CONFIG`,
 * `OCI_DIGEST`, `OCI_SIZE`, `OCI_MISSING`, `OCI_LAYER`, `OCI_DIFF_ID`. Warnings: `OCI_UNREFERENCED`, `ARCHIVE_ENTRY_TYPE` for device files
 * in layers.
 */
export const createContainerValidator = (_signal: AbortSignal, config: ValidatorConfig): Validator =>
  sandboxedValidator(
    {
      format: 'container',
      mediaType: 'application/x-tar',
      recognises: (head) => MAGIC.every((byte, index) => head[MAGIC_OFFSET + index] === byte),
    },
    ARCHIVE_OPENER,
    config,
  )
