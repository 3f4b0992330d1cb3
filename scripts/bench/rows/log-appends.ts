import { hash } from 'node:crypto'
import { join } from 'node:path'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { contributionLeaves } from '../log-leaves.ts'
import { alternate, compared } from '../measure.ts'
import type { Row } from '../row.ts'

const LEAVES = 100_000
/** Leaves of one transaction, which is one synced write. */
const BATCH = 20_000
const LEAST = 0.5

/** The hashes of an append: that of the leaf, and of one node, as there are on average. */
function bareHashes(leaves: readonly Uint8Array[]): void {
  const node = new Uint8Array(65)
  for (const leaf of leaves) {
    hash('sha256', leaf, 'buffer')
    hash('sha256', node, 'buffer')
  }
}

export const logAppends: Row = {
  name: 'log-appends',
  title: `log appends, durable, ${BATCH} to a batch`,
  async run(context) {
    const leaves = contributionLeaves(context.quick ? 500 : LEAVES)
    const store = await Store.open(join(await context.folder('log'), 'store'), { createIfMissing: true })
    context.defer(() => store.close())
    const log = new MerkleLog(store, 'goal/bench')
    const rate = (since: number): number => (leaves.length * 1000) / (performance.now() - since)
    const { ours, baseline } = await alternate(context.rounds, {
      async ours() {
        const since = performance.now()
        for (let at = 0; at < leaves.length; at += BATCH) {
          const batch = leaves.slice(at, at + BATCH)
          await store.transact((tx) => log.appendAll(tx, batch))
        }
        return rate(since)
      },
      async baseline() {
        const since = performance.now()
        bareHashes(leaves)
        return rate(since)
      },
    })
    return [
      compared(logAppends.title, '1/s', ours, baseline, LEAST, 'baseline: SHA-256 of the same leaves and nodes alone'),
    ]
  },
}
