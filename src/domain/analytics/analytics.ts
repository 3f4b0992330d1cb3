import {
  ANALYTICS_LIMITS,
  type AnalyticsIssue,
  type AnalyticsIssueList,
  type AnalyticsIssueQuery,
  type AnalyticsOverview,
  type AnalyticsQuery,
  type ErrorReportAnswer,
  type UsageReportAnswer,
} from '../../../protocol/analytics.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { fullDisk, ProviderError } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { jsonKeyspace, KEYSPACES, type Keyspace } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import { analyticsKeys, dayKey, keyedDigest } from './day-keys.ts'
import { type DistinctCounters, loadDistinctCounters } from './distinct.ts'
import type { KnownIssue } from './issues.ts'
import {
  analytics,
  cellIssues,
  cellSums,
  cellTotal,
  dayIndex,
  issues,
  nodeSums,
  signatureCounter,
  signatureSketches,
} from './kinds.ts'
import { overviewOf } from './overview.ts'
import { DAY_MS, dayName, dayOf, HOUR_MS, hourName, hourOf, seriesName } from './periods.ts'
import { type CheckedReport, type ReportContribution, readErrorReport, readUsageReport } from './report.ts'
import { ReportIds } from './report-ids.ts'
import type { NodeSums, StoredCellSums } from './sums.ts'
import { type Held, WorkingSet } from './working-set.ts'

/** Milliseconds between two writes of the sums. */
const FLUSH_MS = 60_000
/** Reports, and values in memory, after which the sums are written sooner. */
const MAX_REPORTS = 4096
const MAX_HELD = 1024
/** Names that one transaction deletes. */
const DELETED_PER_WRITE = 500

/** What {@link Analytics} stands on. */
export interface AnalyticsParts {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** Whether this node has that version of a cell. Reports about others are refused. */
  readonly isKnown: (cellType: string, version: string) => boolean
  /** Report ids that are remembered at a time, for tests. */
  readonly reportIds?: number
}

/** What this node's own requests add up to now. */
interface NodeNow {
  readonly hour: number
  /** Of the working set. */
  readonly generation: number
  readonly sums: readonly Held<NodeSums>[]
}

const reports = jsonKeyspace<ReportContribution>(KEYSPACES.reports)

/**
 * Usage and error reports about cells, kept as sums by hour and by day. A report is durable when its promise resolves: what it adds is
 * written by itself, small, together with others of the moment; the sums that it changes are written once a minute, and then replace it.
 *
 * Nobody is named: ids and signatures are digests under a key of their day. When a day is two days old its key, its ids, its sketches
 * of signatures and its hours are deleted; its sums stay for `ANALYTICS_LIMITS.retentionDays`.
 */
export class Analytics implements Part {
  readonly name = 'analytics'
  readonly #store: Store
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #isKnown: AnalyticsParts['isKnown']
  readonly #ids: ReportIds
  readonly #set: WorkingSet
  /** Names of stored reports that the sums in memory hold. */
  #counted: string[] = []
  #nextReport = 0
  #flushing: Promise<void> = Promise.resolve()
  #nodeNow: NodeNow | undefined
  #second = 0
  #inThisSecond = 0
  #tidiedHour = 0
  #timer: NodeJS.Timeout | undefined
  /** Work that nobody waits for. */
  #running: Promise<unknown> = Promise.resolve()

  constructor({ store, clock, logger, isKnown, reportIds = ANALYTICS_LIMITS.reportIds }: AnalyticsParts) {
    this.#store = store
    this.#clock = clock
    this.#logger = logger
    this.#isKnown = isKnown
    this.#ids = new ReportIds(store, reportIds)
    this.#set = new WorkingSet(store)
  }

  /** Counts what a crash left uncounted. To be awaited before the first report. */
  async start(): Promise<void> {
    await this.#ids.load()
    for await (const [name, report] of this.#store.scan(reports)) {
      this.#count(name, report, report.signature === undefined ? undefined : await loadDistinctCounters())
      this.#nextReport = Number(name) + 1
    }
    await this.flush()
    await this.tidy()
    this.#timer = setInterval(() => this.#run(() => this.#minutely()), FLUSH_MS)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
    await this.flush()
  }

  /** Provider API, "Submit Cell Usage Report". Rejects with `PROV_012` for an invalid report, `PROV_013` when no more can be counted now. */
  async reportUsage(body: unknown): Promise<UsageReportAnswer> {
    const report = readUsageReport(body, this.#clock.now())
    const { isNew } = await this.#accept(report)
    return { status: 'success', report_id: report.id, message: isNew ? 'counted' : 'was counted before' }
  }

  /** Provider API, "Submit Error Report". Rejects like {@link reportUsage}. */
  async reportError(body: unknown): Promise<ErrorReportAnswer> {
    const report = readErrorReport(body, this.#clock.now())
    const { isNew, knownIssue } = await this.#accept(report)
    const resolution = knownIssue?.resolutionUrl
    return {
      status: 'success',
      report_id: report.id,
      known_issue: knownIssue !== undefined,
      ...(knownIssue === undefined ? {} : { issue_id: knownIssue.id }),
      ...(resolution ? { resolution_url: resolution } : {}),
      message: isNew ? 'counted' : 'was counted before',
    }
  }

  /** Provider API, "Get Analytics Overview". Rejects with `PROV_001` for a range that it cannot read. */
  overview(query: AnalyticsQuery = {}): Promise<AnalyticsOverview> {
    return overviewOf(this.#set, query, this.#clock.now())
  }

  /**
   * Activations of a version since its first report, and how many different signatures the newest day had, today or yesterday; null what
   * nobody reported. Reads three values.
   */
  statisticsOf(cellType: string, version: string): { totalRequests: number | null; activeDeployments: number | null } {
    const series = seriesName(cellType, version)
    const total = this.#set.text(analytics, `total!${series}`)
    const today = dayOf(this.#clock.now())
    const signatures = (day: number): number | null => {
      const text = this.#set.text(analytics, `${dayName(day)}!${series}`)
      return text === undefined ? null : ((JSON.parse(text) as StoredCellSums).signatures ?? null)
    }
    return {
      totalRequests: total === undefined ? null : cellTotal.read(total).activations,
      activeDeployments: signatures(today) ?? signatures(today - 1),
    }
  }

  /** Errors that were reported, last reported first. */
  async issues(query: AnalyticsIssueQuery = {}): Promise<AnalyticsIssueList> {
    await this.flush()
    const found: AnalyticsIssue[] = []
    for await (const [cellType, text] of this.#store.scan(issues)) {
      if (query.cell_type === undefined || query.cell_type === cellType)
        found.push(...cellIssues.read(text).list(cellType))
    }
    found.sort((a, b) => (a.last_reported === b.last_reported ? 0 : a.last_reported < b.last_reported ? 1 : -1))
    const { limit = LIMITS.defaultPage, offset = 0 } = query
    return { total: found.length, limit, offset, issues: found.slice(offset, offset + limit) }
  }

  /**
   * Sets what later reports of an issue are told, durably; null takes it away. Undefined when there is no such issue. Rejects with
   * `PROV_001` for anything but an https address.
   */
  async setResolution(issueId: string, url: string | null): Promise<AnalyticsIssue | undefined> {
    if (url !== null && !isResolution(url)) {
      throw new ProviderError(
        'PROV_001',
        `resolution_url must be an https address, found ${JSON.stringify(url.slice(0, 80))}`,
      )
    }
    const { issues: all } = await this.issues({ limit: Number.MAX_SAFE_INTEGER })
    const cellType = all.find((issue) => issue.issue_id === issueId)?.cell_type
    if (cellType === undefined || !this.#set.change(cellIssues, cellType).resolve(issueId, url)) return undefined
    const found = this.#set.hold(cellIssues, cellType).value.list(cellType)
    await this.flush()
    return found.find((issue) => issue.issue_id === issueId)
  }

  /** Counts a request to this node itself. Cheap; the last minute is lost in a crash. */
  recordRequest({ durationMs, ok }: { readonly durationMs: number; readonly ok: boolean }): void {
    const now = this.#clock.now()
    const second = Math.floor(now / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#inThisSecond = 0
    }
    this.#inThisSecond++
    const hour = hourOf(now)
    const { generation } = this.#set
    if (this.#nodeNow?.hour !== hour || this.#nodeNow.generation !== generation) {
      const periods = [hourName(hour), dayName(dayOf(now))]
      this.#nodeNow = { hour, generation, sums: periods.map((period) => this.#set.hold(nodeSums, `node!${period}`)) }
    }
    for (const held of this.#nodeNow.sums) {
      held.value.add(durationMs, ok, this.#inThisSecond)
      held.isChanged = true
    }
  }

  /** Writes the sums, which then hold all reports that were accepted before. */
  flush(): Promise<void> {
    const flushed = this.#flushing.catch(() => undefined).then(() => this.#write())
    this.#flushing = flushed
    return flushed
  }

  /** Deletes what need not or must not be kept any longer. Called every hour. */
  async tidy(): Promise<void> {
    const now = this.#clock.now()
    // No report of an earlier day is accepted any more; an hour more, because the clock may be set.
    const open = dayOf(now - ANALYTICS_LIMITS.reportAgeMs - LIMITS.clockSkewMs - HOUR_MS)
    const kept = dayName(dayOf(now) - ANALYTICS_LIMITS.retentionDays)
    const openHour = hourName(open * 24)
    await this.flush()
    await this.#ids.forgetBefore(open)
    await this.#deleteBefore(analyticsKeys, '', dayName(open))
    await this.#deleteBefore(signatureSketches, '', dayName(open))
    await this.#deleteBefore(signatureSketches, 'h', openHour)
    for (const owner of ['', 'node!']) {
      await this.#deleteBefore(analytics, `${owner}h`, owner + openHour)
      await this.#deleteBefore(analytics, `${owner}d`, owner + kept)
    }
    await this.#deleteBefore(analytics, 'index!', `index!${kept}`)
    await this.#deleteTotals(dayOf(now) - ANALYTICS_LIMITS.retentionDays)
    const oldest = now - ANALYTICS_LIMITS.retentionDays * DAY_MS
    for await (const [cellType, text] of this.#store.scan(issues)) {
      if (cellIssues.read(text).dropBefore(oldest)) this.#set.change(cellIssues, cellType).dropBefore(oldest)
    }
    await this.flush()
    this.#tidiedHour = hourOf(now)
  }

  async #accept(
    report: CheckedReport<ReportContribution>,
  ): Promise<{ isNew: boolean; knownIssue: KnownIssue | undefined }> {
    const { id, signature, contribution } = report
    const { cellType, version, at } = contribution
    if (!this.#isKnown(cellType, version)) {
      throw new ProviderError(
        'PROV_012',
        `this node has no cell ${cellType} ${version}: report to a node that serves it`,
      )
    }
    this.#requireRoom(seriesName(cellType, version), at)
    const counters = signature === undefined ? undefined : await loadDistinctCounters()
    const release = this.#ids.reserve()
    const name = String(this.#nextReport++).padStart(16, '0')
    let counted: ReportContribution | undefined
    try {
      counted = await this.#store.transact((tx) => {
        if (!this.#ids.use(tx, this.#clock.now(), id)) return undefined
        const digest = signature === undefined ? {} : signatureOf(dayKey(tx, dayOf(at)), signature)
        const anonymous = { ...contribution, ...digest }
        tx.put(reports, name, anonymous)
        return anonymous
      })
    } catch (error) {
      release()
      throw fullDisk(error)
    }
    if (counted === undefined) {
      release()
      return { isNew: false, knownIssue: this.#findIssue(contribution) }
    }
    const knownIssue = this.#findIssue(contribution)
    this.#count(name, counted, counters)
    if (this.#counted.length >= MAX_REPORTS || this.#set.size >= MAX_HELD) this.#run(() => this.#flushIfFull())
    return { isNew: true, knownIssue }
  }

  #findIssue(report: ReportContribution): KnownIssue | undefined {
    if (report.kind !== 'error') return undefined
    const found = this.#set.hold(cellIssues, report.cellType).value.find(report.issue)
    return found === undefined ? undefined : { id: found.id, resolutionUrl: found.resolutionUrl }
  }

  #requireRoom(series: string, at: number): void {
    const index = this.#set.hold(dayIndex, `index!${dayName(dayOf(at))}`).value
    if (index.has(series) || index.size < ANALYTICS_LIMITS.versionsPerDay) return
    throw new ProviderError(
      'PROV_013',
      `this node counts ${index.size} versions of cells on that day, the most that it can: try again tomorrow`,
    )
  }

  #count(name: string, report: ReportContribution, counters: DistinctCounters | undefined): void {
    const series = seriesName(report.cellType, report.version)
    const day = dayName(dayOf(report.at))
    for (const period of [hourName(hourOf(report.at)), day]) {
      const sums = this.#set.change(cellSums, `${period}!${series}`)
      sums.add(report)
      if (report.signature === undefined || counters === undefined) continue
      sums.counter = this.#set.change(signatureCounter(counters), `${period}!${series}`)
      sums.counter.add(report.signature)
    }
    if (report.kind === 'usage') {
      const total = this.#set.change(cellTotal, `total!${series}`)
      total.activations += report.activations
      total.day = Math.max(total.day, dayOf(report.at))
    }
    const index = this.#set.change(dayIndex, `index!${day}`)
    index.set(series, (index.get(series) ?? 0) + (report.kind === 'usage' ? report.activations : 0))
    if (report.kind === 'error') this.#set.change(cellIssues, report.cellType).add(report)
    this.#counted.push(name)
  }

  async #write(): Promise<void> {
    const counted = this.#counted
    this.#counted = []
    try {
      await this.#set.write((tx) => {
        for (const name of counted) tx.delete(reports, name)
      })
    } catch (error) {
      this.#counted = [...counted, ...this.#counted]
      throw error
    }
  }

  /** Of many reports that found it full, the first one writes. */
  async #flushIfFull(): Promise<void> {
    await this.#flushing.catch(() => undefined)
    if (this.#counted.length >= MAX_REPORTS || this.#set.size >= MAX_HELD) await this.flush()
  }

  async #minutely(): Promise<void> {
    await this.flush()
    if (hourOf(this.#clock.now()) !== this.#tidiedHour) await this.tidy()
  }

  /** Deletes the totals of versions that nobody has used since a day. */
  async #deleteTotals(day: number): Promise<void> {
    let names: string[] = []
    for await (const [name, text] of this.#store.scan(analytics, { prefix: 'total!' })) {
      if (cellTotal.read(text).day >= day) continue
      names.push(name)
      if (names.length < DELETED_PER_WRITE) continue
      await this.#delete(analytics, names)
      names = []
    }
    if (names.length > 0) await this.#delete(analytics, names)
  }

  /** Deletes the names of that prefix that sort before `end`. */
  async #deleteBefore(space: Keyspace<string>, prefix: string, end: string): Promise<void> {
    let names: string[] = []
    for await (const name of this.#store.keys(space, { prefix })) {
      if (name >= end) break
      names.push(name)
      if (names.length < DELETED_PER_WRITE) continue
      await this.#delete(space, names)
      names = []
    }
    if (names.length > 0) await this.#delete(space, names)
  }

  #delete(space: Keyspace<string>, names: readonly string[]): Promise<void> {
    return this.#store.transact((tx) => {
      for (const name of names) tx.delete(space, name)
    })
  }

  #run(work: () => Promise<void>): void {
    const done = work().catch((err) => this.#logger.error({ err }, 'the sums of usage reports could not be written'))
    this.#running = Promise.all([this.#running, done])
  }
}

const signatureOf = (key: string, signature: string) => ({ signature: keyedDigest(key, 'signature', signature) })

function isResolution(text: string): boolean {
  if (text.length > ANALYTICS_LIMITS.resolutionUrl || !text.startsWith('https://')) return false
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && url.username === '' && url.password === ''
}
