import type { Validator } from '../../kernel/plugins/packages/validators.ts'
import { ARCHIVE_OPENER } from './archives.ts'
import { sandboxedValidator, type ValidatorConfig } from './sandboxed.ts'

/**
 * Opens packages of the format `qcc`: gzip of a tar archive with a `manifest.json`, a JSON object, at its root.
 *
 * Errors among the issues: `ARCHIVE_COMPRESSION`, `ARCHIVE_TRUNCATED`, `ARCHIVE_FRAME`, `ARCHIVE_NAME`, `ARCHIVE_TRAVERSAL`,
 * `ARCHIVE_LINK`, `ARCHIVE_DUPLICATE`, `ARCHIVE_ENTRY_TYPE`, `ARCHIVE_TOO_LARGE`, `ARCHIVE_TOO_MANY`, `QCC_MANIFEST`, `SANDBOX_TIMEOUT`,
 * `SANDBOX_MEMORY`.
 */
export const createQccValidator = (_signal: AbortSignal, config: ValidatorConfig): Validator =>
  sandboxedValidator(
    {
      format: 'qcc',
      mediaType: 'application/gzip',
      recognises: (head) => head[0] === 0x1f && head[1] === 0x8b,
    },
    ARCHIVE_OPENER,
    config,
  )
