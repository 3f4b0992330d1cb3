import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { EventLoopDelay } from '../../../src/kernel/telemetry/event-loop-delay.ts'

const WINDOW_MS = 5 * 60_000

test('an event loop that was held up shows it for half a window at least and a whole one at most', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const delay = new EventLoopDelay()
  delay.start()
  t.after(() => delay.stop())
  const hasSamples = async (count: number) => {
    while (delay.read().samples < count) await setImmediate()
  }
  assert.deepEqual(delay.read(), { p99Ms: 0, samples: 0 })
  await hasSamples(1)
  const until = performance.now() + 200
  while (performance.now() < until);
  await hasSamples(delay.read().samples + 1)
  assert.ok(delay.read().p99Ms >= 150)
  t.mock.timers.tick(WINDOW_MS / 2)
  assert.ok(delay.read().p99Ms >= 150)
  t.mock.timers.tick(WINDOW_MS / 2)
  assert.equal(delay.read().samples, 0)
})
