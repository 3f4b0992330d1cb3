import { alternate, compared, type Measurement, median } from '../measure.ts'
import type { Started } from '../roles/node.ts'
import type { Row } from '../row.ts'
import { twoPairs } from '../two-pairs.ts'

const MIB = 1024 * 1024
/** Megabytes per second of the raw stream from which on the absolute figure counts, and that figure. */
const FAST_RAW = 400
const LEAST_MBS = 200

export const p2pFetch: Row = {
  name: 'p2p-fetch',
  title: 'package fetch over P2P, 64 MiB, verified and durable',
  async run(context) {
    const size = context.quick ? MIB : 64 * MIB
    const { holder, asker, server, client } = await twoPairs(context)
    const { addresses } = await holder.call<Started>('start', { dataDir: await context.folder('p2p-fetch-holder') })
    // One for each round, and one to warm up: a package is fetched once.
    const digests: string[] = []
    for (let number = 0; number <= context.rounds; number++) {
      digests.push(await holder.call<string>('register', { size, number }))
    }
    await asker.call('start', { dataDir: await context.folder('p2p-fetch-asker'), seeds: addresses })
    await asker.call('connected', { cells: 0 })

    const address = await server.call<string>('start', { answer: '', bytes: size })
    await client.call('start', { answer: '', bytes: 0 })

    const rate = (ms: number): number => size / 1000 / ms
    const { ours, baseline } = await alternate(context.rounds, {
      ours: async () => rate(await asker.call<number>('fetchPackage', { digest: digests.pop() })),
      baseline: async () => rate(await client.call<number>('receive', { address, bytes: size })),
    })
    const note = 'both over TLS; baseline: the same bytes from memory over one raw stream, unverified, not written'
    const lines: Measurement[] = [compared(p2pFetch.title, 'MB/s', ours, baseline, 0.6, note)]
    if (median(baseline) >= FAST_RAW) {
      const reached = median(ours) >= LEAST_MBS
      lines.push({
        label: `${p2pFetch.title}, where the raw stream gives ${FAST_RAW} MB/s`,
        unit: 'MB/s',
        ours: median(ours),
        bound: { kind: 'above', value: LEAST_MBS },
        reached,
      })
    }
    return lines
  },
}
