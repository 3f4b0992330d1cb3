import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createMetrics } from '../../src/kernel/telemetry/metrics.ts'
import { NodeReport } from '../../src/node/flows/node-status.ts'
import { type OwnSet, SyncState } from '../../src/node/flows/sync-state.ts'
import { TestClock } from '../support/cells.ts'

const own = (count: number, root = 'aa'): OwnSet[] => [
  { name: 'yanks', count, root },
  { name: 'announcements', count: 5, root: undefined },
]
const told = (count: number, root = 'aa') => [
  { name: 'yanks', count, root },
  { name: 'others', count: 1000 },
]

function open(options: { hasSeeds?: boolean; peers?: readonly string[] } = {}) {
  const clock = new TestClock()
  const state = new SyncState({ now: () => clock.now(), hasSeeds: options.hasSeeds ?? false })
  for (const peer of options.peers ?? ['a', 'b', 'c']) state.connected(peer)
  return { clock, state }
}

describe('the consensus state', () => {
  it('is SYNCING until the first reconciliation ended, and ISOLATED when a node with seeds has no peer', () => {
    assert.equal(open({ peers: [] }).state.consensus, 'ACTIVE', 'nobody is to be found')
    const { state } = open({ hasSeeds: true, peers: [] })
    assert.equal(state.consensus, 'ISOLATED')
    state.connected('a')
    assert.equal(state.consensus, 'SYNCING')
    state.ended('a', { ok: false, taken: 0 })
    assert.equal(state.consensus, 'SYNCING')
    state.ended('a', { ok: true, taken: 0 })
    assert.equal(state.consensus, 'ACTIVE')
    state.disconnected('a')
    assert.equal(state.consensus, 'ISOLATED')
  })

  it('is DIVERGED while roots differ from those of most peers after two rounds', () => {
    const { state } = open()
    state.ended('a', { ok: true, taken: 0 })
    const round = (...roots: string[]) => {
      for (const [i, root] of roots.entries()) state.told('abc'[i]!, told(3, root), own(3))
      state.round()
      return state.consensus
    }
    assert.deepEqual(
      [round('bb', 'cc', 'aa'), round('bb', 'cc', 'aa'), round('bb', 'cc', 'aa')],
      ['ACTIVE', 'ACTIVE', 'DIVERGED'],
    )
    assert.equal(state.ahead, 'a', 'one that differs is next')
    assert.deepEqual([round('bb', 'aa', 'aa'), state.isDiffering], ['ACTIVE', false])
  })
})

describe('the sync lag', () => {
  it('is the most that one peer has more, until it was reconciled with', () => {
    const { state } = open()
    state.told('a', told(9), own(3))
    state.told('b', told(18), own(3))
    assert.deepEqual([state.lag, state.ahead], [15, 'b'])
    state.ended('b', { ok: true, taken: 15 })
    state.told('a', told(9), own(18))
    assert.equal(state.lag, 0)
  })

  it('counts what is being fetched', () => {
    const { state } = open()
    state.fetching('a', 700)
    state.fetching('b', 300)
    assert.equal(state.lag, 700)
    state.ended('a', { ok: true, taken: 700 })
    assert.equal(state.lag, 300)
    state.disconnected('b')
    assert.equal(state.lag, 0)
  })

  it('does not count what was left after reconciling, but what comes on top', () => {
    const { state } = open()
    state.told('a', told(20), own(3))
    state.ended('a', { ok: true, taken: 10 })
    state.told('a', told(20), own(13))
    assert.equal(state.lag, 0, 'seven had no room here')
    state.told('a', told(22), own(13))
    assert.equal(state.lag, 2)
  })

  it('does not believe a peer that shows nothing of what it claims, for ten minutes', () => {
    const { state, clock } = open()
    state.told('a', told(1_000_000), own(3))
    state.ended('a', { ok: false, taken: 0 })
    state.told('a', told(3_000_000), own(3))
    assert.equal(state.lag, 0)
    clock.advance(10 * 60_000)
    state.told('a', told(3_000_000), own(3))
    assert.equal(state.lag, 2_000_000)
  })
})

describe('readiness and status', () => {
  const reportOf = (options: { peers: number; lag: number; seeds?: number; least?: number | null; most?: number }) => {
    const clock = new TestClock()
    const state = new SyncState({ now: () => clock.now(), hasSeeds: true })
    state.connected('a')
    state.ended('a', { ok: true, taken: 0 })
    state.fetching('a', options.lag)
    const parts = {
      clock,
      log: { size: 7 },
      network: { connectedPeers: () => Array(options.peers).fill({}) },
      config: {
        p2p: { seeds: Array(options.seeds ?? 0).fill('seed') },
        health: { min_peers_for_ready: options.least ?? null, max_sync_lag_for_ready: options.most ?? 10 },
      },
    }
    const reconciler = { state, sets: async () => [] }
    const goals = { joinedIds: [], counts: { received: 0, processed: 0 }, logs: () => [] }
    const report = new NodeReport(parts as never, reconciler, { problems: () => [] }, goals)
    return { report, clock }
  }
  const textOf = (options: Parameters<typeof reportOf>[0]) => {
    const { ready, degraded, reasons } = reportOf(options).report.health()
    return `${ready ? (degraded ? 'DEGRADED' : 'READY') : 'NOT READY'}: ${reasons.join('; ')}`
  }

  it('follow lag and peers, as the document shows', async () => {
    assert.equal(textOf({ peers: 0, lag: 0 }), 'READY: ')
    assert.equal(textOf({ peers: 0, lag: 5 }), 'READY: ')
    assert.equal(textOf({ peers: 0, lag: 6 }), 'DEGRADED: Sync lag: 6 blocks')
    assert.equal(textOf({ peers: 0, lag: 10 }), 'DEGRADED: Sync lag: 10 blocks')
    assert.equal(textOf({ peers: 2, lag: 15, seeds: 5 }), 'NOT READY: Sync lag: 15 blocks; Low peer count: 2')
    assert.equal(textOf({ peers: 3, lag: 0, seeds: 5 }), 'READY: ')
    assert.equal(textOf({ peers: 1, lag: 0, seeds: 2 }), 'NOT READY: Low peer count: 1')
    assert.equal(textOf({ peers: 1, lag: 0, seeds: 2, least: 1 }), 'READY: ')
    assert.equal(textOf({ peers: 0, lag: 30, most: 40 }), 'DEGRADED: Sync lag: 30 blocks')
    const { report, clock } = reportOf({ peers: 12, lag: 0 })
    clock.advance(61_500)
    const { uptime_seconds, metrics, checks } = await report.status()
    assert.equal(uptime_seconds, 61)
    assert.deepEqual(metrics.gauges, { log_size: 7, peer_count: 12, sync_lag: 0 })
    assert.deepEqual(checks, {
      sync: { status: 'healthy', message: 'Synced' },
      peers: { status: 'healthy', message: '12 peers connected' },
      consensus: { status: 'healthy', message: 'Consensus: ACTIVE' },
    })
  })

  it('are measured under the names of the document', async () => {
    const { report } = reportOf({ peers: 12, lag: 4 })
    const metrics = createMetrics()
    report.register(metrics)
    const text = await metrics.registry.metrics()
    for (const line of [
      'ian_contributions_received_total 0',
      'ian_contributions_processed_total 0',
      'ian_log_size 7',
      'ian_peer_count 12',
      'ian_sync_lag 4',
      'ian_uptime_seconds 0',
      '# TYPE ian_peer_count untyped',
      'cytoplex_sync_consensus_state{state="ACTIVE"} 1',
      'cytoplex_sync_consensus_state{state="DIVERGED"} 0',
    ]) {
      assert.ok(text.split('\n').includes(line), line)
    }
  })
})
