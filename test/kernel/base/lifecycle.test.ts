import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lifecycle, type Part } from '../../../src/kernel/base/lifecycle.ts'

function recorder() {
  const events: string[] = []
  const part = (name: string, failing: { start?: boolean; stop?: boolean } = {}): Part => ({
    name,
    start: async () => {
      events.push(`start ${name}`)
      if (failing.start) throw new Error(`${name} does not start`)
    },
    stop: () => {
      events.push(`stop ${name}`)
      if (failing.stop) throw new Error(`${name} does not stop`)
    },
  })
  return { events, part }
}

test('parts start in order and stop in reverse, once', async () => {
  const { events, part } = recorder()
  const lifecycle = new Lifecycle()
  for (const name of ['a', 'b', 'c']) await lifecycle.start(part(name))
  await lifecycle.stop()
  await lifecycle.stop()
  assert.deepEqual(events, ['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a'])
})

test('a part that fails to start stops those before it, and its failure is thrown', async () => {
  const { events, part } = recorder()
  const lifecycle = new Lifecycle()
  await lifecycle.start(part('a', { stop: true }))
  await lifecycle.start(part('b'))
  await assert.rejects(lifecycle.start(part('c', { start: true })), /c does not start/)
  assert.deepEqual(events, ['start a', 'start b', 'start c', 'stop b', 'stop a'])
  await lifecycle.stop()
  assert.equal(events.length, 5)
})

test('stopping goes on past parts that fail, and tells all of them', async () => {
  const { events, part } = recorder()
  const lifecycle = new Lifecycle()
  await lifecycle.start(part('a', { stop: true }))
  await lifecycle.start(part('b'))
  await lifecycle.start(part('c', { stop: true }))
  await assert.rejects(lifecycle.stop(), (error) => {
    assert.ok(error instanceof AggregateError)
    assert.deepEqual(
      error.errors.map((failure: Error) => failure.message),
      ['c did not stop cleanly', 'a did not stop cleanly'],
    )
    return true
  })
  assert.deepEqual(events.slice(3), ['stop c', 'stop b', 'stop a'])
})
