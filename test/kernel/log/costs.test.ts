import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import type { Store, Transaction } from '../../../src/kernel/storage/store.ts'
import { fillAtOnce, leafAt, temporaryStore } from './logs.ts'

const NAME = 'goal/costs'
/** Just before a full tree and at it, where the most and the fewest peaks are. */
const SIZES = [2 ** 6 - 1, 2 ** 6 + 1, 2 ** 10, 2 ** 13 - 1, 2 ** 13 + 1]
/** Records for each level of the tree, of which one leaf may have two, and beside them. */
const PER_LEVEL = 4
const BESIDE = 8
const most = (size: number): number => PER_LEVEL * Math.ceil(Math.log2(size)) + BESIDE

/** What a part of the store is asked, counted. */
function counting<Part extends object>(part: Part): { readonly part: Part; readonly calls: Map<string, number> } {
  const calls = new Map<string, number>()
  const get = (target: Part, name: string): unknown => {
    const value = Reflect.get(target, name, target)
    if (typeof value !== 'function') return value
    return (...args: unknown[]) => {
      calls.set(name, (calls.get(name) ?? 0) + 1)
      return Reflect.apply(value, target, args)
    }
  }
  return { part: new Proxy(part, { get: (target, name) => get(target, String(name)) }), calls }
}

/** A log that grows to the sizes, one after the other. */
async function* grown(t: TestContext): AsyncGenerator<{ size: number; store: Store; log: MerkleLog }> {
  const { store } = await temporaryStore(t)
  const log = new MerkleLog(store, NAME)
  for (const size of SIZES) {
    await fillAtOnce(store, log, size)
    yield { size, store, log }
  }
}

describe('what a log costs', () => {
  it('is a few records for a leaf, however many there are, in the transaction of its caller', async (t) => {
    for await (const { size, store, log } of grown(t)) {
      const calls = await store.transact((tx) => {
        const counted = counting<Transaction>(tx)
        log.append(counted.part, leafAt(size))
        return counted.calls
      })
      const { get = 0, put = 0, ...others } = Object.fromEntries(calls)
      assert.ok(get <= most(size), `${get} reads at ${size}`)
      assert.ok(put <= BESIDE, `${put} writes at ${size}`)
      assert.deepEqual(others, {})
    }
  })

  it('is a logarithm of records when it is opened and checked, and for a root and a proof', async (t) => {
    for await (const { size, store } of grown(t)) {
      const index = Math.floor(size / 3)
      for (const ask of [
        (log: MerkleLog) => log.check(),
        (log: MerkleLog) => log.root(size),
        (log: MerkleLog) => log.inclusion(index, size),
        (log: MerkleLog) => log.mmrInclusion(index, size),
        (log: MerkleLog) => log.consistency(index, size),
      ]) {
        const { part, calls } = counting(store)
        ask(new MerkleLog(part, NAME))
        const { get = 0, ...others } = Object.fromEntries(calls)
        assert.ok(get > 0 && get <= 2 * most(size), `${get} reads at ${size}: ${ask}`)
        assert.deepEqual(others, {})
      }
    }
  })
})
