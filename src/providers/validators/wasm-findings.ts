import type { ValidationIssue } from '../../../protocol/annotations.ts'
import { LISTED_ENTRIES } from './wasm-sections.ts'

/** Warns of lists that a report cuts. */
export function manyEntries(counts: { readonly importCount: number; readonly exportCount: number }): ValidationIssue[] {
  const found: ValidationIssue[] = []
  if (counts.importCount > LISTED_ENTRIES) {
    const message = `${counts.importCount} imports: the first ${LISTED_ENTRIES} are listed`
    found.push(issue('warning', 'WASM_MANY_IMPORTS', message))
  }
  if (counts.exportCount > LISTED_ENTRIES) {
    const message = `${counts.exportCount} exports: the first ${LISTED_ENTRIES} are listed`
    found.push(issue('warning', 'WASM_MANY_EXPORTS', message))
  }
  return found
}

/** The engine's reason, without the name of the call that asked and without the offset that `location` carries. */
export function engineText(error: Error): string {
  return error.message
    .replace(/^WebAssembly\.Module\(\): /, '')
    .replace(/ @\+\d+$/, '')
    .slice(0, 1000)
}

/** A finding about the package, or about a byte of it. */
export function issue(
  severity: ValidationIssue['severity'],
  code: string,
  message: string,
  offset?: number,
): ValidationIssue {
  return { severity, code, message, location: offset === undefined ? 'package' : `package, byte ${offset}` }
}
