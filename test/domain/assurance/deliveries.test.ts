import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { WEBHOOK_LIMITS, type WebhookEvent } from '../../../protocol/webhooks.ts'
import { Deliveries, type Delivery, retryDelay } from '../../../src/domain/assurance/deliveries.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { TestClock } from '../../support/cells.ts'
import { temporaryFolder } from '../../support/folders.ts'

const DAY_MS = 24 * 60 * 60 * 1000

const event = (number: number): WebhookEvent => ({
  event_type: 'peer.banned',
  request_id: null,
  timestamp: '2026-01-01T00:00:00.000Z',
  data: { number },
})

/** Deliveries on a real store, which can be opened again. */
async function open(t: TestContext, known = ['a', 'b']) {
  const clock = new TestClock()
  const directory = join(await temporaryFolder(t), 'store')
  let store = await Store.open(directory, { createIfMissing: true })
  t.after(() => store.close())
  const at = { clock, deliveries: new Deliveries(store, clock), restart }
  await at.deliveries.load((to) => known.includes(to))
  async function restart(): Promise<void> {
    await store.close()
    store = await Store.open(directory, { createIfMissing: false })
    at.deliveries = new Deliveries(store, clock)
    await at.deliveries.load((to) => known.includes(to))
  }
  return at
}

const numberOf = (deliveries: Deliveries, delivery: Delivery): number =>
  (JSON.parse(deliveries.bodyOf(delivery)!) as WebhookEvent).data['number' as never]

/** Takes everything that is due. */
function takeAll(deliveries: Deliveries, to: string): Delivery[] {
  const taken: Delivery[] = []
  for (let one = deliveries.take(to); one !== undefined; one = deliveries.take(to)) taken.push(one)
  return taken
}

test('events go in the order in which they came, to each receiver under an id of its own', async (t) => {
  const { deliveries, clock } = await open(t)
  for (const number of [1, 2, 3]) {
    clock.advance(1)
    await deliveries.add(event(number), ['a', 'b'])
  }
  const [a, b] = [takeAll(deliveries, 'a'), takeAll(deliveries, 'b')]
  for (const taken of [a, b])
    assert.deepEqual(
      taken.map((one) => numberOf(deliveries, one)),
      [1, 2, 3],
    )
  assert.equal(new Set([...a, ...b].map(({ id }) => id)).size, 6)
  for (const { id } of a) assert.match(id, /^msg_[0-9a-f]{32}$/)
  assert.equal(deliveries.take('a'), undefined)
  assert.deepEqual(deliveries.countsOf('a'), { queued: 3, dead: 0 })
  for (const one of a) await deliveries.arrived(one)
  assert.deepEqual(deliveries.countsOf('a'), { queued: 0, dead: 0 })
  assert.deepEqual(deliveries.countsOf('b'), { queued: 3, dead: 0 })
})

test('what was not taken is there after a restart, under the same id and as often tried; what arrived is not', async (t) => {
  const at = await open(t)
  for (const number of [1, 2, 3]) {
    at.clock.advance(1)
    await at.deliveries.add(event(number), ['a'])
  }
  const [first, second, third] = takeAll(at.deliveries, 'a')
  await at.deliveries.arrived(first!)
  await at.deliveries.failed(second!, 'unreachable')
  await at.restart()
  assert.deepEqual(at.deliveries.countsOf('a'), { queued: 2, dead: 0 })
  const again = at.deliveries.take('a')
  assert.equal(again?.id, third?.id)
  assert.equal(at.deliveries.take('a'), undefined, 'the one that failed waits')
  at.clock.advance(2 * WEBHOOK_LIMITS.firstRetryMs)
  assert.deepEqual({ ...at.deliveries.take('a'), due: 0 }, { ...second, attempts: 1, due: 0 })
})

test('an event that fails is tried again ever later, for a day; then it is a dead letter', async (t) => {
  const { deliveries, clock } = await open(t)
  await deliveries.add(event(1), ['a'])
  const started = clock.now()
  const waits: number[] = []
  let attempts = 0
  while (deliveries.countsOf('a').queued > 0) {
    const before = clock.now()
    let taken = deliveries.take('a')
    for (; taken === undefined; taken = deliveries.take('a')) clock.advance(1000)
    waits.push(clock.now() - before)
    attempts++
    await deliveries.failed(taken, 'timed_out')
  }
  assert.equal(waits[0], 0)
  for (const [i, wait] of waits.entries()) {
    if (i > 1) assert.ok(wait > 1.5 * waits[i - 1]!, `${waits}`)
  }
  assert.ok(clock.now() - started <= DAY_MS && clock.now() - started > DAY_MS / 4)
  const { total, dead_letters: [letter] = [] } = deliveries.deadLetters('a', { limit: 10 })
  assert.equal(total, 1)
  assert.deepEqual(letter?.event, event(1))
  assert.equal(letter?.attempts, attempts)
  assert.equal(letter?.error, 'timed_out')
})

test('pauses double, differ a little, and end at a day', () => {
  for (let attempts = 1; attempts < 40; attempts++) {
    const least = Math.min(5000 * 2 ** (attempts - 1), DAY_MS)
    for (let i = 0; i < 20; i++) {
      const delay = retryDelay(attempts)
      assert.ok(delay >= least && delay <= 1.2 * least)
    }
  }
  assert.ok(new Set(Array.from({ length: 20 }, () => retryDelay(3))).size > 1)
})

test('what has waited for a day behind a failure goes with it, but time that the node did not run does not count', async (t) => {
  const at = await open(t)
  for (const number of [1, 2]) await at.deliveries.add(event(number), ['a'])
  at.clock.advance(3 * DAY_MS)
  await at.restart()
  await at.deliveries.failed(at.deliveries.take('a')!, 'unreachable')
  assert.deepEqual(at.deliveries.countsOf('a'), { queued: 2, dead: 0 })
  at.clock.advance(DAY_MS)
  await at.deliveries.failed(at.deliveries.take('a')!, 'unreachable')
  assert.deepEqual(at.deliveries.countsOf('a'), { queued: 0, dead: 2 })
})

test('dead letters are replayed under their ids, from the first attempt on, also after a restart', async (t) => {
  const at = await open(t)
  for (const number of [1, 2]) {
    at.clock.advance(1)
    await at.deliveries.add(event(number), ['a', 'b'])
  }
  const ids = takeAll(at.deliveries, 'a').map(({ id }) => id)
  await at.restart()
  await at.deliveries.giveUp('a', 'gone', at.deliveries.take('a'))
  await at.restart()
  assert.deepEqual(at.deliveries.countsOf('a'), { queued: 0, dead: 2 })
  assert.deepEqual(at.deliveries.countsOf('b'), { queued: 2, dead: 0 })
  const page = at.deliveries.deadLetters('a', { limit: 1 })
  assert.deepEqual([page.total, page.dead_letters[0]?.delivery_id, page.next_after], [2, ids[0], ids[0]])
  const rest = at.deliveries.deadLetters('a', { limit: 1, after: ids[0]! })
  assert.deepEqual([rest.dead_letters[0]?.delivery_id, rest.next_after], [ids[1], null])

  assert.equal(await at.deliveries.replay('a'), 2)
  assert.equal(await at.deliveries.replay('a'), 0)
  await at.restart()
  const taken = takeAll(at.deliveries, 'a')
  assert.deepEqual(
    taken.map(({ id, attempts }) => [id, attempts]),
    ids.map((id) => [id, 0]),
  )
  assert.equal(at.deliveries.deadLetters('a', { limit: 10 }).total, 0)
})

test('a queue that is full takes nothing from others: what finds no room is a dead letter, and the oldest of those go', async (t) => {
  const { queued, deadLetters } = WEBHOOK_LIMITS
  const { deliveries, clock } = await open(t)
  const more = 5
  await Promise.all(
    Array.from({ length: queued + deadLetters + more }, (_, number) => {
      if (number >= queued) clock.advance(1)
      return deliveries.add(event(number), ['a'])
    }),
  )
  assert.deepEqual(deliveries.countsOf('a'), { queued, dead: deadLetters })
  const [oldest] = deliveries.deadLetters('a', { limit: 1 }).dead_letters
  assert.deepEqual(oldest?.event, event(queued + more))
  assert.equal(oldest?.error, 'queue_full')
  await deliveries.add(event(0), ['b'])
  assert.deepEqual(deliveries.countsOf('b'), { queued: 1, dead: 0 })
  assert.equal(await deliveries.replay('a'), 0, 'there is no room')
  for (const one of takeAll(deliveries, 'a').slice(0, 3)) await deliveries.arrived(one)
  assert.equal(await deliveries.replay('a'), 3)
})

test('everything that is given up beyond the bound of dead letters is dropped, the oldest first', async (t) => {
  const { deadLetters } = WEBHOOK_LIMITS
  const at = await open(t)
  await Promise.all(
    Array.from({ length: deadLetters + 7 }, (_, number) => {
      at.clock.advance(1)
      return at.deliveries.add(event(number), ['a'])
    }),
  )
  await at.deliveries.giveUp('a', 'gone')
  const check = (): void => {
    assert.deepEqual(at.deliveries.countsOf('a'), { queued: 0, dead: deadLetters })
    assert.deepEqual(at.deliveries.deadLetters('a', { limit: 1 }).dead_letters[0]?.event, event(7))
  }
  check()
  await at.restart()
  check()
})

test('what is on its way to nobody is removed at the start', async (t) => {
  const known = ['a', 'b']
  const at = await open(t, known)
  await at.deliveries.add(event(1), ['a', 'b'])
  await at.deliveries.giveUp('b', 'gone')
  known.pop()
  await at.restart()
  known.push('b')
  await at.restart()
  assert.deepEqual(at.deliveries.countsOf('b'), { queued: 0, dead: 0 })
  assert.deepEqual(at.deliveries.countsOf('a'), { queued: 1, dead: 0 })
})

test('an event that is too large is refused', async (t) => {
  const { deliveries } = await open(t)
  const large = { ...event(1), data: { text: 'x'.repeat(WEBHOOK_LIMITS.eventBytes) } }
  await assert.rejects(deliveries.add(large, ['a']), /allowed are 8192/)
  assert.deepEqual(deliveries.countsOf('a'), { queued: 0, dead: 0 })
})
