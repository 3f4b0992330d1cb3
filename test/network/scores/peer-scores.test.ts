import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Store } from '../../../src/kernel/storage/store.ts'
import { Events } from '../../../src/kernel/telemetry/events.ts'
import { PeerScores, type PeerScoresInit } from '../../../src/network/scores/peer-scores.ts'
import { HALF_LIFE_MS, SCORE_OF, type ScoreEvent } from '../../../src/network/scores/score-events.ts'
import { temporaryFolder } from '../../support/folders.ts'
import { silentLogger } from '../nodes.ts'

const HOUR_MS = 3600 * 1000

/** Scores with a clock of the test's. */
function makeScores(init: Partial<PeerScoresInit> = {}) {
  const clock = { now: 1_000_000_000_000 }
  const events = new Events(silentLogger)
  const refused: string[] = []
  const scores = new PeerScores({
    events,
    logger: silentLogger,
    now: () => clock.now,
    disconnect: (peer) => refused.push(peer),
    ...init,
  })
  return { scores, clock, events, refused }
}

const openStore = (folder: string): Promise<Store> => Store.open(join(folder, 'store'), { createIfMissing: true })
const recordMany = (scores: PeerScores, peer: string, event: ScoreEvent, times: number): void => {
  for (let i = 0; i < times; i++) scores.record(peer, event)
}

describe('the score of a peer', () => {
  it('starts at 100, and each event adds what is documented', () => {
    for (const [event, change] of Object.entries(SCORE_OF) as [ScoreEvent, number][]) {
      const { scores } = makeScores()
      assert.equal(scores.of('p').score, 100)
      scores.record('p', event)
      assert.equal(scores.of('p').score, 100 + change, event)
    }
  })

  it('stays between 0 and 200, is trusted from 150 on, and decays to 100', () => {
    const { scores, clock } = makeScores()
    recordMany(scores, 'good', 'sync_success', 9)
    assert.equal(scores.of('good').trusted, false)
    scores.record('good', 'sync_success')
    assert.deepEqual(scores.of('good'), { score: 150, banned: false, trusted: true })
    recordMany(scores, 'good', 'sync_success', 100)
    assert.equal(scores.of('good').score, 200)
    recordMany(scores, 'bad', 'protocol_violation', 100)
    assert.equal(scores.of('bad').score, 0)
    clock.now += HALF_LIFE_MS
    assert.equal(scores.of('good').score, 150)
    assert.equal(scores.of('bad').score, 50)
    clock.now += 20 * HALF_LIFE_MS
    assert.equal(scores.of('good').score, 100)
  })

  it('under 30 disconnects the peer at every offence; under 10 bans it for a day', async () => {
    const { scores, clock, refused, events } = makeScores()
    const banned: string[] = []
    events.on('peer_banned', ({ providerId }) => banned.push(providerId))
    recordMany(scores, 'p', 'invalid_contribution', 7)
    assert.deepEqual(refused, [], '30 is not under 30')
    scores.record('p', 'invalid_message')
    scores.record('p', 'valid_message')
    assert.deepEqual(refused, ['p'], 'nothing happens to who does right')
    recordMany(scores, 'p', 'invalid_message', 3)
    assert.deepEqual([refused.length, scores.isBanned('p')], [4, false])
    scores.record('p', 'invalid_message')
    assert.deepEqual(banned, ['p'])
    assert.equal(scores.of('p').banned, true)
    clock.now += 24 * HOUR_MS - 1
    assert.equal(scores.isBanned('p'), true)
    clock.now += 1
    assert.equal(scores.isBanned('p'), false)
    assert.deepEqual(scores.banned(), [])
  })
})

describe('bans', () => {
  it('and scores survive a restart; what was lifted does not come back', async (t) => {
    const folder = await temporaryFolder(t)
    const first = await openStore(folder)
    const before = makeScores({ store: first, groupsOf: () => ['8.8.8.8'] })
    await before.scores.start()
    await before.scores.ban('liar', 'it showed two faces', Number.POSITIVE_INFINITY)
    await before.scores.ban('forgiven', 'a mistake')
    assert.equal(await before.scores.unban('forgiven'), true)
    recordMany(before.scores, 'fine', 'sync_success', 3)
    await before.scores.stop()
    await first.close()

    const second = await openStore(folder)
    t.after(() => second.close())
    const after = makeScores({ store: second })
    await after.scores.start()
    t.after(() => after.scores.stop())
    assert.deepEqual(
      after.scores.banned().map(({ peer, reason, until, groups }) => ({ peer, reason, until, groups })),
      [{ peer: 'liar', reason: 'it showed two faces', until: null, groups: ['8.8.8.8'] }],
    )
    assert.equal(after.scores.bannedIn('8.8.8.8'), 1)
    assert.equal(after.scores.of('fine').score, 115)
    assert.equal(after.scores.isBanned('forgiven'), false)
  })

  it('are durable when the call resolves, with what is to be written beside them', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(folder)
    t.after(() => store.close())
    const { scores } = makeScores({ store })
    let witnessed = 0
    await scores.ban('p', 'asked for', undefined, () => witnessed++)
    const other = makeScores({ store })
    await other.scores.start()
    t.after(() => other.scores.stop())
    assert.equal(other.scores.isBanned('p'), true)
    await scores.unban('p', () => witnessed++)
    assert.equal(await scores.unban('p', () => witnessed++), false, 'there is none any more')
    assert.equal(witnessed, 2)
  })

  it('are not made shorter by a second one', async () => {
    const { scores, clock } = makeScores()
    await scores.ban('p', 'for long', 10 * HOUR_MS)
    await scores.ban('p', 'for a moment', 1)
    clock.now += 9 * HOUR_MS
    assert.equal(scores.banned()[0]?.reason, 'for long')
    await scores.ban('p', 'for good', Number.POSITIVE_INFINITY)
    clock.now += 1000 * HOUR_MS
    assert.equal(scores.isBanned('p'), true)
  })
})

describe('what is remembered', () => {
  it('is bounded: scores that say least go first, bans last', async () => {
    const { scores } = makeScores({ capacity: 20 })
    await scores.ban('banned', 'a reason')
    recordMany(scores, 'well known', 'sync_success', 5)
    for (let i = 0; i < 200; i++) scores.record(`stranger ${i}`, 'valid_message')
    assert.ok(scores.list().length <= 20)
    assert.equal(scores.isBanned('banned'), true)
    assert.equal(scores.of('well known').score, 125)
  })

  it('is bounded when all are banned', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(folder)
    t.after(() => store.close())
    const { scores } = makeScores({ store, capacity: 20 } satisfies Partial<PeerScoresInit>)
    await scores.ban('by the operator', 'for good', Number.POSITIVE_INFINITY)
    for (let i = 0; i < 100; i++) await scores.ban(`peer ${i}`, 'a day')
    await scores.stop()
    const again = makeScores({ store, capacity: 1000 })
    await again.scores.start()
    t.after(() => again.scores.stop())
    assert.ok(again.scores.banned().length <= 20, 'on disk as well')
    assert.equal(again.scores.isBanned('by the operator'), true)
  })

  it('of a peer whose score is the start again is nothing', async (t: TestContext) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(folder)
    t.after(() => store.close())
    const { scores, clock } = makeScores({ store })
    scores.record('p', 'protocol_violation')
    clock.now += 10 * HALF_LIFE_MS
    await scores.stop()
    assert.deepEqual(scores.list(), [])
  })
})
