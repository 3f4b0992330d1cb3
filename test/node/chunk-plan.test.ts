import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ChunkPlan, type ChunkRange } from '../../src/node/flows/chunk-plan.ts'

/** A plan with a clock that stands still until it is moved. */
function planOf(chunks: number) {
  const clock = { ms: 0 }
  return { plan: new ChunkPlan(chunks, () => clock.ms), clock }
}

const list = (range: ChunkRange | undefined): number[] =>
  range === undefined ? [] : Array.from({ length: range.to - range.from }, (_, i) => range.from + i)

describe('a chunk plan', () => {
  it('gives out every chunk once, from the front, and little to those whose speed nobody knows', () => {
    const { plan } = planOf(6)
    assert.deepEqual(list(plan.take('a')), [0, 1])
    assert.deepEqual(list(plan.take('b')), [2, 3])
    assert.deepEqual(list(plan.take('b')), [4, 5])
    assert.equal(plan.take('a'), undefined)
    assert.ok(!plan.hasFor('c'))
  })

  it('gives a fast source more at once than a slow one', () => {
    const { plan, clock } = planOf(100)
    const bring = (source: string, ms: number): void => {
      for (const chunk of list(plan.take(source))) {
        clock.ms += ms
        plan.brought(source, chunk)
      }
    }
    bring('fast', 5)
    bring('slow', 190)
    assert.equal(list(plan.take('fast')).length, 8)
    assert.equal(list(plan.take('slow')).length, 1)
  })

  it('gives what one did not bring to the next, the front first', () => {
    const { plan } = planOf(8)
    plan.take('a')
    plan.take('b')
    plan.brought('a', 0)
    plan.gaveUp('a')
    assert.deepEqual(list(plan.take('c')), [1])
    assert.deepEqual(list(plan.take('c')), [4, 5])
  })

  it('gives what one owes for two seconds to another as well, and takes it from whoever is first', () => {
    const { plan, clock } = planOf(4)
    plan.take('silent')
    plan.take('good')
    plan.brought('good', 2)
    plan.brought('good', 3)
    clock.ms = 2001
    assert.deepEqual(list(plan.take('good')), [0, 1])
    assert.equal(plan.take('third'), undefined, 'two are enough')
    plan.brought('good', 0)
    plan.brought('silent', 0)
    plan.brought('good', 1)
    assert.ok(plan.isComplete)
  })

  it('gives the end of what a slow one owes to a fast one, when nothing else is left', () => {
    const { plan, clock } = planOf(16)
    for (const chunk of list(plan.take('slow'))) {
      clock.ms += 20
      plan.brought('slow', chunk)
    }
    const owed = list(plan.take('slow'))
    assert.equal(owed.length, 8)
    let range = list(plan.take('fast'))
    for (; !owed.includes(range[0]!); range = list(plan.take('fast'))) {
      for (const chunk of range) {
        clock.ms += 1
        plan.brought('fast', chunk)
      }
    }
    assert.deepEqual(range, owed.slice(-7), 'in the time of the one chunk that is left to it')
  })

  it('tells who waits that something was given back', async () => {
    const { plan } = planOf(2)
    plan.take('a')
    const changed = plan.changed()
    plan.gaveUp('a')
    await changed
    assert.ok(plan.hasFor('b'))
  })

  it('is complete when every chunk came, whoever fails and in whatever order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.array(
          fc.record({
            source: fc.constantFrom('a', 'b', 'c'),
            act: fc.constantFrom('take', 'bring', 'bring', 'give up', 'wait'),
            at: fc.nat(20),
          }),
          { maxLength: 200 },
        ),
        (chunks, acts) => {
          const { plan, clock } = planOf(chunks)
          const owes = new Map<string, number[]>([
            ['a', []],
            ['b', []],
            ['c', []],
          ])
          for (const { source, act, at } of acts) {
            const mine = owes.get(source)!
            clock.ms += act === 'wait' ? 2500 : at
            if (act === 'take') {
              const range = list(plan.take(source))
              for (const chunk of range) {
                assert.ok(!plan.has(chunk), 'what is here is not asked for')
                assert.ok(!mine.includes(chunk), 'nor twice of one source')
              }
              mine.push(...range)
            } else if (act === 'bring' && mine.length > 0) plan.brought(source, mine.shift()!)
            else if (act === 'give up') {
              plan.gaveUp(source)
              mine.length = 0
            }
          }
          for (const source of owes.keys()) plan.gaveUp(source)
          for (let range = plan.take('last'); range !== undefined; range = plan.take('last')) {
            for (const chunk of list(range)) plan.brought('last', chunk)
          }
          assert.ok(plan.isComplete)
        },
      ),
    )
  })
})
