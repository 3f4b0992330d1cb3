import { alternate, compared } from '../measure.ts'
import type { Started } from '../roles/node.ts'
import type { Row } from '../row.ts'

const CONNECTIONS = 32
const CELLS_PER_CAPABILITY = 10
const PATH = '/api/v1/cells/request'

export const localHit: Row = {
  name: 'local-hit',
  title: 'capability request, local hit, 10,000 cells, 32 connections',
  async run(context) {
    const cells = context.quick ? 100 : 10_000
    const capabilities = cells / CELLS_PER_CAPABILITY
    const dataDir = await context.folder('local-hit')
    const fixture = await context.worker('fixture')
    await fixture.call('fill', { dataDir, cells, cellsPerCapability: CELLS_PER_CAPABILITY })
    await fixture.stop()

    const node = await context.worker('node')
    const { httpPort } = await node.call<Started>('start', { dataDir, withHttp: true })
    const load = await context.worker('load')
    const length = await load.call<number>('answerLength', { port: httpPort, path: PATH })
    const echo = await context.worker('echo')
    const echoPort = await echo.call<number>('start', { length })

    const busy = { ours: 0, echo: 0 }
    const options = { capabilities, connections: CONNECTIONS, ms: context.roundMs }
    const { ours, baseline } = await alternate(context.rounds, {
      async ours() {
        await node.call('busy')
        const rate = await load.call<number>('request', { ...options, port: httpPort, path: PATH })
        busy.ours = await node.call<number>('busy')
        return rate
      },
      async baseline() {
        await echo.call('busy')
        const rate = await load.call<number>('request', { ...options, port: echoPort, path: '/echo' })
        busy.echo = await echo.call<number>('busy')
        return rate
      },
    })
    const note = `answers of ${length} bytes; baseline: bare Fastify POST with the same body, schema and length; core use ${busy.ours.toFixed(2)}, ${busy.echo.toFixed(2)}`
    return [compared(localHit.title, 'requests/s', ours, baseline, 0.6, note)]
  },
}
