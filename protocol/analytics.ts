import { type Static, Type } from 'typebox'
import { Name, SemVer, Timestamp } from './fields.ts'
import { LIMITS } from './limits.ts'

const HOUR_MS = 60 * 60 * 1000
const DAY_MS = 24 * HOUR_MS

/** Limits of usage analytics, each with its unit and its reason. */
export const ANALYTICS_LIMITS = {
  /** Milliseconds that a report may be old: so long is its id remembered, so that it counts once. */
  reportAgeMs: 48 * HOUR_MS,
  /** Report ids that are remembered at a time: some 12 reports a second, 150 MB on disk. */
  reportIds: 3_000_000,
  /** Versions of cells that one day counts: a sum over them is written at most once a minute. */
  versionsPerDay: 2000,
  /** Days that are kept. */
  retentionDays: 90,
  /** Characters of a report id. */
  reportId: 128,
  /** Invocations, activations and errors of one report: no report outweighs all others by a slip. */
  count: 1_000_000,
  /** Milliseconds of one report. */
  durationMs: 31 * DAY_MS,
  /** Capabilities that one report names: those of a manifest. */
  capabilities: LIMITS.manifestCapabilities,
  /** Characters of a platform, an error type and an error code. */
  label: 64,
  /** Characters of an error message. */
  errorMessage: 4096,
  /** Characters of a stack trace. */
  stackTrace: 32 * 1024,
  /** Issues of one cell type; the rarest gives way to a new one. */
  issuesPerCellType: 64,
  /** Characters of a resolution's address. */
  resolutionUrl: 2048,
} as const

const optional = Type.Optional
const Count = Type.Integer({ minimum: 0, maximum: ANALYTICS_LIMITS.count })
const Duration = Type.Number({ minimum: 0, maximum: ANALYTICS_LIMITS.durationMs })
/** Anything that a machine can be measured in: megabytes, gigabytes, processors. */
const Quantity = Type.Number({ minimum: 0, maximum: 1e9 })
const Label = Type.String({ minLength: 1, maxLength: ANALYTICS_LIMITS.label })
const NullableNumber = Type.Union([Type.Number(), Type.Null()])
const Percent = Type.Number({ minimum: 0, maximum: 100 })

const EnvironmentSummary = Type.Object({
  platform: optional(Label),
  platform_version: optional(Label),
  memory_gb: optional(Quantity),
  cpu_cores: optional(Quantity),
  gpu_available: optional(Type.Boolean()),
})

const reportFields = {
  report_id: Type.String({
    minLength: 1,
    maxLength: ANALYTICS_LIMITS.reportId,
    description: 'Counts once. A random one links the report to nobody.',
  }),
  quantum_signature: optional(
    Type.String({
      minLength: 1,
      maxLength: 16384,
      description:
        'Is verified. Its key is counted, by a digest whose own key is deleted after three days; neither is stored.',
    }),
  ),
  cell_type: Name,
  version: SemVer,
  environment_summary: optional(EnvironmentSummary),
  timestamp: Type.String({
    maxLength: 40,
    description: 'ISO 8601. At most 48 hours old and at most five minutes ahead.',
    examples: ['2026-01-31T12:00:00.000Z'],
  }),
}

/** Provider API, "Submit Cell Usage Report". */
export const UsageReport = Type.Object(
  {
    ...reportFields,
    usage_metrics: Type.Object({
      activation_count: Count,
      total_active_time_ms: optional(Duration),
      peak_memory_mb: optional(Quantity),
      average_cpu_percent: optional(Quantity),
      capabilities_used: optional(
        Type.Array(Type.Object({ capability: Name, invocation_count: Count }), {
          maxItems: ANALYTICS_LIMITS.capabilities,
        }),
      ),
      error_count: optional(Count),
    }),
    performance_metrics: optional(
      Type.Object({
        initialization_time_ms: optional(Duration),
        response_times_ms: optional(
          Type.Object({ p50: optional(Duration), p90: optional(Duration), p99: optional(Duration) }),
        ),
      }),
    ),
  },
  { title: 'UsageReport' },
)
export type UsageReport = Static<typeof UsageReport>

/** Provider API, "Submit Error Report". Message and stack trace are scrubbed of paths, addresses and tokens before they are stored. */
export const ErrorReport = Type.Object(
  {
    ...reportFields,
    error_type: Label,
    error_code: optional(Type.String({ maxLength: ANALYTICS_LIMITS.label })),
    error_message: optional(Type.String({ maxLength: ANALYTICS_LIMITS.errorMessage })),
    stack_trace: optional(Type.String({ maxLength: ANALYTICS_LIMITS.stackTrace })),
    related_capabilities: optional(Type.Array(Name, { maxItems: ANALYTICS_LIMITS.capabilities })),
    context: optional(
      Type.Object({
        active_cells: optional(Quantity),
        system_load: optional(Quantity),
        memory_pressure: optional(Quantity),
      }),
    ),
  },
  { title: 'ErrorReport' },
)
export type ErrorReport = Static<typeof ErrorReport>

/** Answer to a usage report. The status is 202; a report that was counted before succeeds again. */
export const UsageReportAnswer = Type.Object(
  { status: Type.Literal('success'), report_id: Type.String(), message: Type.String() },
  { title: 'UsageReportAnswer' },
)
export type UsageReportAnswer = Static<typeof UsageReportAnswer>

const IssueId = Type.String({ pattern: '^[0-9a-f]{24}$', examples: ['5d0c4c3b8f0f0d3f5b1a77c2'] })
const ResolutionUrl = Type.String({
  maxLength: ANALYTICS_LIMITS.resolutionUrl,
  pattern: '^https://',
  description: 'Where the resolution of the issue is described.',
})

/** Answer to an error report. */
export const ErrorReportAnswer = Type.Object(
  {
    status: Type.Literal('success'),
    report_id: Type.String(),
    known_issue: Type.Boolean({ description: 'Whether this error was reported before.' }),
    issue_id: optional(IssueId),
    resolution_url: optional(ResolutionUrl),
    message: Type.String(),
  },
  { title: 'ErrorReportAnswer' },
)
export type ErrorReportAnswer = Static<typeof ErrorReportAnswer>

/** Query of `GET /api/v1/analytics/overview`. */
export const AnalyticsQuery = Type.Object({
  cell_type: optional(Name),
  version: optional(SemVer),
  time_range: optional(
    Type.String({
      pattern: '^[1-9][0-9]{0,3}[hd]$',
      default: '24h',
      description:
        'Hours or days until now, at most 90 days. The start is rounded down to the hour within the last 48 hours, ' +
        'else to the day (UTC).',
      examples: ['24h', '7d', '30d'],
    }),
  ),
  limit: optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxPage, default: LIMITS.defaultPage })),
  offset: optional(Type.Integer({ minimum: 0, default: 0 })),
})
export type AnalyticsQuery = Static<typeof AnalyticsQuery>

/** Percentiles in milliseconds, exact to 5 %; null when nothing was measured. */
const Latency = Type.Union([Type.Object({ p50: Type.Number(), p90: Type.Number(), p99: Type.Number() }), Type.Null()])

/** Usage of one version of a cell. A number that nothing measured is null. */
const CellUsage = Type.Object({
  cell_type: Name,
  version: SemVer,
  total_requests: Type.Union([Type.Integer(), Type.Null()], { description: 'Activations.' }),
  unique_quantum_signatures: Type.Union([Type.Integer(), Type.Null()], {
    description:
      'Distinct signatures of each day (UTC), added up: who reports on two days counts twice, because the key that ' +
      'could tell is deleted. An estimate (HyperLogLog, standard error 3 %). Null when no report was signed.',
  }),
  average_usage_time_ms: Type.Union([Type.Number(), Type.Null()], { description: 'Active time per activation.' }),
  error_rate_percent: Type.Union([Percent, Type.Null()], {
    description: 'Errors that usage reports counted, per activation; never more than 100.',
  }),
  top_capabilities: Type.Array(Type.Object({ capability: Name, usage_percent: Percent }), {
    description: 'The ten most invoked, by their share of all invocations.',
  }),
  platform_distribution: Type.Record(Type.String(), Percent, {
    description: 'Share of activations; rare platforms together are `other`.',
  }),
  initialization_time_ms: Latency,
  error_reports: Type.Integer({ description: 'Error reports, which are not part of the error rate.' }),
})

/** Provider API, "Get Analytics Overview". `total`, `limit` and `offset` are added: the list is in pages, most used first. */
export const AnalyticsOverview = Type.Object(
  {
    total: Type.Integer(),
    limit: Type.Integer(),
    offset: Type.Integer(),
    cell_usage: Type.Array(CellUsage),
    /** Requests to this node itself, whatever the query names. */
    system_metrics: Type.Object({
      total_requests: NullableNumber,
      average_response_time_ms: NullableNumber,
      error_rate_percent: Type.Union([Percent, Type.Null()]),
      peak_requests_per_second: NullableNumber,
      response_time_ms: Latency,
    }),
    time_range: Type.Object({ start: Timestamp, end: Timestamp }),
  },
  { title: 'AnalyticsOverview' },
)
export type AnalyticsOverview = Static<typeof AnalyticsOverview>

/** An error that was reported, as far as it may be shown: without paths, addresses and tokens. */
export const AnalyticsIssue = Type.Object(
  {
    issue_id: IssueId,
    cell_type: Name,
    /** The last eight versions that reported it. */
    versions: Type.Array(SemVer),
    error_type: Type.String(),
    error_code: Type.Union([Type.String(), Type.Null()]),
    error_message: Type.Union([Type.String(), Type.Null()]),
    /** Top frames of the first report's stack trace. */
    frames: Type.Array(Type.String()),
    reports: Type.Integer(),
    first_reported: Timestamp,
    last_reported: Timestamp,
    resolution_url: Type.Union([ResolutionUrl, Type.Null()]),
  },
  { title: 'AnalyticsIssue' },
)
export type AnalyticsIssue = Static<typeof AnalyticsIssue>

/** `GET /api/v1/analytics/issues`, for the administrator: last reported first. */
export const AnalyticsIssueList = Type.Object(
  { total: Type.Integer(), limit: Type.Integer(), offset: Type.Integer(), issues: Type.Array(AnalyticsIssue) },
  { title: 'AnalyticsIssueList' },
)
export type AnalyticsIssueList = Static<typeof AnalyticsIssueList>

/** Query of `GET /api/v1/analytics/issues`. */
export const AnalyticsIssueQuery = Type.Object({
  cell_type: optional(Name),
  limit: optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxPage, default: LIMITS.defaultPage })),
  offset: optional(Type.Integer({ minimum: 0, default: 0 })),
})
export type AnalyticsIssueQuery = Static<typeof AnalyticsIssueQuery>

/** Body of `PUT /api/v1/analytics/issues/{issue_id}`, for the administrator; null takes the address away. */
export const IssueResolution = Type.Object(
  { resolution_url: Type.Union([ResolutionUrl, Type.Null()]) },
  { additionalProperties: false, title: 'IssueResolution' },
)
export type IssueResolution = Static<typeof IssueResolution>
