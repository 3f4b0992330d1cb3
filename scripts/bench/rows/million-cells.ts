import { type Daemon, startDaemon } from '../daemon.ts'
import { bounded, type Measurement, median } from '../measure.ts'
import type { Row, RowContext } from '../row.ts'
import { CELLS_PER_CAPABILITY, storeWith } from '../store-with-cells.ts'
import type { Worker } from '../worker-process.ts'

const CELLS = 1_000_000
const CONNECTIONS = 16
const PATH = '/api/v1/cells/request'
/** Milliseconds of load before anything counts. */
const WARM_UP_MS = 10_000
const STARTS = 3
const MEMORY_EVERY_MS = 200

export const millionCells: Row = {
  name: 'million-cells',
  title: '1,000,000 cells',
  async run(context) {
    const cells = context.quick ? 200 : CELLS
    const since = performance.now()
    const dataDir = await storeWith(context, cells, true)
    const seconds = Math.round((performance.now() - since) / 1000)

    const starts: number[] = []
    for (let round = 1; round < (context.quick ? 1 : STARTS); round++) {
      const daemon = await startDaemon(dataDir)
      starts.push(daemon.readyMs)
      await daemon.stop()
    }
    const daemon = await startDaemon(dataDir)
    starts.push(daemon.readyMs)
    context.defer(() => daemon.stop())
    const figures = await underLoad(context, daemon, await context.worker('load'), cells / CELLS_PER_CAPABILITY)

    const load = `over ${CONNECTIONS} connections, one of ${cells / CELLS_PER_CAPABILITY} capabilities by chance each`
    const perSecond = Math.round(median(figures.perSecond))
    const note = `${load}; p50 ${median(figures.p50).toFixed(2)} ms at ${perSecond} requests/s; filled in ${seconds} s`
    const lines: Measurement[] = [
      bounded(`${millionCells.title}, p99 of a local request, ${CONNECTIONS} connections`, 'ms', figures.p99, 2, note),
      bounded(`${millionCells.title}, anonymous memory (RssAnon), most under that load`, 'MB', [figures.most], 250),
      bounded(`${millionCells.title}, start to ready`, 'ms', starts, 1500),
    ]
    return lines
  },
}

/** Latencies round by round, and the most memory that was seen from the start on. */
async function underLoad(context: RowContext, daemon: Daemon, load: Worker, capabilities: number) {
  let most = 0
  const timer = setInterval(async () => {
    most = Math.max(most, await daemon.anonymousMegabytes())
  }, MEMORY_EVERY_MS)
  const ask = (ms: number) =>
    load.call<{ p50: number; p99: number; perSecond: number }>('latencies', {
      port: daemon.httpPort,
      path: PATH,
      capabilities,
      connections: CONNECTIONS,
      ms,
    })
  try {
    await ask(context.quick ? context.roundMs : WARM_UP_MS)
    const rounds = []
    for (let round = 0; round < context.rounds; round++) rounds.push(await ask(context.roundMs))
    return {
      p50: rounds.map(({ p50 }) => p50),
      p99: rounds.map(({ p99 }) => p99),
      perSecond: rounds.map(({ perSecond }) => perSecond),
      most: Math.max(most, await daemon.anonymousMegabytes()),
    }
  } finally {
    clearInterval(timer)
  }
}
