import type { ValidationIssue } from '../../../protocol/annotations.ts'
import { LOCATION_LENGTH, REPORTED_ISSUES } from './archive-limits.ts'

/** A fault after which an archive cannot or must not be read further. */
export class ArchiveFault extends Error {
  override readonly name = 'ArchiveFault'
  readonly code: string
  /** Name of the entry; `package` for the archive itself. */
  readonly location: string

  constructor(code: string, message: string, location = 'package') {
    super(message)
    this.code = code
    this.location = location
  }
}

/** Collects what was found, up to a bound: a package may have a million faults. */
export class FindingList {
  readonly issues: ValidationIssue[] = []
  readonly #most: number
  #errors = 0

  constructor(most: number = REPORTED_ISSUES) {
    this.#most = most
  }

  /** Errors so far, reported or not. */
  get errors(): number {
    return this.#errors
  }

  error(code: string, message: string, location = 'package'): void {
    this.#errors++
    this.#add({ severity: 'error', code, message, location })
  }

  warn(code: string, message: string, location = 'package'): void {
    this.#add({ severity: 'warning', code, message, location })
  }

  /** Takes over what was found elsewhere. `within` is put before each location. */
  include(issues: readonly ValidationIssue[], within: string): void {
    for (const issue of issues) {
      if (issue.severity === 'error') this.#errors++
      this.#add({ ...issue, location: issue.location === 'package' ? within : `${within}: ${issue.location}` })
    }
  }

  /** An error always finds a place: it pushes a warning out. */
  #add(issue: ValidationIssue): void {
    if (this.issues.length >= this.#most) {
      const warning = issue.severity === 'error' ? this.issues.findLastIndex((kept) => kept.severity === 'warning') : -1
      if (warning === -1) return
      this.issues.splice(warning, 1)
    }
    this.issues.push({ ...issue, location: shortened(issue.location) })
  }
}

/** Cut between characters. */
export const shortened = (text: string): string =>
  text.length <= LOCATION_LENGTH
    ? text
    : `${text
        .slice(0, LOCATION_LENGTH - 1)
        .toWellFormed()
        .replace(/\uFFFD$/, '')}…`
