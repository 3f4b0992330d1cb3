import { startDaemon } from '../daemon.ts'
import { bounded, type Measurement } from '../measure.ts'
import type { Row, RowContext } from '../row.ts'
import { ADMIN_KEY } from '../upload-body.ts'

const REPORTS = 10_000_000
const DAYS = 30
const VERSIONS = [1, 100, 2000] as const
const STARTS = 5
const CALLS = 20
const MOST_MS = 50
/** What ten times as many reports may store, to what they store. */
const MOST_GROWTH = 1.5

export const analyticsOverview: Row = {
  name: 'analytics-overview',
  title: `overview over ${DAYS} days and ${REPORTS.toLocaleString('en-US')} reports`,
  async run(context) {
    const reports = context.quick ? 10_000 : REPORTS
    const lines: Measurement[] = []
    for (const versions of context.quick ? [100] : VERSIONS) {
      const few = await filled(context, versions, reports / 10)
      const many = await filled(context, versions, reports)
      const first: number[] = []
      const later: number[] = []
      for (let start = 0; start < (context.quick ? 1 : STARTS); start++) {
        const daemon = await startDaemon(many.dataDir)
        try {
          // The client's first call is its own.
          await ask(daemon.httpPort, '/api/v1/discovery/info')
          first.push(await timed(daemon.httpPort, versions))
          for (let call = 0; call < CALLS; call++) later.push(await timed(daemon.httpPort, versions))
        } finally {
          await daemon.stop()
        }
      }
      const label = `${analyticsOverview.title}, ${versions === 1 ? 'one version' : `${versions} versions`}`
      const growth = many.bytes / few.bytes
      const note = `${(many.bytes / 1e6).toFixed(1)} MB stored, ${growth.toFixed(2)} times what a tenth of the reports stores`
      lines.push(
        bounded(`${label}, first call of a process`, 'ms', first, MOST_MS, note),
        bounded(`${label}, later calls`, 'ms', later, MOST_MS),
        {
          label: `${label}, storage for ten times as many reports`,
          unit: 'times',
          ours: growth,
          bound: { kind: 'below', value: MOST_GROWTH },
          reached: growth < MOST_GROWTH,
        },
      )
    }
    return lines
  },
}

async function filled(context: RowContext, versions: number, reports: number) {
  const dataDir = await context.folder('analytics')
  const fixture = await context.worker('usage')
  const bytes = await fixture.call<number>('fill', { dataDir, versions, reports, days: DAYS })
  await fixture.stop()
  return { dataDir, bytes }
}

/** Milliseconds until the whole answer is here. */
async function timed(port: number, versions: number): Promise<number> {
  const since = performance.now()
  const { total } = (await ask(port, `/api/v1/analytics/overview?time_range=${DAYS}d`)) as { total: number }
  const ms = performance.now() - since
  if (total !== versions) throw new Error(`an overview of ${total} versions, expected ${versions}`)
  return ms
}

async function ask(port: number, path: string): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'X-API-Key': ADMIN_KEY } })
  return await answer.json()
}
