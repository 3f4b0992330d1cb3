import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Leaderboard, type Standing } from '../../../src/domain/goals/leaderboard.ts'
import { toHex } from '../../../src/kernel/base/bytes.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import { EMPTY_ROOT, leafHash } from '../../../src/kernel/log/tree.ts'

const standing = (change: Partial<Standing> & { name: string }): Standing => {
  const { name, ...more } = change
  return {
    id: sha256Hex(`contribution ${name}`),
    pack: sha256Hex(`pack ${name}`),
    contributor: sha256Hex(`contributor ${name}`).slice(0, 40),
    score: 1,
    metrics: { reward: 1, risk: 0, complexity: 0 },
    logIndex: 0,
    at: 0,
    ...more,
  }
}

const metric = fc.constantFrom(0, 1, 2, 3)
// What an evaluator says depends on the pack alone.
const someStanding = fc.record({ pack: fc.nat({ max: 12 }), id: fc.nat({ max: 60 }) }).map(({ pack, id }) => {
  const metrics = { reward: pack % 4, risk: (pack * 5) % 4, complexity: (pack * 3) % 3 }
  const score = metrics.reward - metrics.risk / 2 - metrics.complexity / 100
  return standing({ name: `${id}`, pack: sha256Hex(`pack ${pack}`), metrics, score })
})

const isSuperior = (a: Standing, b: Standing): boolean => {
  const better = [
    a.metrics.reward - b.metrics.reward,
    b.metrics.risk - a.metrics.risk,
    b.metrics.complexity - a.metrics.complexity,
  ]
  return better.every((difference) => difference >= 0) && better.some((difference) => difference > 0)
}

describe('a leaderboard', () => {
  for (const mode of ['scalar', 'pareto'] as const) {
    it(`does not depend on the order in which contributions come and go (${mode})`, () => {
      fc.assert(
        fc.property(
          fc.uniqueArray(someStanding, { selector: ({ id }) => id, maxLength: 40 }),
          fc.infiniteStream(fc.nat()),
          (standings, numbers) => {
            const straight = new Leaderboard({ mode, capacity: 5 })
            for (const one of standings) straight.add(one)
            const shuffled = standings
              .map((one) => ({ one, key: numbers.next().value as number }))
              .sort((a, b) => a.key - b.key)
              .map(({ one }) => one)
            const other = new Leaderboard({ mode, capacity: 5 })
            for (const one of shuffled) {
              other.add(one)
              other.entries()
            }
            for (const one of shuffled.slice(0, 5)) other.remove(one)
            for (const one of shuffled.slice(0, 5).reverse()) other.add(one)
            assert.deepEqual(other.entries(), straight.entries())
            assert.deepEqual(other.root(), straight.root())
          },
        ),
        { numRuns: 300 },
      )
    })
  }

  it('has in the mode pareto exactly those to which no other is superior', () => {
    const random = fc
      .record({ name: fc.uuid(), reward: metric, risk: metric, complexity: metric })
      .map(({ name, ...metrics }) => standing({ name, metrics, score: metrics.reward }))
    fc.assert(
      fc.property(fc.array(random, { maxLength: 60 }), (standings) => {
        const board = new Leaderboard({ mode: 'pareto', capacity: 1000 })
        for (const one of standings) board.add(one)
        const expected = standings.filter((one) => !standings.some((other) => isSuperior(other, one)))
        assert.deepEqual(
          board
            .entries()
            .map(({ pack }) => pack)
            .sort(),
          expected.map(({ pack }) => pack).sort(),
        )
        const scores = board.entries().map(({ score }) => score)
        assert.deepEqual(
          scores,
          [...scores].sort((a, b) => b - a),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('ranks the higher score first, and of equal ones the smaller pack hash', () => {
    const board = new Leaderboard({ mode: 'scalar', capacity: 2 })
    const [a, b, c] = [
      standing({ name: 'a', pack: '0a'.repeat(32), score: 1 }),
      standing({ name: 'b', pack: '0b'.repeat(32), score: 1 }),
      standing({ name: 'c', pack: 'ff'.repeat(32), score: 2 }),
    ]
    for (const one of [b, a, c]) board.add(one)
    assert.deepEqual(board.entries(), [c, a])
    board.remove(c)
    assert.deepEqual(board.entries(), [a, b])
  })

  it('counts a pack once, for the contribution with the smallest id', () => {
    const board = new Leaderboard({ mode: 'scalar', capacity: 10 })
    const pack = sha256Hex('the pack')
    const [first, second] = ['11', '22'].map((id) => standing({ name: id, pack, id: id.repeat(32) }))
    board.add(second!)
    board.add(first!)
    assert.deepEqual(board.entries(), [first])
    board.remove(first!)
    assert.deepEqual(board.entries(), [second])
  })

  it('has a root over its entries in bytes, without clock and text of numbers', () => {
    const board = new Leaderboard({ mode: 'scalar', capacity: 10 })
    assert.equal(toHex(board.root()), toHex(EMPTY_ROOT))
    const one = standing({ name: 'one', score: 1.146, metrics: { reward: 1.2, risk: 0.1, complexity: 0.4 } })
    board.add(one)
    const numbers = Buffer.alloc(32)
    for (const [i, value] of [1.146, 1.2, 0.1, 0.4].entries()) numbers.writeDoubleBE(value, i * 8)
    const leaf = Buffer.concat([
      Buffer.from(one.pack, 'hex'),
      Buffer.from(one.contributor, 'hex'),
      Buffer.from(one.id, 'hex'),
      numbers,
    ])
    assert.equal(toHex(board.root()), toHex(leafHash(leaf)))
    const later = new Leaderboard({ mode: 'scalar', capacity: 10 })
    later.add({ ...one, at: 1, logIndex: 7 })
    assert.deepEqual(later.root(), board.root())
  })
})
