import { bounded, median } from '../measure.ts'
import type { Taken } from '../roles/addresses.ts'
import type { Row } from '../row.ts'

const CLIENTS = 1_000_000
/** Megabytes: the counters are 4 MiB, young objects take some more. */
const MOST_MB = 24

export const rateLimits: Row = {
  name: 'rate-limits',
  title: 'rate limits, one request of each of 1,000,000 addresses',
  async run(context) {
    const clients = context.quick ? 10_000 : CLIENTS
    const taken: Taken[] = []
    for (let round = 0; round < context.rounds; round++) {
      const worker = await context.worker('addresses')
      taken.push(await worker.call<Taken>('take', { clients }))
      await worker.stop()
    }
    const memory = taken.map(({ megabytes }) => megabytes)
    const times = taken.map(({ nanoseconds }) => nanoseconds)
    return [
      bounded(`${rateLimits.title}, growth of RssAnon`, 'MB', memory, MOST_MB, 'each round in a fresh process'),
      { label: `${rateLimits.title}, time of each`, unit: 'ns', ours: median(times) },
    ]
  },
}
