import assert from 'node:assert/strict'
import { test } from 'node:test'
import { age, bytes, count, duration, milliseconds, number, shortId } from '../../src/dashboard/format.ts'

test('numbers carry their unit, and what nobody measured is a dash', () => {
  assert.equal(number(1234567.891, 1), '1,234,567.9')
  assert.equal(number(-3), '−3')
  for (const nothing of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(number(nothing), '–')
  assert.deepEqual([0, 1023, 1024, 1536, 20_480, 5 * 1024 ** 3, null].map(bytes), [
    '0 B',
    '1,023 B',
    '1 KiB',
    '1.5 KiB',
    '20 KiB',
    '5 GiB',
    '–',
  ])
  assert.deepEqual([0.05, 0.5, 3.144, 56.78, 432.1, 2500, 120_000, null].map(milliseconds), [
    '50 µs',
    '0.5 ms',
    '3.14 ms',
    '56.8 ms',
    '432 ms',
    '2.5 s',
    '2 min',
    '–',
  ])
  assert.deepEqual(
    [count(1, 'cell'), count(2, 'cell'), count(0, 'policy', 'policies')],
    ['1 cell', '2 cells', '0 policies'],
  )
})

test('times are said in their two largest units', () => {
  assert.deepEqual([0, 59.9, 61, 3600, 90_061, -5].map(duration), ['0 s', '59 s', '1 min 1 s', '1 h', '1 d 1 h', '0 s'])
  const now = Date.UTC(2026, 0, 2)
  assert.equal(age('2026-01-01T00:00:00.000Z', now), '1 d ago')
  assert.equal(age(now + 60_000, now), 'in 1 min')
  assert.equal(age(now, now), 'just now')
  assert.equal(age('no time', now), 'no time')
})

test('long ids show their ends', () => {
  assert.equal(shortId('12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'), '12D3Ko…hcfAtX')
  assert.equal(shortId('1234567890123'), '1234567890123')
})
