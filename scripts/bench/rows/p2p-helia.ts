import { installedHelia } from '../helia.ts'
import { alternate, compared, type Measurement } from '../measure.ts'
import type { Started } from '../roles/node.ts'
import type { Row } from '../row.ts'

const MIB = 1024 * 1024

export const p2pHelia: Row = {
  name: 'p2p-helia',
  title: 'package fetch over P2P, 64 MiB, verified and durable, to Helia bitswap',
  async run(context): Promise<Measurement[]> {
    const installed = await installedHelia(!context.quick)
    if ('missing' in installed) {
      process.stderr.write(`p2p-helia is left out: ${installed.missing}\n`)
      return []
    }
    const size = context.quick ? MIB : 64 * MIB
    const [holder, asker] = [await context.worker('node'), await context.worker('node')]
    const { addresses } = await holder.call<Started>('start', { dataDir: await context.folder('p2p-helia-holder') })
    await asker.call('start', { dataDir: await context.folder('p2p-helia-asker'), seeds: addresses })
    await asker.call('connected', { cells: 0 })
    const [server, client] = [await context.worker('helia'), await context.worker('helia')]
    const address = await server.call<string>('start', installed)
    await client.call('start', installed)
    await client.call('connect', { address })

    const [digests, cids]: [string[], string[]] = [[], []]
    for (let number = 0; number <= context.rounds; number++) {
      digests.push(await holder.call<string>('register', { size, number }))
      cids.push(await server.call<string>('add', { size }))
    }
    const rate = (ms: number): number => size / 1000 / ms
    const { ours, baseline } = await alternate(context.rounds, {
      ours: async () => rate(await asker.call<number>('fetchPackage', { digest: digests.pop() })),
      baseline: async () => rate(await client.call<number>('fetchFile', { cid: cids.pop(), size })),
    })
    const note = 'both over TLS; baseline: blocks of 1 MiB, verified, from memory to memory'
    return [compared(p2pHelia.title, 'MB/s', ours, baseline, 3, note)]
  },
}
