import type { ErrorCode } from '../../../protocol/errors.ts'
import { ERRORS } from '../../../protocol/errors.ts'

/** Options of a {@link ProviderError}. */
export interface ProviderErrorOptions {
  /** A more exact HTTP status than the code's own. */
  readonly status?: number
  /** Anything that the answer should carry beside code and message. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** A failure that a caller may see: a code of the error table, and a text that says what was found and what is allowed. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError'
  readonly code: ErrorCode
  /** HTTP status. */
  readonly status: number
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: ProviderErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.status = options.status ?? ERRORS[code].status
    this.details = options.details ?? {}
  }
}

/** A reason not to start: the operator can mend it, so it is shown without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

/** The text of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** True for system errors with this `code` (`ENOENT`, …). */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** A full disk as what a caller may see (`PROV_014`); any other error as it is. */
export function fullDisk(error: unknown): unknown {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const isFull = ['ENOSPC', 'EDQUOT'].some(
    (code) => hasCode(cause, code) || /No space left on device/i.test(errorMessage(cause)),
  )
  return isFull
    ? new ProviderError('PROV_014', 'the disk of this node is full: nothing was stored', { cause: error })
    : error
}
