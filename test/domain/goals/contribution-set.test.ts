import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ContributionSet, type Member } from '../../../src/domain/goals/contribution-set.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'

const limits = { perContributor: 3, most: 12, bytes: Number.POSITIVE_INFINITY }

const member = fc
  .record({ contributor: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), number: fc.nat({ max: 40 }) })
  .map(({ contributor, number }): Member => {
    const id = sha256Hex(`${contributor} ${number}`)
    return { id, contributor, pack: `pack ${number % 7}`, bytes: (number * 7) % 10 }
  })

/** Takes members in, in batches, as a node does. */
function take(set: ContributionSet<Member>, members: readonly Member[], batch: number): void {
  for (let at = 0; at < members.length; at += batch) {
    const fresh = new Map<string, Member>()
    for (const one of members.slice(at, at + batch)) if (set.get(one.id) === undefined) fresh.set(one.id, one)
    set.apply(set.plan([...fresh.values()]))
  }
}

const idsOf = (set: ContributionSet<Member>): string[] => Array.from(set.members(), ({ id }) => id).sort()

describe('the contributions that are kept', () => {
  it('are the same whatever the order, the batches, the duplicates and the split between nodes', () => {
    fc.assert(
      fc.property(
        fc.array(member, { maxLength: 80 }),
        fc.nat({ max: 80 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        (members, cut, one, other) => {
          const whole = new ContributionSet<Member>(limits)
          take(whole, members, members.length || 1)
          const left = new ContributionSet<Member>(limits)
          const right = new ContributionSet<Member>(limits)
          take(left, members.slice(0, cut), one)
          take(right, members.slice(Math.max(0, cut - 10)).reverse(), other)
          // They meet: each brings the other what it still has.
          const [fromLeft, fromRight] = [[...left.members()], [...right.members()]]
          take(left, fromRight, other)
          take(right, fromLeft, one)
          assert.deepEqual(idsOf(left), idsOf(whole))
          assert.deepEqual(idsOf(right), idsOf(whole))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('are of each contributor those with the smallest ids, and what they displace goes', () => {
    const set = new ContributionSet<Member>({ ...limits, perContributor: 2, most: 100 })
    const [a, b, c, d] = ['1', '2', '3', '4'].map((id): Member => ({ id, contributor: 'x', pack: 'p', bytes: 1 }))
    assert.deepEqual(set.plan([b!, c!]), { added: [b, c], evicted: [], bound: undefined })
    set.apply({ added: [b!, c!], evicted: [], bound: undefined })
    assert.deepEqual(set.plan([a!, d!]), { added: [a], evicted: [c], bound: undefined })
    set.apply({ added: [a!], evicted: [c!], bound: undefined })
    assert.deepEqual(set.withPack('p'), [a, b])
    assert.equal(set.size, 2)
  })

  it('are at most as many as a goal may have', () => {
    const set = new ContributionSet<Member>({ ...limits, perContributor: 1, most: 2 })
    const [a, b, c] = ['1', '2', '3'].map((id): Member => ({ id, contributor: `of ${id}`, pack: id, bytes: 1 }))
    set.apply(set.plan([b!, c!]))
    assert.deepEqual(set.plan([a!]), { added: [a], evicted: [c], bound: '3' })
    set.apply(set.plan([a!]))
    assert.deepEqual(set.plan([c!]), { added: [], evicted: [], bound: '3' })
  })

  it('are, where bytes are few, the smallest that fit, whatever the order: what did not fit does not come back', () => {
    const members = [6, 6, 3, 1].map(
      (bytes, i): Member => ({ id: `${i}`, contributor: `of ${i}`, pack: `${i}`, bytes }),
    )
    const orders = [
      [0, 1, 2, 3],
      [0, 2, 1, 3],
      [3, 2, 1, 0],
      [2, 3, 0, 1],
      [1, 2, 0, 3, 2],
    ]
    for (const order of orders) {
      for (const batch of [1, 2, 5]) {
        const set = new ContributionSet<Member>({ ...limits, bytes: 10 })
        take(
          set,
          order.map((i) => members[i]!),
          batch,
        )
        assert.deepEqual([idsOf(set), set.bytes, set.bound], [['0'], 6, '1'], `${order}, ${batch} at once`)
      }
    }
  })
})
