import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { toHex, utf8 } from '../../../src/kernel/base/bytes.ts'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import { MAX_LEAF_BYTES } from '../../../src/kernel/log/tiles.ts'
import { verifyConsistency, verifyInclusion, verifyMmrInclusion } from '../../../src/kernel/log/verify.ts'
import { KEYSPACES, textKeyspace } from '../../../src/kernel/storage/keyspaces.ts'
import { Store, type Transaction } from '../../../src/kernel/storage/store.ts'
import { readVectors } from '../../vectors/read.ts'
import { fill, fillAtOnce, leafAt, temporaryStore } from './logs.ts'
import { naiveConsistency, naiveInclusion, naiveLeaf, naiveRoot } from './naive-tree.ts'

const acts = textKeyspace(KEYSPACES.cells)

/** `merkle-log.json`. */
interface Vectors {
  roots: Record<string, string>
  inclusion: {
    size: number
    index: number
    leaf_hash: string
    path: string[]
    siblings: { hash: string; is_right: boolean }[]
    peaks_bag: string[]
  }[]
  consistency: { from: number; to: number; proof: string[] }[]
}

describe('known answers (merkle-log.json)', async () => {
  const vectors = readVectors<Vectors>('merkle-log.json')
  const { store } = await temporaryStore({ after })
  const log = new MerkleLog(store, '')
  await store.transact((tx) => {
    for (let i = 0; i < 40; i++) log.append(tx, Uint8Array.of(i))
  })

  it('has the root of every size', () => {
    assert.equal(Object.keys(vectors.roots).length, 41)
    for (const [size, root] of Object.entries(vectors.roots)) assert.equal(toHex(log.root(Number(size))), root, size)
  })

  it('proves inclusion in both forms', () => {
    assert.ok(vectors.inclusion.length > 20)
    for (const { size, index, leaf_hash, path, siblings, peaks_bag } of vectors.inclusion) {
      assert.equal(toHex(naiveLeaf(log.leaf(index)!)), leaf_hash)
      assert.deepEqual(log.inclusion(index, size).map(toHex), path)
      const mmr = log.mmrInclusion(index, size)
      assert.deepEqual(
        mmr.siblings.map(toHex),
        siblings.map(({ hash }) => hash),
      )
      assert.deepEqual(mmr.peaks.map(toHex), peaks_bag)
      // The documented `is_right` follows from the index.
      siblings.forEach(({ is_right }, level) => {
        assert.equal(is_right, Math.floor(index / 2 ** level) % 2 === 0)
      })
    }
  })

  it('proves consistency', () => {
    assert.ok(vectors.consistency.length > 10)
    for (const { from, to, proof } of vectors.consistency) {
      assert.deepEqual(log.consistency(from, to).map(toHex), proof)
    }
  })
})

/** How leaves come makes no difference. */
const WAYS = {
  'one by one': fill,
  'at once': fillAtOnce,
  async 'in batches'(store: Store, log: MerkleLog, size: number) {
    for (const step of [1, 31, 32, 33, 3, 64, 200, 250, 12, 300])
      await fillAtOnce(store, log, Math.min(size, log.size + step))
  },
}

for (const [way, filled] of Object.entries(WAYS))
  describe(`a log of 600 leaves that came ${way}`, async () => {
    const SIZE = 600
    const { store } = await temporaryStore({ after })
    const log = new MerkleLog(store, 'goal/fast')
    await filled(store, log, SIZE)
    log.check()
    const hashes = Array.from({ length: SIZE }, (_, i) => naiveLeaf(leafAt(i)))
    const sizes = fc.integer({ min: 1, max: SIZE })

    it('keeps its leaves', () => {
      assert.equal(log.size, SIZE)
      for (let i = 0; i < SIZE; i++) assert.deepEqual(log.leaf(i), leafAt(i))
      assert.equal(log.leaf(SIZE), undefined)
    })

    it('has the root of the definition at every size', () => {
      for (let size = 0; size <= SIZE; size++) assert.deepEqual(log.root(size), naiveRoot(hashes.slice(0, size)))
      assert.deepEqual(log.root(), log.root(SIZE))
    })

    it('proves inclusion as the definition does, and both verifiers agree', () => {
      const leaves = sizes.chain((size) => fc.tuple(fc.constant(size), fc.nat({ max: size - 1 })))
      fc.assert(
        fc.property(leaves, ([size, index]) => {
          const path = log.inclusion(index, size)
          assert.deepEqual(path, naiveInclusion(index, hashes.slice(0, size)))
          const claim = { leafHash: hashes[index]!, index, size, root: log.root(size) }
          assert.ok(verifyInclusion(claim, path))
          assert.ok(verifyMmrInclusion(claim, log.mmrInclusion(index, size)))
        }),
        { numRuns: 400 },
      )
    })

    it('proves consistency as the definition does', () => {
      const pairs = fc.tuple(sizes, sizes).map((pair) => pair.toSorted((a, b) => a - b) as [number, number])
      fc.assert(
        fc.property(pairs, ([from, to]) => {
          const path = log.consistency(from, to)
          assert.deepEqual(path, naiveConsistency(from, hashes.slice(0, to)))
          assert.ok(verifyConsistency({ from, fromRoot: log.root(from), to, toRoot: log.root(to) }, path))
        }),
        { numRuns: 400 },
      )
    })

    it('proves that every size follows from the tree without leaves', () => {
      assert.deepEqual(log.consistency(0, SIZE), [])
      assert.ok(verifyConsistency({ from: 0, fromRoot: log.root(0), to: SIZE, toRoot: log.root() }, []))
    })

    it('refuses sizes and indexes that it does not have', () => {
      assert.throws(() => log.inclusion(600, 600), new RangeError('Log index 600 out of bounds [0, 600)'))
      assert.throws(() => log.mmrInclusion(-1, 600), new RangeError('Log index -1 out of bounds [0, 600)'))
      assert.throws(() => log.inclusion(0.5, 600), RangeError)
      assert.throws(() => log.inclusion(0, 0), new RangeError('Log index 0 out of bounds [0, 0)'))
      assert.throws(() => log.inclusion(0, 601), new RangeError('Tree size 601 out of bounds [0, 600]'))
      assert.throws(() => log.consistency(7, 6), new RangeError('Tree size 7 out of bounds [0, 6]'))
      assert.throws(() => log.consistency(1, 601), new RangeError('Tree size 601 out of bounds [0, 600]'))
      assert.throws(() => log.root(Number.NaN), RangeError)
      assert.equal(log.leaf(-1), undefined)
    })
  })

describe('appending', () => {
  it('several leaves in one transaction, and several transactions in one group commit, follow each other', async (t) => {
    const { store } = await temporaryStore(t)
    const log = new MerkleLog(store, '')
    const indexes = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        store.transact((tx) => [log.append(tx, leafAt(2 * i)), log.append(tx, leafAt(2 * i + 1))]),
      ),
    )
    assert.deepEqual(
      indexes.flat(),
      Array.from({ length: 100 }, (_, i) => i),
    )
    assert.deepEqual(log.root(), naiveRoot(Array.from({ length: 100 }, (_, i) => naiveLeaf(leafAt(i)))))
  })

  it('leaves nothing behind when the transaction throws, between others of its group', async (t) => {
    const { store } = await temporaryStore(t)
    const log = new MerkleLog(store, '')
    const act = (tx: Transaction, name: string): void => {
      tx.put(acts, name, 'done')
      log.append(tx, utf8(name))
      log.append(tx, utf8(`${name} again`))
    }
    const results = await Promise.allSettled([
      store.transact((tx) => act(tx, 'first')),
      store.transact((tx) => {
        act(tx, 'failing')
        throw new Error('refused')
      }),
      store.transact((tx) => act(tx, 'last')),
    ])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    const expected = ['first', 'first again', 'last', 'last again'].map(utf8)
    assert.equal(log.size, 4)
    assert.deepEqual(
      [0, 1, 2, 3].map((i) => log.leaf(i)!),
      expected,
    )
    assert.equal(log.leaf(4), undefined)
    assert.deepEqual(log.root(), naiveRoot(expected.map(naiveLeaf)))
    assert.equal(store.get(acts, 'failing'), undefined)
  })

  it('shows nothing before the transaction is durable', async (t) => {
    const { store } = await temporaryStore(t)
    const log = new MerkleLog(store, '')
    let inside: number | undefined
    const appended = store.transact((tx) => {
      log.append(tx, leafAt(0))
      inside = log.size
    })
    await appended
    assert.equal(inside, 0)
    assert.equal(log.size, 1)
  })

  it('continues after the store was opened again, with the same roots', async (t) => {
    const { store, directory } = await temporaryStore(t)
    await fill(store, new MerkleLog(store, ''), 300)
    const roots = [1, 255, 256, 257, 300].map((size) => toHex(new MerkleLog(store, '').root(size)))
    await store.close()

    const again = await Store.open(directory, { createIfMissing: false })
    t.after(() => again.close())
    const log = new MerkleLog(again, '')
    assert.deepEqual(
      [1, 255, 256, 257, 300].map((size) => toHex(log.root(size))),
      roots,
    )
    await fill(again, log, 301)
    assert.deepEqual(log.root(), naiveRoot(Array.from({ length: 301 }, (_, i) => naiveLeaf(leafAt(i)))))
  })

  it('takes any bytes, up to what a bundle can hold', async (t) => {
    const { store } = await temporaryStore(t)
    const log = new MerkleLog(store, '')
    const every = Uint8Array.from({ length: 256 }, (_, i) => i)
    const largest = new Uint8Array(MAX_LEAF_BYTES).fill(0xff)
    const leaves = [every, new Uint8Array(), largest, every.subarray(128, 130)]
    await store.transact((tx) => {
      for (const leaf of leaves) log.append(tx, leaf)
    })
    leaves.forEach((leaf, i) => {
      assert.deepEqual(log.leaf(i), leaf)
    })
    assert.deepEqual(log.root(), naiveRoot(leaves.map(naiveLeaf)))
    await assert.rejects(
      store.transact((tx) => log.append(tx, new Uint8Array(MAX_LEAF_BYTES + 1))),
      new RangeError('a leaf has at most 65535 bytes, this one 65536'),
    )
    assert.equal(log.size, 4)
  })

  it('keeps logs of one store apart', async (t) => {
    const { store } = await temporaryStore(t)
    const names = ['', 'goal', 'goal/a', 'goal/a0', 'goal/A']
    const logs = names.map((name) => new MerkleLog(store, name))
    await store.transact((tx) => {
      for (const log of logs) for (let i = 0; i < 3; i++) log.append(tx, utf8(`${log.name} ${i}`))
    })
    for (const log of logs) {
      assert.equal(log.size, 3)
      assert.deepEqual(log.root(), naiveRoot([0, 1, 2].map((i) => naiveLeaf(utf8(`${log.name} ${i}`)))))
    }
  })

  it('refuses names that keys cannot hold', async (t) => {
    const { store } = await temporaryStore(t)
    for (const name of ['!', 'goal/', '/a', 'a b', 'goal/é', 'a'.repeat(65)]) {
      assert.throws(() => new MerkleLog(store, name), TypeError, name)
    }
  })

  it('says which record is missing when the store was damaged', async (t) => {
    const { store } = await temporaryStore(t)
    await store.transact((tx) => tx.put(textKeyspace(KEYSPACES.logs), '', '2'))
    assert.throws(() => new MerkleLog(store, '').root(), /the log "" is damaged: the record of its leaf 1 is missing/)
  })
})
