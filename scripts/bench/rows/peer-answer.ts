import type { Asked } from '../concurrent.ts'
import { alternate, compared, type Measurement, median } from '../measure.ts'
import type { Started } from '../roles/node.ts'
import type { Row } from '../row.ts'
import { twoPairs } from '../two-pairs.ts'
import type { Worker } from '../worker-process.ts'

/** How many ask at once, and what has to be reached of the baseline. */
const TOGETHER = [
  { concurrency: 32, least: 0.3 },
  { concurrency: 128, least: 0.4 },
] as const
/** Round trips of the baseline that a lone request may take. */
const ROUND_TRIPS = 4
/** So few that the holder has told the DHT their names before the first round, and does nothing but answer. */
const CELLS = 300

export const peerAnswer: Row = {
  name: 'peer-answer',
  title: 'capability request answered by a peer',
  async run(context) {
    const cells = context.quick ? 50 : CELLS
    const dataDir = await context.folder('peer-answer-holder')
    const fixture = await context.worker('fixture')
    await fixture.call('fill', { dataDir, cells, cellsPerCapability: 1, ownPackages: true })
    await fixture.stop()

    const { holder, asker, server, client } = await twoPairs(context)
    const { addresses } = await holder.call<Started>('start', { dataDir })
    await asker.call('start', { dataDir: await context.folder('peer-answer-asker'), seeds: addresses })
    await asker.call('connected', { cells })

    const sizes = await asker.call<{ request: object; answer: string }>('sample')
    const address = await server.call<string>('start', { answer: sizes.answer, bytes: 0 })
    await client.call('start', { answer: '', bytes: 0 })

    const measured: Measurement[] = []
    const { request } = sizes
    for (const { concurrency, least } of TOGETHER) {
      const busy = { asker: 0, holder: 0 }
      const { ours, baseline } = await alternate(context.rounds, {
        async ours() {
          await Promise.all([asker.call('busy'), holder.call('busy')])
          const { perSecond } = await asked(asker, { capabilities: cells, concurrency, ms: context.roundMs })
          busy.asker = await asker.call<number>('busy')
          busy.holder = await holder.call<number>('busy')
          return perSecond
        },
        async baseline() {
          const raw = { address, request, concurrency, ms: context.roundMs }
          return (await client.call<Asked>('ask', raw)).perSecond
        },
      })
      const note = `answers of ${sizes.answer.length} bytes, each signature verified once; baseline: unsigned JSON frames over one stream, written together as ours are; core use asker ${busy.asker.toFixed(2)}, holder ${busy.holder.toFixed(2)}`
      const title = `${peerAnswer.title}, ${concurrency} at once`
      measured.push(compared(title, 'requests/s', ours, baseline, least, note))
    }
    const { ours, baseline } = await alternate(context.rounds, {
      ours: async () => (await asked(asker, { capabilities: cells, concurrency: 1, ms: context.roundMs })).medianMs,
      baseline: async () =>
        (await client.call<Asked>('ask', { address, request, concurrency: 1, ms: context.roundMs })).medianMs,
    })
    const ratio = median(ours) / median(baseline)
    measured.push({
      label: `${peerAnswer.title}, a lone one, p50`,
      unit: 'ms',
      ours: median(ours),
      baseline: median(baseline),
      ratio,
      bound: { kind: 'below', value: ROUND_TRIPS * median(baseline) },
      reached: ratio <= ROUND_TRIPS,
      note: `baseline: one raw round trip; at most ${ROUND_TRIPS} of them`,
    })
    return measured
  },
}

async function asked(asker: Worker, amount: { capabilities: number; concurrency: number; ms: number }): Promise<Asked> {
  const { elsewhere, ...result } = await asker.call<Asked & { elsewhere: number }>('ask', amount)
  if (elsewhere > 0) throw new Error(`${elsewhere} answers did not come from the peer`)
  return result
}
