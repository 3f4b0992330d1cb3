import { MEMORY_ERRORS, type MemoryErrorCode } from '../../../protocol/memory.ts'
import { ProviderError } from '../../kernel/base/errors.ts'

/** A failure with a code of memory's table. `details` go into the answer beside it, `retryAfter` is in seconds. */
export function memoryError(
  code: MemoryErrorCode,
  message: string,
  more: {
    readonly details?: Readonly<Record<string, unknown>>
    readonly retryAfter?: number
    readonly cause?: unknown
  } = {},
): ProviderError {
  const { details, retryAfter, cause } = more
  return new ProviderError('PROV_001', message, {
    status: MEMORY_ERRORS[code].status,
    details: { memory: { code, details, retry_after: retryAfter } },
    cause,
  })
}
