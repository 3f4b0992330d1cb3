import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countEvents } from '../../../src/kernel/telemetry/business-events.ts'
import { type EventMap, Events } from '../../../src/kernel/telemetry/events.ts'
import { createMetrics } from '../../../src/kernel/telemetry/metrics.ts'

function bus() {
  const failures: unknown[] = []
  const events = new Events({ error: (fields: unknown) => void failures.push(fields) })
  return { events, failures }
}

const gone = { providerId: 'p' }

test('listeners are called in order, until they are removed', () => {
  const { events } = bus()
  const calls: string[] = []
  const remove = events.on('peer_disconnected', ({ providerId }) => calls.push(`a ${providerId}`))
  const second = () => calls.push('b')
  events.on('peer_disconnected', second)
  events.emit('peer_disconnected', gone)
  remove()
  events.off('peer_disconnected', second)
  events.emit('peer_disconnected', gone)
  assert.deepEqual(calls, ['a p', 'b'])
})

test('what a listener throws or rejects with is logged, and stops nobody', async () => {
  const { events, failures } = bus()
  let reached = 0
  events.on('peer_disconnected', () => {
    throw new Error('thrown')
  })
  events.on('peer_disconnected', async () => {
    throw new Error('rejected')
  })
  events.on('peer_disconnected', () => reached++)
  events.emit('peer_disconnected', gone)
  await new Promise(setImmediate)
  assert.equal(reached, 1)
  assert.deepEqual(
    failures.map((fields) => String((fields as { err: unknown }).err)),
    ['Error: thrown', 'Error: rejected'],
  )
})

test('a listener that is added or removed during an event changes only the next one', () => {
  const { events } = bus()
  const calls: string[] = []
  const remove = events.on('peer_disconnected', () => {
    calls.push('first')
    remove()
    events.on('peer_disconnected', () => calls.push('late'))
  })
  events.on('peer_disconnected', () => calls.push('second'))
  events.emit('peer_disconnected', gone)
  assert.deepEqual(calls, ['first', 'second'])
  events.emit('peer_disconnected', gone)
  assert.deepEqual(calls, ['first', 'second', 'second', 'late'])
})

/** One of each, so that a new event without a counter fails to compile here. */
const ONE_OF_EACH: EventMap = {
  cell_registered: {
    cellId: 'c',
    cellType: 't',
    version: '1.0.0',
    publisher: 'f',
    signedBy: 'publisher',
    digest: 'sha256:0',
    bytes: 10,
  },
  cell_yanked: { cellId: 'c', yanked: true, reason: 'broken', by: 'publisher' },
  cell_deleted: { cellId: 'c', cellType: 't', version: '1.0.0' },
  cell_cached: { digest: 'sha256:0', bytes: 20, publisher: 'f', from: 'p' },
  cell_evicted: { digest: 'sha256:0', bytes: 30, publisher: 'f' },
  peer_connected: { providerId: 'p', address: '/ip4/127.0.0.1/tcp/1', direction: 'inbound' },
  peer_disconnected: gone,
  addresses_changed: { addresses: [] },
  peer_banned: { providerId: 'p', reason: 'it lied', until: null },
  peer_unbanned: { providerId: 'p' },
  announcement_received: { providerId: 'p', sequence: 1, cells: 2, from: 'q' },
  announcement_refused: { reason: 'stale' },
  equivocation_found: { providerId: 'p' },
  log_standing: { providerId: 'p', standing: 'suspended' },
  checkpoint_cosigned: { witness: 'p', size: 3 },
  tau_commit: { goalId: null, logSize: 3, root: 'f', anchor: 'file' },
  log_epoch_opened: { epoch: 2 },
  set_reconciled: {
    peer: 'p',
    set: 'yanks',
    complete: true,
    rounds: 3,
    characters: 100,
    lacking: 7,
    accepted: 5,
    ignored: 0,
    given: 1,
  },
  provider_asked: { providerId: 'p' },
  provider_probed: { providerId: 'p', ok: true, stage: 'fetch' },
  contribution_added: {
    goalId: 'g',
    contributionId: 'c',
    packHash: 'p',
    contributorId: 'a',
    score: 1,
    logIndex: 0,
  },
  leaderboard_update: { goalId: 'g', root: 'ab', best: null },
  verification_complete: {
    operatorId: 'o',
    requestId: 'r',
    responseId: 's',
    status: 'success',
    verificationStatus: 'verified',
    confidence: 1,
  },
  batch_complete: {
    operatorId: 'o',
    requestId: 'r',
    batchId: 'b',
    total: 3,
    succeeded: 2,
    failed: 1,
    cancelled: false,
  },
  constraint_violation: { operatorId: 'o', requestId: 'r', constraintsFailed: ['c'] },
  request_answered: { door: 'http', outcome: 'success', source: 'local' },
}

test('every event is counted', async () => {
  const { events } = bus()
  const metrics = createMetrics()
  countEvents(events, metrics)
  for (const name of Object.keys(ONE_OF_EACH) as (keyof EventMap)[]) {
    events.emit(name, ONE_OF_EACH[name] as never)
    events.emit(name, ONE_OF_EACH[name] as never)
  }
  const expected = [
    'cytoplex_cells_registered_total{signed_by="publisher"} 2',
    'cytoplex_cells_deleted_total 2',
    'cytoplex_packages_cached_total 2',
    'cytoplex_packages_cached_bytes_total 40',
    'cytoplex_packages_evicted_total 2',
    'cytoplex_packages_evicted_bytes_total 60',
    'cytoplex_peers_connected_total{direction="inbound"} 2',
    'cytoplex_peers_disconnected_total 2',
    'cytoplex_peers_banned_total 2',
    'cytoplex_peers_unbanned_total 2',
    'cytoplex_sync_reconciliations_total{set="yanks",complete="true"} 2',
    'cytoplex_sync_records_total{set="yanks",outcome="accepted"} 10',
    'cytoplex_sync_records_total{set="yanks",outcome="given"} 2',
    'cytoplex_sync_range_bytes_total 200',
    'cytoplex_addresses_changed_total 2',
    'cytoplex_announcements_received_total 2',
    'cytoplex_announcements_refused_total{reason="stale"} 2',
    'cytoplex_log_equivocations_total 2',
    'cytoplex_log_standings_total{standing="suspended"} 2',
    'cytoplex_log_cosignatures_total 2',
    'cytoplex_log_commits_total{anchor="file"} 2',
    'cytoplex_log_epochs_total 2',
    'cytoplex_providers_asked_total{answered="false"} 2',
    'cytoplex_providers_probed_total{ok="true",stage="fetch"} 2',
    'cytoplex_contributions_added_total 2',
    'cytoplex_leaderboard_updates_total 2',
    'cytoplex_verifications_total{status="success"} 2',
    'cytoplex_batches_total{cancelled="false"} 2',
    'cytoplex_constraint_violations_total 2',
    'cytoplex_requests_answered_total{door="http",outcome="success",source="local"} 2',
  ]
  for (let scrape = 0; scrape < 2; scrape++) {
    const lines = (await metrics.registry.metrics()).split('\n')
    for (const line of expected) assert.ok(lines.includes(line), line)
  }
})
