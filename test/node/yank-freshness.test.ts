import assert from 'node:assert/strict'
import { test } from 'node:test'
import { YankFreshness } from '../../src/node/flows/yank-freshness.ts'
import { TestClock } from '../support/cells.ts'

test('yanks are fresh for an hour after they were reconciled with a partner that is trusted', () => {
  const clock = new TestClock()
  const partners = {
    get: (id: string) => (id === 'stranger' ? undefined : ({} as never)),
    isUntrusted: (id: string) => id === 'untrusted',
  }
  const freshness = new YankFreshness(clock, partners)
  for (const peer of ['stranger', 'untrusted']) freshness.reconciled(peer)
  assert.deepEqual(freshness.note(), { stale: true })
  freshness.reconciled('partner')
  assert.deepEqual(freshness.note(), {})
  clock.advance(60 * 60_000)
  assert.deepEqual(freshness.note(), {})
  clock.advance(1)
  assert.deepEqual(freshness.note(), { stale: true })
})
