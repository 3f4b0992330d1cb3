import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { ADMIN, start } from './harness.ts'

const ROOT = '/api/v1/webhooks'
const ID = `wh_${'0'.repeat(24)}`
const CREATION = { url: 'https://hooks.example/', events: ['peer.banned'] }

test('the administrator manages webhooks, as the owner of what the node does', async (t) => {
  const { send, node } = await start(t)
  const created = await send({ method: 'POST', path: ROOT, headers: ADMIN, body: CREATION })
  assert.equal(created.status, 201)
  assert.equal(created.json().secret, 'whsec_c2VjcmV0')
  assert.deepEqual(node.webhookOwners, [[null, 'admin']])
  for (const [method, path] of [
    ['GET', ROOT],
    ['GET', `${ROOT}/${ID}`],
    ['POST', `${ROOT}/${ID}/test`],
    ['GET', `${ROOT}/${ID}/dead-letters?limit=1&after=msg_${'0'.repeat(32)}`],
    ['POST', `${ROOT}/${ID}/dead-letters/replay`],
    ['DELETE', `${ROOT}/${ID}`],
  ] as const) {
    const reply = await send({ method, path, headers: ADMIN })
    assert.equal(reply.status, 200, `${method} ${path}: ${reply.text}`)
    assert.ok(!reply.text.includes('whsec_'))
  }
})

test('whoever is neither the administrator nor an operator is refused, before the body is looked at', async (t) => {
  const { send, node } = await start(t)
  node.presented.set('a-reader', { keyId: '0'.repeat(16), role: 'reader' })
  node.presented.set('a-publisher', { keyId: '1'.repeat(16), role: 'publisher' })
  for (const [method, path] of [
    ['POST', ROOT],
    ['GET', ROOT],
    ['DELETE', `${ROOT}/${ID}`],
  ] as const) {
    for (const body of [CREATION, {}]) {
      const call = { method, path, ...(method === 'POST' ? { body } : {}) }
      const anonymous = await send(call)
      assert.equal(anonymous.status, 401)
      assert.equal((anonymous.json().errors as { code: string }[])[0]?.code, '401')
      assert.equal((await send({ ...call, headers: { 'X-API-Key': 'wrong' } })).status, 401)
      for (const key of ['a-reader', 'a-publisher']) {
        assert.equal((await send({ ...call, headers: { 'X-API-Key': key } })).status, 403)
      }
    }
  }
  assert.deepEqual(node.webhookOwners, [])
})

test('what is no creation of a webhook is 400, and what the node refuses keeps its status', async (t) => {
  const { send, node } = await start(t)
  for (const body of [
    {},
    { url: 'https://hooks.example/' },
    { ...CREATION, events: [] },
    { ...CREATION, events: ['peer.banned', 'peer.banned'] },
    { ...CREATION, events: ['everything'] },
    { ...CREATION, url: '' },
    { ...CREATION, url: `https://hooks.example/${'x'.repeat(3000)}` },
    { ...CREATION, secret: 'mine' },
    { payload: CREATION },
  ]) {
    const reply = await send({ method: 'POST', path: ROOT, headers: ADMIN, body })
    assert.equal(reply.status, 400, JSON.stringify(body))
    assert.equal(reply.json().status, 'failed')
  }
  for (const path of [`${ROOT}/wh_x`, `${ROOT}/${ID}/dead-letters?limit=0`, `${ROOT}/${ID}/dead-letters?after=x`]) {
    assert.equal((await send({ path, headers: ADMIN })).status, 400, path)
  }
  node.failure = new ProviderError('PROV_001', 'url: found x', { status: 422 })
  const refused = await send({ method: 'POST', path: ROOT, headers: ADMIN, body: CREATION })
  assert.equal(refused.status, 422)
  assert.deepEqual(refused.json().errors, [{ code: '422', message: 'url: found x', severity: 'error' }])
})
