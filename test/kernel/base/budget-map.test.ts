import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BudgetMap } from '../../../src/kernel/base/budget-map.ts'

test('the entry that was set longest ago goes first', () => {
  const map = new BudgetMap<string, number>(10)
  map.set('a', 1, 4)
  map.set('b', 2, 4)
  map.set('a', 3, 5)
  map.set('c', 4, 5)
  assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], [3, undefined, 4])
  assert.equal(map.weight, 10)
  map.delete('a')
  assert.equal(map.weight, 5)
  map.clear()
  assert.deepEqual([map.size, map.weight], [0, 0])
})

test('what weighs more than the budget is not kept, and displaces only what it replaces', () => {
  const map = new BudgetMap<string, number>(10)
  map.set('a', 1, 4)
  map.set('b', 2, 4)
  map.set('a', 3, 11)
  assert.deepEqual([map.get('a'), map.get('b')], [undefined, 2])
})

test('the weights never exceed the budget, and the newest that fits is there', () => {
  const steps = fc.array(fc.record({ key: fc.nat(5), weight: fc.nat(12) }))
  fc.assert(
    fc.property(steps, (sets) => {
      const map = new BudgetMap<number, number>(10)
      for (const { key, weight } of sets) {
        map.set(key, weight, weight)
        assert.ok(map.weight <= 10)
        assert.equal(map.get(key), weight <= 10 ? weight : undefined)
      }
    }),
  )
})
