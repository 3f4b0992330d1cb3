import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../../src/kernel/base/bytes.ts'
import { sha256 } from '../../../src/kernel/base/hash.ts'
import { leafHash, merkleRoot } from '../../../src/kernel/base/merkle.ts'
import { ID_BYTES, IdIndex } from '../../../src/network/sync/id-index.ts'
import { SetRoot } from '../../../src/network/sync/set-root.ts'

const idOf = (number: number): Uint8Array => sha256(`id ${number}`)

/** The ids of an index in hexadecimal. */
function listed(index: IdIndex): string[] {
  const bytes = index.copy()
  return Array.from({ length: bytes.length / ID_BYTES }, (_, i) =>
    toHex(bytes.subarray(i * ID_BYTES, (i + 1) * ID_BYTES)),
  )
}

/** The root as `protocol/README.md` defines it, over everything at once. */
function rootOf(ids: readonly Uint8Array[]): string {
  const sorted = [...ids].sort(Buffer.compare)
  const buckets = Array.from({ length: 256 }, (_, first) =>
    merkleRoot(sorted.filter((id) => id[0] === first).map(leafHash)),
  )
  return toHex(merkleRoot(buckets.map(leafHash)))
}

describe('an index of ids', () => {
  it('holds what was added and not deleted, in order, whatever the order of the changes', () => {
    const change = fc.record({ add: fc.boolean(), number: fc.integer({ min: 0, max: 1500 }) })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 2500, size: 'max' }), (changes) => {
        const index = new IdIndex()
        const model = new Set<string>()
        for (const { add, number } of changes) {
          const id = idOf(number)
          const isNews = model.has(toHex(id)) !== add
          if ((add ? index.add(id) : index.delete(id)) !== isNews) assert.fail(`${number} was taken for something else`)
          if (add) model.add(toHex(id))
          else model.delete(toHex(id))
          if (index.has(id) !== add) assert.fail(`${number} is not as it was left`)
        }
        assert.equal(index.size, model.size)
        assert.deepEqual(listed(index), [...model].sort())
      }),
      { numRuns: 8 },
    )
  })

  it('lists the ids with a first byte', () => {
    const index = new IdIndex()
    for (let i = 0; i < 5000; i++) index.add(idOf(i))
    const all = listed(index)
    for (const first of [0, 1, 127, 255]) {
      const prefix = first.toString(16).padStart(2, '0')
      assert.deepEqual(
        index.withFirst(first).map(toHex),
        all.filter((id) => id.startsWith(prefix)),
      )
    }
    assert.deepEqual(new IdIndex().withFirst(7), [])
  })

  it('takes ids of 32 bytes only', () => {
    assert.throws(() => new IdIndex().add(new Uint8Array(31)), /an id has 32 bytes, this one 31/)
  })
})

describe('the root of a set', () => {
  it('depends on what is in it, not on how that came', async () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 10_000 }), { maxLength: 300 })
    await fc.assert(
      fc.asyncProperty(numbers, numbers, async (kept, deleted) => {
        const [a, b] = [new IdIndex(), new IdIndex()]
        const roots = [new SetRoot(a), new SetRoot(b)] as const
        for (const number of [...deleted, ...kept]) a.add(idOf(number))
        await roots[0].read()
        for (const number of deleted) if (!kept.includes(number)) a.delete(idOf(number))
        for (const number of kept.toReversed()) b.add(idOf(number))
        const expected = rootOf(kept.map(idOf))
        assert.equal(toHex(await roots[0].read()), expected)
        assert.equal(toHex(await roots[1].read()), expected)
      }),
      { numRuns: 6 },
    )
  })

  it('is read by several at once', async () => {
    const index = new IdIndex()
    const root = new SetRoot(index)
    for (let i = 0; i < 3000; i++) index.add(idOf(i))
    const [a, b] = await Promise.all([root.read(), root.read()])
    assert.equal(toHex(a), toHex(b))
    assert.equal(toHex(a), rootOf(Array.from({ length: 3000 }, (_, i) => idOf(i))))
  })
})
