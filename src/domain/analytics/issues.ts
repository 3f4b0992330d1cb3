import { ANALYTICS_LIMITS, type AnalyticsIssue } from '../../../protocol/analytics.ts'
import type { ErrorContribution } from './report.ts'

/** Versions that an issue names: those that reported it last. */
const VERSIONS = 8

/** An issue on disk, under its cell type. Times are Unix milliseconds. */
interface Issue {
  readonly id: string
  readonly errorType: string
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly frames: readonly string[]
  readonly first: number
  last: number
  reports: number
  versions: string[]
  resolutionUrl: string | null
}

/** What was known of an issue before a report. */
export interface KnownIssue {
  readonly id: string
  readonly resolutionUrl: string | null
}

/** The issues of one cell type, of which there is a bounded number. */
export class CellIssues {
  readonly #issues: Map<string, Issue>

  constructor(issues: readonly Issue[]) {
    this.#issues = new Map(issues.map((issue) => [issue.id, issue]))
  }

  find(id: string): KnownIssue | undefined {
    return this.#issues.get(id)
  }

  add(report: ErrorContribution): void {
    const { at, version } = report
    const known = this.#issues.get(report.issue)
    if (known !== undefined) {
      known.reports++
      known.last = Math.max(known.last, at)
      known.versions = [...known.versions.filter((each) => each !== version), version].slice(-VERSIONS)
      return
    }
    if (this.#issues.size >= ANALYTICS_LIMITS.issuesPerCellType && !this.#dropRarest()) return
    const { issue: id, errorType, errorCode, errorMessage, frames } = report
    const about = { id, errorType, errorCode, errorMessage, frames }
    this.#issues.set(id, { ...about, first: at, last: at, reports: 1, versions: [version], resolutionUrl: null })
  }

  /** Whether there is such an issue. */
  resolve(id: string, resolutionUrl: string | null): boolean {
    const issue = this.#issues.get(id)
    if (issue !== undefined) issue.resolutionUrl = resolutionUrl
    return issue !== undefined
  }

  /** Drops issues without resolution that nobody reported since `time`. Whether there were any. */
  dropBefore(time: number): boolean {
    const old = [...this.#issues.values()].filter((issue) => issue.last < time && issue.resolutionUrl === null)
    for (const { id } of old) this.#issues.delete(id)
    return old.length > 0
  }

  list(cellType: string): AnalyticsIssue[] {
    return Array.from(this.#issues.values(), (issue) => ({
      issue_id: issue.id,
      cell_type: cellType,
      versions: issue.versions,
      error_type: issue.errorType,
      error_code: issue.errorCode,
      error_message: issue.errorMessage,
      frames: [...issue.frames],
      reports: issue.reports,
      first_reported: new Date(issue.first).toISOString(),
      last_reported: new Date(issue.last).toISOString(),
      resolution_url: issue.resolutionUrl,
    }))
  }

  toJSON(): Issue[] {
    return [...this.#issues.values()]
  }

  /** Invented errors come once, real ones again: so the rarest gives way, the oldest of them. Those with a resolution stay. */
  #dropRarest(): boolean {
    let rarest: Issue | undefined
    for (const issue of this.#issues.values()) {
      if (issue.resolutionUrl !== null) continue
      if (rarest === undefined || issue.reports < rarest.reports) rarest = issue
      else if (issue.reports === rarest.reports && issue.last < rarest.last) rarest = issue
    }
    return rarest !== undefined && this.#issues.delete(rarest.id)
  }
}
