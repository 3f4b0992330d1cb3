import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkTo, readHash } from '../../src/dashboard/route.ts'
import { sessionOf } from '../../src/dashboard/session-token.ts'

test('a link leads to the place that it was made of, whatever is in it', () => {
  const parts = ['cells', 'of', 'a/b?c#d%e']
  const { page, parts: rest, query } = readHash(linkTo(parts, { version: '1.0.0+x&y', search: '', offset: undefined }))
  assert.deepEqual([page, ...rest], parts)
  assert.deepEqual([...query], [['version', '1.0.0+x&y']])
})

test('without a hash one is at the overview, and a link that is spelt wrongly leads somewhere', () => {
  for (const hash of ['', '#', '#/']) assert.equal(readHash(hash).page, 'overview')
  assert.deepEqual(readHash('#/cells/%zz').parts, ['%zz'])
  assert.equal(readHash('#/cells?search=a?b').query.get('search'), 'a?b')
})

test('a session token says its session, and what is none is refused', () => {
  const claims = Buffer.from('{"sub":"session-ü"}').toString('base64url')
  assert.equal(sessionOf(` a.${claims}.c\n`), 'session-ü')
  for (const text of ['', 'a', 'a.b.c', `a.${Buffer.from('{"sub":7}').toString('base64url')}.c`, 'a.!!.c']) {
    assert.throws(() => sessionOf(text), /no session token/)
  }
})
