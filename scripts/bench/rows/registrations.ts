import { alternate, compared, type Measurement, median } from '../measure.ts'
import type { Started } from '../roles/node.ts'
import type { Row } from '../row.ts'

const SIZE = 64 * 1024
const CASES = [
  { clients: 1, count: 150, least: 0.7 },
  { clients: 16, count: 800, least: 0.8 },
] as const

export const registrations: Row = {
  name: 'registrations',
  title: 'durable registrations of 64 KiB packages',
  async run(context) {
    const [node, load, disk] = await Promise.all([
      context.worker('node'),
      context.worker('load'),
      context.worker('disk'),
    ])
    const { httpPort } = await node.call<Started>('start', {
      dataDir: await context.folder('registrations'),
      withHttp: true,
    })
    await disk.call('start', { directory: await context.folder('registrations-baseline') })

    const lines: Measurement[] = []
    let first = 0
    const next = (count: number): { first: number; count: number; size: number } => {
      first += count
      return { first: first - count, count, size: SIZE }
    }
    for (const { clients, count, least } of CASES) {
      const each = context.quick ? clients : count
      const { http, baseline, inside } = await alternate(context.rounds, {
        http: () => load.call<number>('upload', { ...next(each), port: httpPort, connections: clients }),
        baseline: () => disk.call<number>('write', { ...next(each), concurrency: clients }),
        inside: () => node.call<number>('registerMany', { ...next(each), concurrency: clients }),
      })
      const label = `${registrations.title}, ${clients === 1 ? 'one client' : `${clients} clients`}`
      const ratio = median(inside) / median(baseline)
      lines.push(
        compared(
          label,
          'per s',
          http,
          baseline,
          least,
          'baseline: fsynced file, rename, fsynced folder, Level batch with sync',
        ),
        {
          label: `${label}, without HTTP`,
          unit: 'per s',
          ours: median(inside),
          baseline: median(baseline),
          ratio,
        },
      )
    }
    return lines
  },
}
