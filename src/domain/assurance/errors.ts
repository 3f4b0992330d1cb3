import { ASSURANCE_ERRORS, type AssuranceCode, type AssuranceError } from '../../../protocol/assurance.ts'
import { ProviderError } from '../../kernel/base/errors.ts'

/** An entry of the errors of an answer. */
export const errorEntry = (
  code: AssuranceCode,
  message: string,
  severity: AssuranceError['severity'] = ASSURANCE_ERRORS[code].severity,
): AssuranceError => ({ code: String(code), message: `${ASSURANCE_ERRORS[code].message}: ${message}`, severity })

/** A failure with a code of assurance's table. */
export function assuranceFailure(code: AssuranceCode, message: string, cause?: unknown): ProviderError {
  const { status } = ASSURANCE_ERRORS[code]
  const entry = errorEntry(code, message)
  // Whoever cannot be answered now may ask again.
  return new ProviderError(code === 503 ? 'PROV_006' : 'PROV_001', entry.message, {
    status,
    details: { errors: [entry] },
    cause,
  })
}
