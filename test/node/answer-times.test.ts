import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerTimes } from '../../src/node/flows/answer-times.ts'

test('a peer is slow when it takes longer than nine of ten of its newest answers', () => {
  const times = new AnswerTimes()
  const unknown = times.hedgeMs('a')
  for (let ms = 1; ms <= 4; ms++) times.add('a', ms)
  assert.equal(times.hedgeMs('a'), unknown, 'four answers say nothing')
  for (let i = 0; i < 27; i++) times.add('a', 40)
  times.add('a', 900)
  assert.equal(times.hedgeMs('a'), 40, 'one outlier of 32 is none of the nine')
  for (let i = 0; i < 4; i++) times.add('a', 900)
  assert.equal(times.hedgeMs('a'), 900)
  for (let i = 0; i < 32; i++) times.add('a', 0.1)
  assert.equal(times.hedgeMs('a'), 20, 'older answers are forgotten, and no hedge comes sooner')
  for (let i = 0; i < 32; i++) times.add('a', 20_000)
  assert.equal(times.hedgeMs('a'), 1000, 'nor later')
  assert.equal(times.hedgeMs('b'), unknown)
})
