import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StartError } from '../../src/kernel/base/errors.ts'
import { Maintenance } from '../../src/node/maintenance.ts'

const time = (start_time: string, end_time: string, description = 'Disks') => ({ start_time, end_time, description })

test('what is scheduled is listed in UTC until it is over, the next first', () => {
  const maintenance = new Maintenance([
    time('2026-03-01T00:00:00Z', '2026-03-01T02:00:00Z', 'second'),
    time('2026-02-01T00:00:00+01:00', '2026-02-01T02:00:00+01:00', 'first'),
  ])
  const at = (now: string) => maintenance.scheduled(Date.parse(now)).map(({ description }) => description)
  assert.deepEqual(maintenance.scheduled(0)[0], {
    start_time: '2026-01-31T23:00:00.000Z',
    end_time: '2026-02-01T01:00:00.000Z',
    description: 'first',
  })
  assert.deepEqual(at('2026-02-01T00:59:59.999Z'), ['first', 'second'])
  assert.deepEqual(at('2026-02-01T01:00:00Z'), ['second'])
  assert.deepEqual(at('2026-03-01T02:00:00Z'), [])
})

test('it is under way from its first moment to before its last', () => {
  const maintenance = new Maintenance([time('2026-03-01T00:00:00Z', '2026-03-01T02:00:00Z')])
  const isAt = (now: string) => maintenance.current(Date.parse(now)) !== undefined
  assert.deepEqual(
    ['2026-02-28T23:59:59.999Z', '2026-03-01T00:00:00Z', '2026-03-01T01:59:59.999Z', '2026-03-01T02:00:00Z'].map(isAt),
    [false, true, true, false],
  )
})

test('times that cannot be are a reason not to start', () => {
  const refuses = (start: string, end: string, pattern: RegExp) =>
    assert.throws(
      () => new Maintenance([time('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'), time(start, end)]),
      (error) => error instanceof StartError && pattern.test(error.message),
    )
  refuses('2026-13-01T00:00:00Z', '2027-01-01T00:00:00Z', /^node\.maintenance\[1\]\.start_time: found "2026-13-01/)
  refuses('2026-01-01T00:00:00Z', '2026-01-01T25:00:00Z', /^node\.maintenance\[1\]\.end_time: found "2026-01-01T25/)
  refuses(
    '2026-01-01T02:00:00+02:00',
    '2026-01-01T00:00:00Z',
    /^node\.maintenance\[1\]: found end_time .* after start_time/,
  )
})
