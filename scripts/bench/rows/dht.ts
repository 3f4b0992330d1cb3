import { type Measurement, median, quantile } from '../measure.ts'
import type { Provided } from '../roles/dht.ts'
import type { Row } from '../row.ts'

const NODES = 30
/** Names that are told one by one, as the library does it: enough for a time of each. */
const SINGLE = 10
const FINDS = 300

export const dht: Row = {
  name: 'dht',
  title: `DHT of ${NODES} nodes in one process`,
  async run(context) {
    const nodes = context.quick ? 4 : NODES
    const worker = await context.worker('dht')
    await worker.call('start', { count: nodes })
    const singly = await worker.call<{ ms: number; messages: number }>('provideSingly', {
      prefix: 'one',
      names: SINGLE,
    })
    const rows: Measurement[] = [
      {
        label: `${dht.title}, a name told alone by the library`,
        unit: 'ms',
        ours: singly.ms / SINGLE,
        note: `${Math.round(singly.messages / SINGLE)} messages each`,
      },
    ]
    for (const names of context.quick ? [1, 50] : [1, 1000, 10_000]) {
      const told: Provided[] = []
      for (let round = 0; round < (context.quick ? 1 : 3); round++) {
        told.push(await worker.call<Provided>('provide', { prefix: `${names}-${round}`, names }))
      }
      const { lookups, streams } = told[0]!
      rows.push({
        label: `${dht.title}, ${names.toLocaleString('en-US')} name${names === 1 ? '' : 's'} told by region`,
        unit: 'ms',
        ours: median(told.map(({ ms }) => ms)),
        note: `${lookups} lookups and ${streams} streams; every node's work is in this time`,
      })
    }
    const names = context.quick ? 50 : FINDS
    const times = await worker.call<number[]>('find', { prefix: `${context.quick ? 50 : 1000}-0`, names })
    rows.push({
      label: `${dht.title}, finding who provides a name`,
      unit: 'ms',
      ours: median(times),
      note: `p99 ${quantile(times, 0.99).toFixed(1)} ms, asked by each node in turn; ${nodes > 20 ? 'two nodes of three hold' : 'each node holds'} the record`,
    })
    return rows
  },
}
