import { setImmediate } from 'node:timers/promises'
import { ANALYTICS_LIMITS, type AnalyticsOverview, type AnalyticsQuery } from '../../../protocol/analytics.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { loadDistinctCounters } from './distinct.ts'
import { analytics, type StoredDayIndex, signatureSketches } from './kinds.ts'
import { DAY_MS, dayName, dayOf, HOUR_MS, hourName, hourOf } from './periods.ts'
import { CellSums, NodeSums, type StoredCellSums } from './sums.ts'
import type { WorkingSet } from './working-set.ts'

const DEFAULT_RANGE = '24h'
const TOP_CAPABILITIES = 10

type CellUsage = AnalyticsOverview['cell_usage'][number]

/** Which sums make up a range: hours of a first day that is not whole, then days. */
interface Range {
  readonly start: number
  readonly end: number
  readonly hours: readonly string[]
  readonly days: readonly string[]
  /** Also the day of the hours. */
  readonly touchedDays: readonly string[]
}

/** Adds up what the query asks for. Lets other work go on between two versions. */
export async function overviewOf(set: WorkingSet, query: AnalyticsQuery, now: number): Promise<AnalyticsOverview> {
  const range = rangeOf(query.time_range ?? DEFAULT_RANGE, now)
  const limit = query.limit ?? LIMITS.defaultPage
  const offset = query.offset ?? 0
  const used = versionsUsed(set, range, query)
  const usage: CellUsage[] = []
  for (const series of used.slice(offset, offset + limit)) {
    usage.push(await cellUsage(set, range, series))
    await setImmediate()
  }
  return {
    total: used.length,
    limit,
    offset,
    cell_usage: usage,
    system_metrics: systemMetrics(set, range),
    time_range: { start: new Date(range.start).toISOString(), end: new Date(range.end).toISOString() },
  }
}

function rangeOf(text: string, now: number): Range {
  const [, amount, unit] = /^([1-9][0-9]{0,3})([hd])$/.exec(text) ?? []
  const length = Number(amount) * (unit === 'd' ? DAY_MS : HOUR_MS)
  // Also refuses what is no range at all.
  if (!(length <= ANALYTICS_LIMITS.retentionDays * DAY_MS)) {
    const allowed = `hours or days until now, at most ${ANALYTICS_LIMITS.retentionDays} days (24h, 7d, 30d)`
    throw new ProviderError('PROV_001', `time_range must be ${allowed}, found ${JSON.stringify(text)}`)
  }
  const unitMs = length <= ANALYTICS_LIMITS.reportAgeMs ? HOUR_MS : DAY_MS
  const start = Math.floor((now - length) / unitMs) * unitMs
  const firstWholeDay = Math.ceil(start / DAY_MS)
  const hours: string[] = []
  for (let hour = hourOf(start); hour < firstWholeDay * 24; hour++) hours.push(hourName(hour))
  const days: string[] = []
  for (let day = firstWholeDay; day <= dayOf(now); day++) days.push(dayName(day))
  const touchedDays = hours.length === 0 ? days : [dayName(dayOf(start)), ...days]
  return { start, end: now, hours, days, touchedDays }
}

/** `<cell type>!<version>`, most used first. Only those with something in the hours of the range. */
function versionsUsed(set: WorkingSet, range: Range, query: AnalyticsQuery): string[] {
  const activations = new Map<string, number>()
  for (const day of range.touchedDays) {
    const text = set.text(analytics, `index!${day}`)
    if (text === undefined) continue
    const isPartOfDay = !range.days.includes(day)
    const [names, counts]: StoredDayIndex = JSON.parse(text)
    for (const [place, series] of names.entries()) {
      const before = activations.get(series)
      if (before === undefined) {
        if (!matches(series, query)) continue
        if (isPartOfDay && !range.hours.some((hour) => set.text(analytics, `${hour}!${series}`) !== undefined)) continue
      }
      activations.set(series, (before ?? 0) + counts[place]!)
    }
  }
  return [...activations].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([series]) => series)
}

function matches(series: string, { cell_type, version }: AnalyticsQuery): boolean {
  if (cell_type !== undefined && !series.startsWith(`${cell_type}!`)) return false
  return version === undefined || series.endsWith(`!${version}`)
}

async function cellUsage(set: WorkingSet, range: Range, series: string): Promise<CellUsage> {
  const sums = new CellSums(false)
  for (const day of range.days) addStored(set, sums, `${day}!${series}`)
  // Hours share a day and its key, so what is in several of them counts once.
  for (const hour of range.hours) addStored(set, sums, `${hour}!${series}`, true)
  const inHours = await signaturesOf(
    set,
    range.hours.map((hour) => `${hour}!${series}`),
  )
  const signatures = inHours === null ? sums.signatures : inHours + (sums.signatures ?? 0)
  const [cellType = '', version = ''] = series.split('!')
  const { usageReports, activations, timedActivations, checkedActivations, capabilities, platforms } = sums
  return {
    cell_type: cellType,
    version,
    total_requests: usageReports === 0 ? null : activations,
    unique_quantum_signatures: signatures,
    average_usage_time_ms: ratio(sums.activeMs, timedActivations),
    error_rate_percent: percent(sums.errors, checkedActivations),
    top_capabilities: capabilities.heaviest.slice(0, TOP_CAPABILITIES).map(([capability, invocations]) => ({
      capability,
      usage_percent: percent(invocations, capabilities.total) ?? 0,
    })),
    platform_distribution: Object.fromEntries(
      [...platforms.heaviest, ['other', platforms.others] as const]
        .filter(([, weight]) => weight > 0)
        .map(([platform, weight]) => [platform, percent(weight, platforms.total) ?? 0]),
    ),
    initialization_time_ms: sums.initialization.percentiles,
    error_reports: sums.errorReports,
  }
}

function addStored(set: WorkingSet, sums: CellSums, name: string, isWithoutSignatures = false): void {
  const text = set.text(analytics, name)
  if (text === undefined) return
  const stored: StoredCellSums = JSON.parse(text)
  const { signatures, ...others } = stored
  sums.addAll(isWithoutSignatures || signatures === undefined ? others : stored)
}

async function signaturesOf(set: WorkingSet, names: readonly string[]): Promise<number | null> {
  const texts = names.flatMap((name) => set.text(signatureSketches, name) ?? [])
  if (texts.length === 0) return null
  const counters = await loadDistinctCounters()
  return counters.union(texts).count
}

function systemMetrics(set: WorkingSet, range: Range): AnalyticsOverview['system_metrics'] {
  const sums = new NodeSums()
  for (const period of [...range.hours, ...range.days]) {
    const text = set.text(analytics, `node!${period}`)
    if (text !== undefined) sums.addAll(JSON.parse(text))
  }
  const isMeasured = sums.requests > 0
  return {
    total_requests: isMeasured ? sums.requests : null,
    average_response_time_ms: ratio(sums.totalMs, sums.requests),
    error_rate_percent: percent(sums.failures, sums.requests),
    peak_requests_per_second: isMeasured ? sums.peakPerSecond : null,
    response_time_ms: sums.latencies.percentiles,
  }
}

/** To three decimals; null when there is nothing to divide by. */
const ratio = (sum: number, count: number): number | null =>
  count === 0 ? null : Math.round((sum / count) * 1000) / 1000

/** To two decimals, at most 100; null when there is nothing to divide by. */
const percent = (part: number, whole: number): number | null =>
  whole === 0 ? null : Math.min(100, Math.round((part / whole) * 10_000) / 100)
