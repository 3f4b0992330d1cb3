import assert from 'node:assert/strict'
import { test } from 'node:test'
import { equalJson } from '../../../src/kernel/base/equal-json.ts'
import { firstFound, unlessAborted, within } from '../../../src/kernel/base/racing.ts'

test('the first found wins; nothing found is undefined; a failure is passed on', async () => {
  const never = new Promise<string | undefined>(() => undefined)
  assert.equal(await firstFound([Promise.resolve(undefined), Promise.resolve('b'), never]), 'b')
  assert.equal(await firstFound([]), undefined)
  assert.equal(await firstFound([Promise.resolve(undefined)]), undefined)
  await assert.rejects(firstFound([never, Promise.reject(new Error('x'))]), /x/)
})

test('a result in time counts, a late one does not', async () => {
  assert.equal(await within(Promise.resolve('in time'), 60_000, () => 'late'), 'in time')
  assert.equal(await within(new Promise<string>(() => undefined), 1, () => 'late'), 'late')
  await assert.rejects(
    within(Promise.reject(new Error('x')), 60_000, () => 'late'),
    /x/,
  )
})

test('a signal ends the wait, before it began or during it', async () => {
  const reason = new Error('left')
  const never = new Promise<void>(() => undefined)
  await assert.rejects(unlessAborted(never, AbortSignal.abort(reason)), reason)
  const controller = new AbortController()
  const waiting = unlessAborted(never, controller.signal)
  controller.abort(reason)
  await assert.rejects(waiting, reason)
  assert.equal(await unlessAborted(Promise.resolve(1), new AbortController().signal), 1)
})

test('JSON values are equal by content, whatever the order of members', () => {
  assert.ok(equalJson({ a: [1, { b: null }], c: 'x' }, { c: 'x', a: [1, { b: null }] }))
  for (const [a, b] of [
    [{ a: 1 }, { a: 1, b: undefined }],
    [
      [1, 2],
      [2, 1],
    ],
    [[], {}],
    [null, {}],
    [{ a: 1 }, { b: 1 }],
    ['1', 1],
  ]) {
    assert.ok(!equalJson(a, b), JSON.stringify([a, b]))
  }
})
