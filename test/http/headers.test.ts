import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { BodyDeadlines } from '../../src/http/body-deadlines.ts'
import { waitMs } from '../../src/http/prefer.ts'
import { noneMatch, parseRange } from '../../src/http/range.ts'

test('Prefer: wait=N', () => {
  const cases: [string | undefined, number][] = [
    [undefined, 5000],
    ['', 5000],
    ['wait=0', 0],
    ['wait=7', 7000],
    ['Wait = 7', 7000],
    ['wait="7"', 7000],
    ['respond-async, wait=7', 7000],
    ['respond-async;foo=bar; wait=7', 7000],
    ['wait=30', 30_000],
    ['wait=31', 30_000],
    ['wait=999999999', 30_000],
    ['wait=99999999999999', 5000],
    ['wait=-1', 5000],
    ['wait=1.5', 5000],
    ['wait=1e3', 5000],
    ['wait', 5000],
    ['await=7', 5000],
  ]
  for (const [header, ms] of cases) assert.equal(waitMs(header), ms, header)
})

test('a range is always inside the package', () => {
  fc.assert(
    fc.property(
      fc.nat(1_000_000),
      fc.oneof(fc.nat(), fc.constant('')),
      fc.oneof(fc.nat(), fc.constant('')),
      (size, a, b) => {
        const range = parseRange(`bytes=${a}-${b}`, size)
        if (typeof range === 'string') return true
        return range.start >= 0 && range.start <= range.end && range.end < size
      },
    ),
  )
  fc.assert(fc.property(fc.string(), (text) => typeof parseRange(text, 10) !== 'object' || /^bytes=/i.test(text)))
})

test('If-None-Match', () => {
  assert.equal(noneMatch(undefined, '"a"'), false)
  assert.equal(noneMatch('"b","a"', '"a"'), true)
  assert.equal(noneMatch('"b"', '"a"'), false)
  assert.equal(noneMatch('a', '"a"'), false)
})

test('a body that is late loses its connection; one that is complete or released does not', () => {
  const deadlines = new BodyDeadlines()
  const destroyed: string[] = []
  const body = (name: string, complete = false): IncomingMessage =>
    Object.assign(new EventEmitter(), {
      complete,
      socket: { destroyed: false, destroy: () => destroyed.push(name) },
    }) as unknown as IncomingMessage
  const [late, slow, done, released] = [body('late'), body('slow'), body('done', true), body('released')]
  deadlines.expect(late, 0, 1000)
  deadlines.expect(slow, 0, 5000)
  deadlines.expect(done, 0, 1000)
  deadlines.expect(released, 0, 1000)
  deadlines.release(released)
  deadlines.sweep(999)
  assert.deepEqual(destroyed, [])
  deadlines.sweep(1000)
  assert.deepEqual(destroyed, ['late'])
  deadlines.sweep(10_000)
  assert.deepEqual(destroyed, ['late', 'slow'])
})
