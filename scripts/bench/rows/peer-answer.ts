import { alternate, compared } from '../measure.ts'
import type { Started } from '../roles/node.ts'
import type { Row } from '../row.ts'
import { twoPairs } from '../two-pairs.ts'

const CONCURRENCY = 32
/** So few that the holder has told the DHT their names before the first round, and does nothing but answer. */
const CELLS = 300

export const peerAnswer: Row = {
  name: 'peer-answer',
  title: 'capability request answered by a peer, 32 at once',
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

    const busy = { asker: 0, holder: 0 }
    let elsewhere = 0
    const { ours, baseline } = await alternate(context.rounds, {
      async ours() {
        await Promise.all([asker.call('busy'), holder.call('busy')])
        const asked = { capabilities: cells, concurrency: CONCURRENCY, ms: context.roundMs }
        const result = await asker.call<{ perSecond: number; elsewhere: number }>('ask', asked)
        busy.asker = await asker.call<number>('busy')
        busy.holder = await holder.call<number>('busy')
        elsewhere += result.elsewhere
        return result.perSecond
      },
      baseline: () =>
        client.call<number>('ask', {
          address,
          request: sizes.request,
          concurrency: CONCURRENCY,
          ms: context.roundMs,
        }),
    })
    if (elsewhere > 0) throw new Error(`${elsewhere} answers did not come from the peer`)
    const note = `answers of ${sizes.answer.length} bytes, each signature verified once; baseline: unsigned JSON frames over one stream; core use asker ${busy.asker.toFixed(2)}, holder ${busy.holder.toFixed(2)}`
    return [compared(peerAnswer.title, 'requests/s', ours, baseline, 0.3, note)]
  },
}
