import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { YankFreshness } from '../../src/node/flows/yank-freshness.ts'
import { TestClock } from '../support/cells.ts'

describe('yanks', () => {
  for (const counted of ['partner', 'witness']) {
    it(`are fresh for an hour after they were reconciled with a ${counted}, and not with a stranger or somebody untrusted`, () => {
      const clock = new TestClock()
      const freshness = new YankFreshness({
        clock,
        config: { receipts: { witnesses: ['witness'] } },
        partners: {
          get: (id) => (id === 'partner' || id === 'untrusted' ? ({} as never) : undefined),
          isUntrusted: (id) => id === 'untrusted',
        },
      })
      for (const peer of ['stranger', 'untrusted']) freshness.reconciled(peer)
      assert.deepEqual(freshness.note(), { stale: true })
      freshness.reconciled(counted)
      assert.deepEqual(freshness.note(), {})
      clock.advance(60 * 60_000)
      assert.deepEqual(freshness.note(), {})
      clock.advance(1)
      assert.deepEqual(freshness.note(), { stale: true })
    })
  }
})
