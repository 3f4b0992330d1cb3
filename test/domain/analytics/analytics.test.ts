import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Compile } from 'typebox/compile'
import {
  ANALYTICS_LIMITS,
  AnalyticsIssueList,
  AnalyticsOverview,
  ErrorReportAnswer,
} from '../../../protocol/analytics.ts'
import { Analytics, type AnalyticsParts } from '../../../src/domain/analytics/analytics.ts'
import { analyticsKeys } from '../../../src/domain/analytics/day-keys.ts'
import { dayName, dayOf } from '../../../src/domain/analytics/periods.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { Lifecycle } from '../../../src/kernel/base/lifecycle.ts'
import { KEYSPACES, textKeyspace } from '../../../src/kernel/storage/keyspaces.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { silentLogger } from '../../network/nodes.ts'
import { collected, TestClock, temporaryFolder } from '../../support/cells.ts'

const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR
/** Noon, so that a day has hours on both sides. */
const NOON = Date.UTC(2026, 0, 10, 12)

const space = (name: 'analyticsKeys' | 'reportIds' | 'reports' | 'analytics' | 'signatureSketches' | 'issues') =>
  textKeyspace(KEYSPACES[name])
const overviewSchema = Compile(AnalyticsOverview)
const answerSchema = Compile(ErrorReportAnswer)
const issuesSchema = Compile(AnalyticsIssueList)

interface Setup {
  readonly analytics: Analytics
  readonly store: Store
  readonly clock: TestClock
  /** Another one on the same store, as after a crash of the first. */
  restarted(): Promise<Analytics>
}

async function setup(t: TestContext, options: Partial<AnalyticsParts> & { at?: number } = {}): Promise<Setup> {
  const clock = new TestClock(options.at ?? NOON)
  const store = await Store.open(await temporaryFolder(t), { createIfMissing: true })
  const running = new Lifecycle()
  t.after(async () => {
    await running.stop()
    await store.close()
  })
  const isKnown = (cellType: string) => cellType !== 'unknown'
  const restarted = async () => {
    const analytics = new Analytics({ store, clock, logger: silentLogger, isKnown, ...options })
    await running.start(analytics)
    return analytics
  }
  return { analytics: await restarted(), store, clock, restarted }
}

let ids = 0
const base = (clock: TestClock) => ({
  report_id: `report-${ids++}`,
  cell_type: 'fibonacci',
  version: '1.0.0',
  timestamp: new Date(clock.now()).toISOString(),
})
const usage = (clock: TestClock, metrics: object = {}, more: object = {}) => ({
  ...base(clock),
  usage_metrics: { activation_count: 1, ...metrics },
  ...more,
})
const failure = (clock: TestClock, more: object = {}) => ({
  ...base(clock),
  error_type: 'execution',
  error_code: 'E1',
  error_message: 'no such file /home/alice/diary.txt',
  stack_trace: 'Error: alice\n    at run (/home/alice/run.js:1:2)',
  ...more,
})
const on = (platform: string) => ({ environment_summary: { platform } })

const refused = (promise: Promise<unknown>, code: string, message: RegExp) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof ProviderError)
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })

async function only(analytics: Analytics, query: object = {}) {
  const overview = await analytics.overview(query)
  assert.ok(overviewSchema.Check(overview), JSON.stringify(overviewSchema.Errors(overview)))
  assert.equal(overview.cell_usage.length, 1)
  return overview.cell_usage[0]!
}

/** The days around noon have keys that are known: under random ones, two signatures share a register of a sketch now and then. */
async function fixedKeys(store: Store): Promise<void> {
  await store.transact((tx) => {
    for (const ms of [NOON - DAY, NOON, NOON + DAY]) tx.put(analyticsKeys, dayName(dayOf(ms)), `key of ${ms}`)
  })
}

/** All that the store holds of analytics, as text. */
async function everything(store: Store): Promise<string> {
  const spaces = ['analyticsKeys', 'reportIds', 'reports', 'analytics', 'signatureSketches', 'issues'] as const
  return JSON.stringify(await Promise.all(spaces.map((name) => collected(store.scan(space(name))))))
}

describe('usage reports', () => {
  it('add up by cell type and version', async (t) => {
    const { analytics, clock } = await setup(t)
    const invoked = (capability: string, invocation_count: number) => ({ capability, invocation_count })
    await analytics.reportUsage(
      usage(
        clock,
        {
          activation_count: 3,
          total_active_time_ms: 600,
          error_count: 1,
          capabilities_used: [invoked('sum', 6), invoked('product', 1)],
        },
        { ...on('Linux'), performance_metrics: { initialization_time_ms: 100 } },
      ),
    )
    await analytics.reportUsage(
      usage(
        clock,
        { activation_count: 1, total_active_time_ms: 0, error_count: 0, capabilities_used: [invoked('sum', 3)] },
        { ...on('darwin'), performance_metrics: { initialization_time_ms: 10 } },
      ),
    )
    await analytics.reportUsage({ ...usage(clock), version: '2.0.0' })
    const overview = await analytics.overview()
    assert.equal(overview.total, 2)
    assert.deepEqual(
      overview.cell_usage.map((cell) => cell.version),
      ['1.0.0', '2.0.0'],
    )
    const { initialization_time_ms: started, ...cell } = overview.cell_usage[0]!
    assert.deepEqual(cell, {
      cell_type: 'fibonacci',
      version: '1.0.0',
      total_requests: 4,
      unique_quantum_signatures: null,
      average_usage_time_ms: 150,
      error_rate_percent: 25,
      top_capabilities: [
        { capability: 'sum', usage_percent: 90 },
        { capability: 'product', usage_percent: 10 },
      ],
      platform_distribution: { linux: 75, darwin: 25 },
      error_reports: 0,
    })
    assert.ok(started !== null && Math.abs(started.p50 - 10) <= 0.6 && started.p50 <= started.p99)
    const older = await only(analytics, { version: '2.0.0' })
    assert.equal(older.average_usage_time_ms, null)
    assert.equal(older.error_rate_percent, null)
    assert.equal(older.initialization_time_ms, null)
    assert.deepEqual((await analytics.overview({ cell_type: 'other' })).cell_usage, [])
  })

  it('are the same before and after they are summed up, and after a restart in between', async (t) => {
    const { analytics, store, clock, restarted } = await setup(t)
    await fixedKeys(store)
    const report = (by: number) =>
      usage(clock, { total_active_time_ms: 7 }, { quantum_signature: `s${by}`, ...on('linux') })
    await Promise.all(Array.from({ length: 20 }, (_, n) => analytics.reportUsage(report(n))))
    const before = await analytics.overview()
    assert.equal(before.cell_usage[0]!.total_requests, 20)
    assert.equal((await collected(store.keys(space('reports')))).length, 20)
    // As after a crash: another one starts on what is on the disk.
    const second = await restarted()
    assert.deepEqual(await second.overview(), before)
    assert.deepEqual(await collected(store.keys(space('reports'))), [])
    await second.reportUsage(report(20))
    await second.flush()
    assert.equal((await only(second)).total_requests, 21)
    assert.ok(Math.abs((await only(second)).unique_quantum_signatures! - 21) <= 1)
  })

  it('count once by their id, also when they come together, and up to the end of their time', async (t) => {
    const { analytics, clock, store } = await setup(t)
    const report = usage(clock)
    const answers = await Promise.all(Array.from({ length: 10 }, () => analytics.reportUsage(report)))
    assert.equal(answers.filter(({ message }) => message === 'counted').length, 1)
    clock.advance(ANALYTICS_LIMITS.reportAgeMs)
    await analytics.tidy()
    assert.equal((await analytics.reportUsage(report)).message, 'was counted before')
    const anotherDate = { ...report, timestamp: new Date(clock.now()).toISOString() }
    assert.equal((await analytics.reportUsage(anotherDate)).message, 'was counted before')
    assert.equal((await collected(store.keys(space('reportIds')))).length, 1)
    clock.advance(1)
    await refused(analytics.reportUsage(report), 'PROV_012', /at most 48 hours old/)
    assert.equal((await only(analytics, { time_range: '7d' })).total_requests, 1)
  })

  it('are refused when they are invalid, about the future, or about a cell that is not here', async (t) => {
    const { analytics, clock, store } = await setup(t)
    const shifted = (ms: number) => ({ ...usage(clock), timestamp: new Date(clock.now() + ms).toISOString() })
    await analytics.reportUsage(shifted(299_000))
    await refused(analytics.reportUsage(shifted(301_000)), 'PROV_012', /at most 5 minutes ahead/)
    await refused(analytics.reportUsage({ ...usage(clock), timestamp: 'yesterday' }), 'PROV_012', /no date .*yesterday/)
    await refused(
      analytics.reportUsage({ ...usage(clock), cell_type: 'unknown' }),
      'PROV_012',
      /has no cell unknown 1.0.0/,
    )
    await refused(analytics.reportUsage(undefined), 'PROV_012', /report must be object/)
    for (const count of [-1, 0.5, 1e15, Number.NaN, Number.POSITIVE_INFINITY, '1']) {
      await refused(analytics.reportUsage(usage(clock, { activation_count: count })), 'PROV_012', /activation_count/)
    }
    await refused(analytics.reportError({ ...failure(clock), error_type: '' }), 'PROV_012', /error_type/)
    assert.equal((await collected(store.keys(space('reportIds')))).length, 1)
  })

  it('are refused when no more ids can be remembered, and accepted again when old ones are forgotten', async (t) => {
    const { analytics, clock } = await setup(t, { reportIds: 3 })
    const first = usage(clock)
    for (const report of [first, usage(clock), usage(clock)]) await analytics.reportUsage(report)
    await refused(analytics.reportUsage(usage(clock)), 'PROV_013', /remembers 3 reports/)
    clock.advance(2 * DAY)
    await analytics.tidy()
    await refused(analytics.reportUsage(usage(clock)), 'PROV_013', /remembers 3 reports/)
    clock.advance(DAY)
    await analytics.tidy()
    await analytics.reportUsage(usage(clock))
  })

  it('are about a bounded number of versions a day, and none of them is lost', async (t) => {
    const { analytics, clock, restarted } = await setup(t)
    const about = (n: number) => analytics.reportUsage({ ...usage(clock), version: `1.0.${n}` })
    await Promise.all(Array.from({ length: ANALYTICS_LIMITS.versionsPerDay }, (_, n) => about(n)))
    await refused(about(ANALYTICS_LIMITS.versionsPerDay), 'PROV_013', /counts 2000 versions/)
    await about(0)
    const overview = await (await restarted()).overview({ limit: 500 })
    assert.equal(overview.total, ANALYTICS_LIMITS.versionsPerDay)
    assert.deepEqual(
      overview.cell_usage.map((cell) => cell.total_requests),
      [2, ...Array(499).fill(1)],
    )
  })

  it('tell apart a bounded number of platforms and capabilities', async (t) => {
    const { analytics, clock } = await setup(t)
    for (let n = 0; n < 40; n++) {
      const capabilities_used = Array.from({ length: 64 }, (_, k) => ({
        capability: `c${n}-${k}`,
        invocation_count: 1,
      }))
      await analytics.reportUsage(usage(clock, { capabilities_used }, on(`invented-${n}`)))
      await analytics.reportUsage(usage(clock, { activation_count: 100 }, on('linux')))
    }
    await analytics.reportUsage(usage(clock, {}, on('a name with spaces')))
    const cell = await only(analytics)
    assert.ok(Object.keys(cell.platform_distribution).length <= 17)
    assert.equal(cell.platform_distribution.linux, 98.99)
    const sum = Object.values(cell.platform_distribution).reduce((all, each) => all + each)
    assert.ok(Math.abs(sum - 100) < 0.1, String(sum))
    await analytics.flush()
  })
})

describe('an overview', () => {
  it('starts at the hour within two days, at the day before that, and says so', async (t) => {
    const { analytics, clock } = await setup(t, { at: NOON + 30 * 60_000 })
    const at = (text: string) => Date.parse(text)
    const of = async (time_range: string) => (await analytics.overview({ time_range })).time_range
    assert.deepEqual(await of('24h'), { start: '2026-01-09T12:00:00.000Z', end: '2026-01-10T12:30:00.000Z' })
    assert.equal((await of('1h')).start, '2026-01-10T11:00:00.000Z')
    assert.equal((await of('2d')).start, '2026-01-08T12:00:00.000Z')
    assert.equal((await of('3d')).start, '2026-01-07T00:00:00.000Z')
    assert.equal(at((await of('90d')).start), Math.floor((clock.now() - 90 * DAY) / DAY) * DAY)
    for (const range of ['', '0d', '91d', '2161h', '1w', '-1h', '1.5h', '99999d']) {
      await refused(analytics.overview({ time_range: range }), 'PROV_001', /at most 90 days/)
    }
  })

  it('counts what is in its range, whenever it was reported', async (t) => {
    const { analytics, clock } = await setup(t)
    const reportAt = (hoursAgo: number) =>
      analytics.reportUsage({ ...usage(clock), timestamp: new Date(clock.now() - hoursAgo * HOUR).toISOString() })
    for (const hoursAgo of [0, 1, 11, 13, 23, 25, 40, 47]) await reportAt(hoursAgo)
    const count = async (time_range: string) => (await only(analytics, { time_range })).total_requests
    const counts = async () => Promise.all(['1h', '12h', '24h', '2d', '7d'].map(count))
    assert.deepEqual(await counts(), [2, 3, 5, 8, 8])
    await analytics.flush()
    assert.deepEqual(await counts(), [2, 3, 5, 8, 8])
    clock.advance(3 * DAY)
    await analytics.tidy()
    assert.deepEqual((await analytics.overview({ time_range: '24h' })).cell_usage, [])
    assert.equal(await count('7d'), 8)
  })

  it('counts a signature once a day, whatever the hours', async (t) => {
    const { analytics, store, clock } = await setup(t)
    await fixedKeys(store)
    const signed = (quantum_signature: string, hoursAgo: number) => ({
      ...usage(clock, {}, { quantum_signature }),
      timestamp: new Date(clock.now() - hoursAgo * HOUR).toISOString(),
    })
    for (const hoursAgo of [0, 1, 2]) await analytics.reportUsage(signed('today', hoursAgo))
    for (const hoursAgo of [13, 14, 15]) await analytics.reportUsage(signed('yesterday', hoursAgo))
    const unique = async (time_range: string) => (await only(analytics, { time_range })).unique_quantum_signatures
    assert.equal(await unique('24h'), 2)
    assert.equal(await unique('7d'), 2)
    await analytics.reportUsage(signed('yesterday', 0))
    await analytics.flush()
    assert.equal(await unique('1h'), 2)
    assert.equal(await unique('24h'), 3)
  })

  it('estimates many signatures within 10 %', async (t) => {
    const { analytics, store, clock } = await setup(t)
    await fixedKeys(store)
    const reports = Array.from({ length: 3000 }, (_, n) =>
      usage(clock, {}, { quantum_signature: `signature ${n % 1500}` }),
    )
    await Promise.all(reports.map((report) => analytics.reportUsage(report)))
    const { unique_quantum_signatures: unique } = await only(analytics)
    assert.ok(Math.abs(unique! - 1500) < 150, String(unique))
  })

  it('is in pages, most used first', async (t) => {
    const { analytics, clock } = await setup(t)
    for (let n = 1; n <= 5; n++) {
      await analytics.reportUsage({ ...usage(clock, { activation_count: n }), version: `${n}.0.0` })
    }
    const page = await analytics.overview({ limit: 2, offset: 1 })
    assert.equal(page.total, 5)
    assert.deepEqual(
      page.cell_usage.map((cell) => cell.version),
      ['4.0.0', '3.0.0'],
    )
  })

  it('knows the requests to the node itself; what nothing measured is null', async (t) => {
    const { analytics, clock } = await setup(t)
    assert.deepEqual((await analytics.overview()).system_metrics, {
      total_requests: null,
      average_response_time_ms: null,
      error_rate_percent: null,
      peak_requests_per_second: null,
      response_time_ms: null,
    })
    for (let n = 0; n < 8; n++) analytics.recordRequest({ durationMs: 10, ok: true })
    await analytics.flush()
    clock.advance(1000)
    analytics.recordRequest({ durationMs: 110, ok: false })
    clock.advance(HOUR)
    analytics.recordRequest({ durationMs: 10, ok: true })
    const metrics = (await analytics.overview()).system_metrics
    assert.equal(metrics.total_requests, 10)
    assert.equal(metrics.average_response_time_ms, 20)
    assert.equal(metrics.error_rate_percent, 10)
    assert.equal(metrics.peak_requests_per_second, 8)
    assert.ok(Math.abs(metrics.response_time_ms!.p50 - 10) <= 0.6)
    await analytics.flush()
    assert.deepEqual((await analytics.overview()).system_metrics, metrics)
    assert.equal((await analytics.overview({ time_range: '1h' })).system_metrics.total_requests, 10)
  })
})

describe('what is kept', () => {
  it('names nobody', async (t) => {
    const { analytics, store, clock } = await setup(t)
    const planted = { report_id: 'planted-id', quantum_signature: 'planted-signature' }
    await analytics.reportUsage({ ...usage(clock), ...planted })
    await analytics.reportError({ ...failure(clock), ...planted, report_id: 'planted-id-2' })
    const before = await everything(store)
    await analytics.flush()
    for (const text of [before, await everything(store)]) {
      assert.match(text, /fibonacci/)
      assert.doesNotMatch(text, /planted|alice|diary|run\.js/)
    }
  })

  it('loses keys, ids, sketches and hours with the third day, and its sums with the retention', async (t) => {
    const { analytics, store, clock } = await setup(t)
    await analytics.reportUsage(usage(clock, {}, { quantum_signature: 'somebody' }))
    analytics.recordRequest({ durationMs: 1, ok: true })
    await analytics.tidy()
    const count = async (name: Parameters<typeof space>[0]) => (await collected(store.keys(space(name)))).length
    const counts = async () => [
      await count('analyticsKeys'),
      await count('reportIds'),
      await count('signatureSketches'),
      await count('analytics'),
    ]
    assert.deepEqual(await counts(), [1, 1, 2, 6])
    clock.advance(2 * DAY)
    await analytics.tidy()
    assert.deepEqual(await counts(), [1, 1, 2, 6])
    clock.advance(DAY)
    await analytics.tidy()
    assert.deepEqual(await counts(), [0, 0, 0, 4])
    assert.equal((await only(analytics, { time_range: '7d' })).unique_quantum_signatures, 1)
    clock.advance(ANALYTICS_LIMITS.retentionDays * DAY)
    await analytics.tidy()
    assert.deepEqual(await counts(), [0, 0, 0, 0])
  })

  it('has a new key every day, so that digests of two days cannot be compared', async (t) => {
    const { analytics, store, clock } = await setup(t)
    await analytics.reportUsage(usage(clock))
    clock.advance(DAY)
    await analytics.reportUsage(usage(clock))
    const keys = await collected(store.scan(space('analyticsKeys')))
    assert.equal(new Set(keys.map(([, key]) => key)).size, 2)
  })

  it('does not grow with the number of reports once they are summed up', async (t) => {
    const { analytics, store, clock } = await setup(t)
    const size = async () => {
      await analytics.flush()
      return Promise.all(
        (['reports', 'analytics', 'signatureSketches'] as const).map(
          async (name) => (await collected(store.keys(space(name)))).length,
        ),
      )
    }
    await analytics.reportUsage(usage(clock, {}, { quantum_signature: 'one' }))
    const one = await size()
    await Promise.all(
      Array.from({ length: 500 }, (_, n) => analytics.reportUsage(usage(clock, {}, { quantum_signature: `${n}` }))),
    )
    assert.deepEqual(await size(), one)
    assert.equal(one[0], 0)
  })
})

describe('error reports', () => {
  it('are one issue when they have one cause, which the second reporter is told', async (t) => {
    const { analytics, clock } = await setup(t)
    const first = await analytics.reportError(failure(clock))
    assert.equal(first.known_issue, false)
    assert.equal(first.issue_id, undefined)
    const second = await analytics.reportError({ ...failure(clock), version: '1.1.0' })
    assert.ok(answerSchema.Check(second))
    assert.equal(second.known_issue, true)
    assert.equal((await analytics.reportError({ ...failure(clock), error_code: 'E2' })).known_issue, false)
    const list = await analytics.issues()
    assert.ok(issuesSchema.Check(list), JSON.stringify(issuesSchema.Errors(list)))
    const issue = list.issues.find(({ issue_id }) => issue_id === second.issue_id)!
    assert.equal(list.total, 2)
    assert.equal(issue.reports, 2)
    assert.deepEqual(issue.versions, ['1.0.0', '1.1.0'])
    assert.deepEqual(issue.frames, ['at run (<path>)'])
    assert.equal(issue.error_message, 'no such file <path>')
    const cell = await only(analytics, { version: '1.0.0' })
    assert.equal(cell.error_reports, 2)
    assert.equal(cell.total_requests, null)
    assert.equal(cell.error_rate_percent, null)
  })

  it('are told the resolution that an administrator set, also after a restart', async (t) => {
    const { analytics, clock, restarted } = await setup(t)
    await analytics.reportError(failure(clock))
    const { issues } = await analytics.issues()
    const id = issues[0]!.issue_id
    assert.equal(
      (await analytics.setResolution(id, 'https://example.org/fix'))?.resolution_url,
      'https://example.org/fix',
    )
    const second = await restarted()
    const answer = await second.reportError(failure(clock))
    assert.deepEqual([answer.issue_id, answer.resolution_url], [id, 'https://example.org/fix'])
    assert.equal((await second.setResolution(id, null))?.resolution_url, null)
    assert.equal((await second.reportError(failure(clock))).resolution_url, undefined)
    assert.equal(await second.setResolution('0'.repeat(24), 'https://example.org/fix'), undefined)
    for (const url of ['http://example.org', 'javascript:alert(1)', 'https://', 'https://user:pw@example.org', '']) {
      await refused(second.setResolution(id, url), 'PROV_001', /https address/)
    }
  })

  it('are a bounded number of issues, of which those that come again and those with a resolution stay', async (t) => {
    const { analytics, clock } = await setup(t)
    await analytics.reportError(failure(clock, { error_code: 'real' }))
    await analytics.reportError(failure(clock, { error_code: 'real' }))
    await analytics.reportError(failure(clock, { error_code: 'resolved' }))
    const resolved = (await analytics.issues()).issues.find((issue) => issue.error_code === 'resolved')!
    await analytics.setResolution(resolved.issue_id, 'https://example.org/')
    const invented = 3 * ANALYTICS_LIMITS.issuesPerCellType
    for (let n = 0; n < invented; n++) await analytics.reportError(failure(clock, { error_code: `invented ${n}` }))
    const { total, issues } = await analytics.issues({ limit: 500 })
    assert.equal(total, ANALYTICS_LIMITS.issuesPerCellType)
    const codes = issues.map((issue) => issue.error_code)
    assert.ok(codes.includes('real') && codes.includes('resolved') && codes.includes(`invented ${invented - 1}`))
    assert.equal((await only(analytics)).error_reports, invented + 3)
  })

  it('are forgotten when nobody reports them any more, unless they have a resolution', async (t) => {
    const { analytics, clock } = await setup(t)
    await analytics.reportError(failure(clock, { error_code: 'old' }))
    await analytics.reportError(failure(clock, { error_code: 'resolved' }))
    const resolved = (await analytics.issues()).issues.find((issue) => issue.error_code === 'resolved')!
    await analytics.setResolution(resolved.issue_id, 'https://example.org/')
    clock.advance((ANALYTICS_LIMITS.retentionDays + 1) * DAY)
    await analytics.tidy()
    assert.deepEqual(
      (await analytics.issues()).issues.map((issue) => issue.error_code),
      ['resolved'],
    )
  })
})

describe('a write that fails', () => {
  it('refuses the report, counts nothing, and the same report may come again', async (t) => {
    const { analytics, store, clock } = await setup(t)
    const report = usage(clock)
    t.mock.method(store, 'transact', () => Promise.reject(new Error('No space left on device')), { times: 1 })
    await refused(analytics.reportUsage(report), 'PROV_014', /disk of this node is full/)
    assert.deepEqual((await analytics.overview()).cell_usage, [])
    assert.equal((await analytics.reportUsage(report)).message, 'counted')
    t.mock.method(store, 'transact', () => Promise.reject(new Error('No space left on device')), { times: 1 })
    await assert.rejects(analytics.flush(), /No space/)
    assert.equal((await only(analytics)).total_requests, 1)
    await analytics.flush()
    assert.equal((await only(analytics)).total_requests, 1)
    assert.deepEqual(await collected(store.keys(space('reports'))), [])
  })
})

describe('statistics of a version', () => {
  it('are its activations since the first report, and the signatures of the newest day; null where nobody reported', async (t) => {
    const { analytics, store, clock, restarted } = await setup(t)
    await fixedKeys(store)
    const none = { totalRequests: null, activeDeployments: null }
    assert.deepEqual(analytics.statisticsOf('fibonacci', '1.0.0'), none)
    const report = (activation_count: number, quantum_signature?: string) =>
      analytics.reportUsage(
        usage(clock, { activation_count }, quantum_signature === undefined ? {} : { quantum_signature }),
      )
    await report(3)
    assert.deepEqual(analytics.statisticsOf('fibonacci', '1.0.0'), { totalRequests: 3, activeDeployments: null })
    for (const signature of ['a', 'b', 'a']) await report(2, signature)
    await analytics.reportError(failure(clock))
    assert.deepEqual(analytics.statisticsOf('fibonacci', '1.0.0'), { totalRequests: 9, activeDeployments: 2 })
    assert.deepEqual(analytics.statisticsOf('fibonacci', '2.0.0'), none)

    clock.advance(DAY)
    const after = await restarted()
    assert.deepEqual(after.statisticsOf('fibonacci', '1.0.0'), { totalRequests: 9, activeDeployments: 2 })
    clock.advance(DAY)
    assert.deepEqual(after.statisticsOf('fibonacci', '1.0.0'), { totalRequests: 9, activeDeployments: null })
    await report(1)
    clock.advance(ANALYTICS_LIMITS.retentionDays * DAY)
    await analytics.tidy()
    assert.equal(analytics.statisticsOf('fibonacci', '1.0.0').totalRequests, 10)
    clock.advance(DAY)
    await analytics.tidy()
    assert.deepEqual(analytics.statisticsOf('fibonacci', '1.0.0'), none)
  })
})
