import { ANALYTICS_LIMITS, ErrorReport, UsageReport } from '../../../protocol/analytics.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { schemaFinding } from '../../kernel/base/schema-findings.ts'
import { fingerprint, scrub, topFrames } from './scrub.ts'

/** Capabilities of one report that are told apart, the most invoked ones: bounds what a report may write. */
const CAPABILITIES_PER_REPORT = 8
const PLATFORM = /^[a-z0-9][a-z0-9._-]{0,31}$/

const usageSchema = checkerOf(UsageReport)
const errorSchema = checkerOf(ErrorReport)

/** What all reports of one kind add to the sums. It is stored as it is until the sums hold it, so it holds nothing that links it to somebody. */
interface Contribution {
  /** Unix milliseconds. */
  readonly at: number
  readonly cellType: string
  readonly version: string
  /** Keyed digest of the signature. */
  readonly signature?: string
}

export interface UsageContribution extends Contribution {
  readonly kind: 'usage'
  readonly activations: number
  readonly activeMs?: number
  readonly errors?: number
  /** '' stands for those that are not told apart. */
  readonly capabilities: Readonly<Record<string, number>>
  readonly platform?: string
  readonly initializationMs?: number
}

export interface ErrorContribution extends Contribution {
  readonly kind: 'error'
  readonly issue: string
  readonly errorType: string
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly frames: readonly string[]
}

export type ReportContribution = UsageContribution | ErrorContribution

/** A checked report, apart from what it adds: its id and signature, which are not stored. */
export interface CheckedReport<Kind extends ReportContribution> {
  readonly id: string
  readonly signature: string | undefined
  readonly contribution: Kind
}

/** Throws `PROV_012` for anything but a usage report of the last days. */
export function readUsageReport(body: unknown, now: number): CheckedReport<UsageContribution> {
  if (!usageSchema.Check(body)) throw invalid(schemaFinding('report', body, usageSchema.Errors(body)))
  const { usage_metrics: usage, performance_metrics: performance, environment_summary: environment } = body
  const platform = environment?.platform?.toLowerCase()
  return {
    id: body.report_id,
    signature: body.quantum_signature,
    contribution: {
      kind: 'usage',
      at: readTimestamp(body.timestamp, now),
      cellType: body.cell_type,
      version: body.version,
      activations: usage.activation_count,
      capabilities: mostInvoked(usage.capabilities_used ?? []),
      ...(usage.total_active_time_ms === undefined ? {} : { activeMs: usage.total_active_time_ms }),
      ...(usage.error_count === undefined ? {} : { errors: usage.error_count }),
      ...(platform === undefined ? {} : { platform: PLATFORM.test(platform) && platform !== 'other' ? platform : '' }),
      ...(performance?.initialization_time_ms === undefined
        ? {}
        : { initializationMs: performance.initialization_time_ms }),
    },
  }
}

/** Throws `PROV_012` for anything but an error report of the last days. */
export function readErrorReport(body: unknown, now: number): CheckedReport<ErrorContribution> {
  if (!errorSchema.Check(body)) throw invalid(schemaFinding('report', body, errorSchema.Errors(body)))
  const { cell_type: cellType } = body
  const errorType = scrub(body.error_type, 'code')
  const errorCode = body.error_code ? scrub(body.error_code, 'code') : null
  const frames = topFrames(body.stack_trace ?? '')
  return {
    id: body.report_id,
    signature: body.quantum_signature,
    contribution: {
      kind: 'error',
      at: readTimestamp(body.timestamp, now),
      cellType,
      version: body.version,
      issue: fingerprint(cellType, errorType, errorCode, frames),
      errorType,
      errorCode,
      errorMessage: body.error_message ? scrub(body.error_message.split('\n', 1)[0]!, 'prose') : null,
      frames,
    },
  }
}

function readTimestamp(text: string, now: number): number {
  const at = Date.parse(text)
  const allowed = 'it must be at most 48 hours old and at most 5 minutes ahead'
  if (Number.isNaN(at)) throw invalid(`report.timestamp is no date in ISO 8601, found ${JSON.stringify(text)}`)
  if (at < now - ANALYTICS_LIMITS.reportAgeMs || at > now + LIMITS.clockSkewMs) {
    throw invalid(`report.timestamp is ${new Date(at).toISOString()}: ${allowed}`)
  }
  return at
}

function mostInvoked(used: readonly { capability: string; invocation_count: number }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  const sorted = used.filter((use) => use.invocation_count > 0).sort((a, b) => b.invocation_count - a.invocation_count)
  for (const [index, { capability, invocation_count: count }] of sorted.entries()) {
    const name = index < CAPABILITIES_PER_REPORT ? capability : ''
    counts[name] = (counts[name] ?? 0) + count
  }
  return counts
}

const invalid = (message: string): ProviderError => new ProviderError('PROV_012', message)
