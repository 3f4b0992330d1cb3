import assert from 'node:assert/strict'
import { test } from 'node:test'
import { webhookRoutes } from '../../src/http/routes/webhooks.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { FakeNode } from './fake-node.ts'
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

/** Calls the handler of a route as the server does, for operators whom a header names. */
async function asOperator(
  node: FakeNode,
  name: string,
  { body, operator }: { body?: unknown; operator?: string } = {},
): Promise<{ status: number; body: unknown }> {
  const routes = webhookRoutes(async (_context, { headers }) => headers['x-operator-id'] as string | undefined)
  const route = routes.find(({ method, path }) => `${method} ${path}` === name)
  const { promise, resolve } = Promise.withResolvers<{ status: number; body: unknown }>()
  let status = 0
  const raw = {
    writeHead: (code: number) => {
      status = code
    },
    end: (text: string) => resolve({ status, body: JSON.parse(text) }),
  }
  const meter = { record: () => undefined }
  const exchange = { limits: [], route: { meter, logger: { isLevelEnabled: () => false } }, startedAt: 0 }
  const headers = operator === undefined ? {} : { 'x-operator-id': operator }
  const request = { body, headers, exchange, params: { webhook_id: ID }, query: {} }
  await route?.handler({ node } as never)(request as never, { raw } as never)
  return promise
}

test('an operator who signed is the owner, and brings what it wants as a payload', async () => {
  const node = new FakeNode()
  const body = { operator_id: 'alice', signature: 'x', payload: { ...CREATION, events: ['batch_complete'] } }
  const created = await asOperator(node, `POST ${ROOT}`, { body, operator: 'alice' })
  assert.equal(created.status, 201)
  assert.equal((created.body as { operator_id: string }).operator_id, 'alice')
  assert.deepEqual(node.webhookOwners, [['alice', 'operator:alice']])
  assert.equal((await asOperator(node, `GET ${ROOT}/:webhook_id`, { operator: 'alice' })).status, 200)

  const wrong = { ...body, payload: { ...CREATION, more: 1 } }
  await assert.rejects(asOperator(node, `POST ${ROOT}`, { body: wrong, operator: 'alice' }), { status: 400 })
  await assert.rejects(asOperator(node, `POST ${ROOT}`, { body: CREATION, operator: 'alice' }), { status: 400 })
  await assert.rejects(asOperator(node, `POST ${ROOT}`, { body }), { status: 401 })
  assert.equal(node.webhookOwners.length, 1)
})
