import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Traffic } from '../../src/http/traffic.ts'

const MINUTE_MS = 60_000

function open(now = 12_345) {
  let time = now
  const traffic = new Traffic(() => time)
  return {
    traffic,
    advance: (ms: number) => {
      time += ms
    },
  }
}

test('before anything was served there is a rate, and no average', () => {
  const { traffic } = open()
  assert.deepEqual(traffic.metrics(), {
    current_request_rate: 0,
    average_response_time_ms: null,
    success_rate_percent: null,
  })
})

test('every answer counts: its time for the average, and only a 5xx as a failure', () => {
  const { traffic, advance } = open()
  for (const [status, ms] of [
    [200, 10],
    [404, 20],
    [429, 30],
    [503, 40],
  ] as const) {
    traffic.record(status, ms)
    advance(10_000)
  }
  assert.deepEqual(traffic.metrics(), {
    current_request_rate: 0.1,
    average_response_time_ms: 25,
    success_rate_percent: 75,
  })
})

test('a burst in the first moment is spread over a second', () => {
  const { traffic } = open()
  for (let i = 0; i < 50; i++) traffic.record(200, 1)
  assert.equal(traffic.metrics().current_request_rate, 50)
})

test('what is older than five minutes is forgotten, in a quiet time as under load', () => {
  const { traffic, advance } = open()
  traffic.record(500, 1000)
  advance(4 * MINUTE_MS)
  traffic.record(200, 10)
  assert.equal(traffic.metrics().success_rate_percent, 50)
  advance(MINUTE_MS)
  assert.deepEqual([traffic.metrics().success_rate_percent, traffic.metrics().average_response_time_ms], [100, 10])
  advance(5 * MINUTE_MS)
  assert.equal(traffic.metrics().success_rate_percent, null)
})

test('a steady load has the same rate for ever', () => {
  const { traffic, advance } = open()
  for (let i = 0; i < 3600; i++) {
    traffic.record(200, 1)
    advance(500)
  }
  const rate = traffic.metrics().current_request_rate
  assert.ok(Math.abs(rate - 2) < 0.02, `${rate}`)
})
