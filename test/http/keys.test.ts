import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROUTES } from '../../src/http/routes.ts'
import { ADMIN, start } from './harness.ts'

const READER = { 'X-API-Key': 'reader-key' }
const PUBLISHER = { Authorization: 'Bearer publisher-key' }
const SECOND_ADMIN = { 'X-API-Key': 'another-administrator' }

async function withKeys(...args: Parameters<typeof start>) {
  const harness = await start(...args)
  const { presented } = harness.node
  presented.set('reader-key', { keyId: '1'.repeat(16), role: 'reader' })
  presented.set('publisher-key', { keyId: '2'.repeat(16), role: 'publisher' })
  presented.set('another-administrator', { keyId: '3'.repeat(16), role: 'admin' })
  presented.set('old-key', 'expired')
  presented.set('lost-key', 'revoked')
  return harness
}

test('a role may do what its routes ask for, and no more', async (t) => {
  const { send } = await withKeys(t)
  const status = async (path: string, headers: Record<string, string>, method = 'GET') =>
    (await send({ method, path, headers })).status
  assert.equal(await status('/api/v1/keys', SECOND_ADMIN), 200)
  for (const headers of [READER, PUBLISHER]) {
    const { status, json } = await send({ path: '/api/v1/keys', headers })
    assert.equal(status, 403)
    assert.equal((json().error as { code: string }).code, 'PROV_015')
    assert.match(
      String(json().message),
      /needs the administrator's key, the one that was presented is a (reader|publisher)'s/,
    )
  }
  assert.equal(await status('/api/v1/repository/cells', READER, 'POST'), 403)
  // The body is missing, which only somebody who may register hears of.
  assert.equal(await status('/api/v1/repository/cells', PUBLISHER, 'POST'), 400)
  assert.equal(await status('/api/v1/repository/cells', READER), 200)
})

test('a key that has ended is refused everywhere, and the reason is said', async (t) => {
  const { send } = await withKeys(t)
  for (const [key, says] of [
    ['old-key', 'the key has expired'],
    ['lost-key', 'the key was revoked'],
  ] as const) {
    const { status, json } = await send({ path: '/health', headers: { 'X-API-Key': key } })
    assert.equal(status, 401)
    assert.equal(json().message, says)
  }
  const both = { ...READER, Authorization: 'Bearer lost-key' }
  assert.equal((await send({ path: '/health', headers: both })).status, 401)
})

/** Open to operators, who sign. */
const OWNED = ['/api/v1/webhooks', '/api/v1/constraints']

test('reading can be closed; what watches the node stays open', async (t) => {
  const { send } = await withKeys(t, { open_reading: false })
  for (const { method, path, access } of ROUTES) {
    if (method !== 'GET' || path.includes(':') || path.includes('*')) continue
    const { status } = await send({ path })
    if ((access === 'open' || access === 'spending') && !OWNED.includes(path)) assert.notEqual(status, 401, path)
    else assert.equal(status, 401, path)
  }
  assert.equal((await send({ path: '/api/v1/repository/cells', headers: READER })).status, 200)
})

test('keys are created, listed and revoked by an administrator', async (t) => {
  const { send } = await withKeys(t)
  const body = { role: 'publisher', name: 'build server' }
  const created = await send({ method: 'POST', path: '/api/v1/keys', headers: ADMIN, body })
  assert.equal(created.status, 201)
  assert.equal(created.json().key, 'cpk_secret')
  assert.doesNotMatch((await send({ path: '/api/v1/keys', headers: ADMIN })).text, /cpk_secret/)
  const gone = await send({ method: 'DELETE', path: `/api/v1/keys/${'0'.repeat(16)}`, headers: ADMIN })
  assert.equal(gone.json().status, 'revoked')
  for (const wrong of [
    { role: 'king', name: 'x' },
    { role: 'reader' },
    { role: 'reader', name: '' },
    { ...body, a: 1 },
  ]) {
    const { status } = await send({ method: 'POST', path: '/api/v1/keys', headers: ADMIN, body: wrong })
    assert.equal(status, 400, JSON.stringify(wrong))
  }
})

test('each address and each key has its own limit, and is told of it', async (t) => {
  const rate_per_minute = { anonymous: 2, reader: 3, publisher: 0, admin: 0 }
  const { send } = await withKeys(t, { rate_per_minute, trusted_proxies: ['127.0.0.1'] })
  const ask = (headers: Record<string, string> = {}) => send({ path: '/health', headers })
  const first = await ask()
  assert.equal(first.headers['x-ratelimit-limit'], '2')
  assert.equal(first.headers['x-ratelimit-remaining'], '1')
  assert.ok(Number(first.headers['x-ratelimit-reset']) >= Math.floor(Date.now() / 1000))
  assert.equal((await ask()).status, 200)
  const refused = await ask()
  assert.equal(refused.status, 429)
  assert.equal(refused.headers['x-ratelimit-remaining'], '0')
  assert.ok(Number(refused.headers['retry-after']) >= 1)
  assert.equal((refused.json().error as { code: string }).code, 'PROV_013')
  // Wrong keys are guesses of an address.
  assert.equal((await ask({ 'X-API-Key': 'wrong' })).status, 429)
  // Another client behind the same proxy, and one with a key.
  assert.equal((await ask({ 'X-Forwarded-For': '192.0.2.7' })).status, 200)
  for (const left of ['2', '1', '0']) assert.equal((await ask(READER)).headers['x-ratelimit-remaining'], left)
  assert.equal((await ask(READER)).status, 429)
  const unlimited = await ask(PUBLISHER)
  assert.equal(unlimited.status, 200)
  assert.equal(unlimited.headers['x-ratelimit-limit'], undefined)
})
