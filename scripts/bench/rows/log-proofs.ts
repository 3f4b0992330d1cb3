import { hash } from 'node:crypto'
import { join } from 'node:path'
import { utf8 } from '../../../src/kernel/base/bytes.ts'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import { leafHash } from '../../../src/kernel/log/tree.ts'
import { nativeNodeHash } from '../../../src/kernel/log/tree-hashes.ts'
import { verifyInclusion } from '../../../src/kernel/log/verify.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { alternate, bounded, compared, quantile } from '../measure.ts'
import type { Row } from '../row.ts'

const LEAVES = 10_000_000
const BATCH = 50_000
/** Proofs of one round. */
const PROOFS = 5000
const MOST_US = 100
const LEAST = 0.5

const leafOf = (index: number): Uint8Array => utf8(`{"n":${index}}`)

/** Indexes all over a log, the same at each run. */
function* scattered(size: number, count: number, from: number): Generator<number> {
  for (let n = from; n < from + count; n++) yield Math.floor(((n * 0.6180339887498949) % 1) * size)
}

export const logProofs: Row = {
  name: 'log-proofs',
  title: 'inclusion proof from disk, log of 10,000,000 leaves',
  async run(context) {
    const size = context.quick ? 2000 : LEAVES
    const proofs = context.quick ? 20 : PROOFS
    const directory = join(await context.folder('log'), 'store')
    await filled(directory, size)
    const store = await Store.open(directory, { createIfMissing: false })
    context.defer(() => store.close())
    const log = new MerkleLog(store, 'goal/bench')
    let asked = 0
    const slowest: number[] = []
    const made: { index: number; path: Uint8Array[] }[] = []
    const { ours } = await alternate(context.rounds, {
      async ours() {
        const times: number[] = []
        for (const index of scattered(size, proofs, asked)) {
          const since = performance.now()
          const path = log.inclusion(index, size)
          times.push((performance.now() - since) * 1000)
          if (made.length < proofs) made.push({ index, path })
        }
        asked += proofs
        slowest.push(quantile(times, 0.99))
        return times.reduce((sum, one) => sum + one, 0) / times.length
      },
    })

    const root = log.root(size)
    const claims = made.map(({ index, path }) => ({
      claim: { leafHash: leafHash(leafOf(index)), index, size, root },
      path,
    }))
    const hashes = claims.reduce((sum, { path }) => sum + path.length, 0)
    const node = new Uint8Array(65)
    const rate = (since: number): number => (claims.length * 1000) / (performance.now() - since)
    const verified = await alternate(context.rounds, {
      async ours() {
        const since = performance.now()
        for (const { claim, path } of claims)
          if (!verifyInclusion(claim, path, nativeNodeHash)) throw new Error('a proof does not hold')
        return rate(since)
      },
      async baseline() {
        const since = performance.now()
        for (let n = 0; n < hashes; n++) hash('sha256', node, 'buffer')
        return rate(since)
      },
    })
    return [
      bounded(logProofs.title, 'µs', ours, MOST_US, 'mean of proofs all over the log; the store was opened anew'),
      { label: `${logProofs.title}, p99`, unit: 'µs', ours: quantile(slowest, 0.5) },
      compared(
        'verification of such a proof',
        '1/s',
        verified.ours,
        verified.baseline,
        LEAST,
        "baseline: as many SHA-256 of a node's 65 bytes by node:crypto",
      ),
    ]
  },
}

/** A log of so many small leaves. */
async function filled(directory: string, size: number): Promise<void> {
  const store = await Store.open(directory, { createIfMissing: true })
  const log = new MerkleLog(store, 'goal/bench')
  for (let at = 0; at < size; at += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, size - at) }, (_, n) => leafOf(at + n))
    await store.transact((tx) => log.appendAll(tx, batch))
  }
  await store.close()
}
