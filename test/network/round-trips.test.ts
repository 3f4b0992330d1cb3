import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { RoundTrips } from '../../src/network/round-trips.ts'

/** Measurements of one peer, whose answers take as long as the test says. */
function measured(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const waiting: { resolve(): void; reject(error: Error): void }[] = []
  const trips = new RoundTrips({
    peers: () => ['peer'],
    ping: () => new Promise<void>((resolve, reject) => waiting.push({ resolve, reject })),
  })
  t.after(() => trips.stop())
  const answer = async (ms: number, error?: Error): Promise<void> => {
    now += ms
    const ping = waiting.shift()!
    if (error === undefined) ping.resolve()
    else ping.reject(error)
    await Promise.resolve()
  }
  return { trips, answer, waiting }
}

it('a round trip is the first one, then mostly what it was before', async (t) => {
  const { trips, answer } = measured(t)
  trips.measure('peer')
  assert.equal(trips.of('peer'), undefined)
  await answer(80)
  assert.equal(trips.of('peer'), 80)
  trips.measure('peer')
  await answer(160)
  assert.equal(trips.of('peer'), 90)
})

it('peers with an open stream are measured every 30 s, until the end', async (t) => {
  const { trips, answer, waiting } = measured(t)
  trips.start()
  t.mock.timers.tick(29_999)
  assert.equal(waiting.length, 0)
  t.mock.timers.tick(1)
  assert.equal(waiting.length, 1)
  await answer(10)
  trips.stop()
  t.mock.timers.tick(60_000)
  assert.equal(waiting.length, 0)
})

it('a ping without an answer changes nothing, and a peer that left is forgotten', async (t) => {
  const { trips, answer } = measured(t)
  trips.measure('peer')
  await answer(20)
  trips.measure('peer')
  await answer(10_000, new Error('lost'))
  assert.equal(trips.of('peer'), 20)
  trips.forget('peer')
  assert.equal(trips.of('peer'), undefined)
})
