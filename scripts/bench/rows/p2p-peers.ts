import { alternate, compared, type Measurement } from '../measure.ts'
import type { Started } from '../roles/node.ts'
import type { Row, RowContext } from '../row.ts'
import type { Worker } from '../worker-process.ts'

const MIB = 1024 * 1024
const HOLDERS = 3
/** Bytes per second of each holder where its link is the limit. */
const SLOW_LINK = 20 * MIB
/** Three links bring three times as much, less what the first and the last chunks take. */
const LEAST_OF_LINKS = 2.5

export const p2pPeers: Row = {
  name: 'p2p-peers',
  title: 'package fetch over P2P from three peers, 64 MiB, verified and durable',
  async run(context) {
    const slow = `${p2pPeers.title}, each of which sends 20 MiB/s`
    const linked = () => measured(context, slow, SLOW_LINK, LEAST_OF_LINKS)
    // Both do the same, one of them with a cap.
    return context.quick ? [await linked()] : [await measured(context, p2pPeers.title, 0, 1), await linked()]
  },
}

/** Compares a node that knows three holders with one that knows a single one. */
async function measured(context: RowContext, title: string, linkBytes: number, least: number): Promise<Measurement> {
  const size = context.quick ? MIB : 64 * MIB
  const holders = context.quick ? 2 : HOLDERS
  const name = `p2p-peers-${linkBytes}`
  const workers = new Set<Worker>()
  const folders = new Map<string, string>()
  const node = async (what: string, seeds: readonly string[], uploadBytesPerSecond = 0) => {
    const worker = await context.worker('node')
    workers.add(worker)
    const dataDir = folders.get(what) ?? (await context.folder(`${name}-${what}`))
    folders.set(what, dataDir)
    const known = seeds.length === 0 ? {} : { seeds }
    return { worker, ...(await worker.call<Started>('start', { dataDir, uploadBytesPerSecond, ...known })) }
  }
  const origin = await node('origin', [])
  const digests: string[] = []
  // One for each round, and one to warm up: a package is fetched once.
  for (let number = context.quick ? 1 : 0; number <= context.rounds; number++) {
    digests.push(await origin.worker.call<string>('register', { size, number }))
  }
  const names = [...Array.from({ length: holders }, (_, number) => `holder-${number}`), 'alone']
  for (const what of names) {
    const { worker } = await node(what, origin.addresses)
    await worker.call('connected', { cells: 0 })
    for (const digest of digests) await worker.call('fetchPackage', { digest })
  }
  // Started anew, without seeds, they know nobody.
  for (const worker of workers) await worker.stop()
  workers.clear()
  const seeds: string[] = []
  for (const what of names) seeds.push((await node(what, [], linkBytes)).addresses[0]!)
  const alone = seeds.pop()!
  const fromThree = await node('from-three', seeds)
  await fromThree.worker.call('connected', { cells: 0, peers: holders })
  const fromOne = await node('from-one', [alone])
  await fromOne.worker.call('connected', { cells: 0 })

  const rate = (ms: number): number => size / 1000 / ms
  const left = { three: [...digests], one: [...digests] }
  const { ours, baseline } = await alternate(context.rounds, {
    ours: async () => rate(await fromThree.worker.call<number>('fetchPackage', { digest: left.three.pop() })),
    baseline: async () => rate(await fromOne.worker.call<number>('fetchPackage', { digest: left.one.pop() })),
  })
  for (const worker of workers) await worker.stop()
  return compared(title, 'MB/s', ours, baseline, least, 'baseline: the same package from a single peer')
}
