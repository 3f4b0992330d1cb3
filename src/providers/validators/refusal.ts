import type { Findings } from '../../kernel/plugins/packages/validators.ts'

/** Findings that consist of one error about the whole package. */
export function refusal(code: string, message: string): Findings {
  return { issues: [{ severity: 'error', code, message, location: 'package' }], passed: [], report: null }
}
