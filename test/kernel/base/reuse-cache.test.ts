import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReuseCache } from '../../../src/kernel/base/reuse-cache.ts'

test('a value is kept when its key is offered again', () => {
  const cache = new ReuseCache<number>(10, 10)
  cache.offer('a', 1, 1)
  assert.equal(cache.get('a'), undefined)
  cache.offer('a', 1, 1)
  assert.equal(cache.get('a'), 1)
})

test('a key that was offered long ago counts as new', () => {
  const cache = new ReuseCache<number>(10, 2)
  cache.offer('a', 1, 1)
  for (const other of ['b', 'c', 'd', 'e', 'f']) cache.offer(other, 0, 1)
  cache.offer('a', 1, 1)
  assert.equal(cache.get('a'), undefined)
})

test('what was kept first goes when the budget is used up', () => {
  const cache = new ReuseCache<number>(2, 10)
  for (const key of ['a', 'b', 'c']) {
    cache.offer(key, 0, 1)
    cache.offer(key, 0, 1)
  }
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => cache.get(key)),
    [undefined, 0, 0],
  )
})

test('a deleted value has to earn its place again', () => {
  const cache = new ReuseCache<number>(10, 10)
  cache.offer('a', 1, 1)
  cache.offer('a', 1, 1)
  cache.delete('a')
  assert.equal(cache.get('a'), undefined)
  cache.offer('a', 2, 1)
  assert.equal(cache.get('a'), undefined)
})
