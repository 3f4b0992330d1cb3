import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { FEDERATION_TOKEN } from './fake-node.ts'
import { ADMIN, type Call, type Reply, start } from './harness.ts'

const PATH = '/api/v1/federation'
const PARTNER = { Authorization: `Bearer ${FEDERATION_TOKEN}`, 'Quantum-Signature': 'proof' }
const FORWARD = { request_id: 'r', target_provider_id: 'partner', original_request: { capability: 'add' } }

const codeOf = (reply: Reply): unknown => (reply.json().error as { code: string } | undefined)?.code

test('the status shows more to the administrator', async (t) => {
  const { send } = await start(t)
  const partners = async (headers: Record<string, string>): Promise<unknown> =>
    (await send({ path: `${PATH}/status`, headers })).json().federation_partners
  const known = { provider_id: 'partner', capabilities: [], cell_count: 0, status: 'active' }
  assert.deepEqual(await partners({}), [known])
  assert.deepEqual(await partners(ADMIN), [{ ...known, name: 'A' }])
})

test('partners are added, changed and removed with the documented statuses', async (t) => {
  const { send, node } = await start(t)
  const addition = { url: 'https://a.example', shared_secret: 'secret', provider_id: 'partner' }
  const add = (body: unknown): Promise<Reply> =>
    send({ method: 'POST', path: `${PATH}/partners`, headers: ADMIN, body })
  const added = await add(addition)
  assert.deepEqual([added.status, added.json().status, added.json().partner_id], [201, 'success', 'partner'])
  const later = await add({ ...addition, shared_secret: 'later' })
  assert.deepEqual([later.status, later.json().status], [202, 'pending'])
  for (const wrong of [
    {},
    { url: 'https://a.example' },
    { ...addition, url: 'file:///etc/passwd' },
    { ...addition, url: 'https://user:password@a.example' },
    { ...addition, url: 'https://a.example/?x' },
    { ...addition, trust_level: 'king' },
    { ...addition, provider_id: '../x' },
    { ...addition, federation_policies: { auto_forward: 'yes' } },
    { ...addition, partner_token: 'two words' },
  ]) {
    const reply = await add(wrong)
    assert.deepEqual([reply.status, codeOf(reply)], [400, 'PROV_001'], JSON.stringify(wrong))
    assert.doesNotMatch(reply.text, /secret"/)
  }
  node.failure = new ProviderError('PROV_007', 'is a partner already')
  assert.equal((await add(addition)).status, 409)
  node.failure = new Error('the disk broke')
  assert.equal((await add(addition)).status, 500)

  const path = `${PATH}/partners/partner`
  const empty = await send({ method: 'PATCH', path, headers: ADMIN, body: {} })
  assert.deepEqual([empty.status, empty.json().message], [400, 'body: found {}, allowed is an object with a field'])
  assert.equal((await send({ method: 'PATCH', path, headers: ADMIN, body: { trust_level: 'trusted' } })).status, 200)
  assert.equal((await send({ method: 'DELETE', path, headers: ADMIN })).status, 200)
  const unknown = await send({ method: 'DELETE', path: `${PATH}/partners/other`, headers: ADMIN })
  assert.deepEqual([unknown.status, unknown.json().status, codeOf(unknown)], [404, 'error', 'PROV_010'])
})

test('a client forwards to a partner, and gets a token for its record', async (t) => {
  const { send, node } = await start(t)
  const forward = (more: Partial<Call> = {}): Promise<Reply> =>
    send({ method: 'POST', path: `${PATH}/forward`, body: FORWARD, ...more })
  const taken = await forward()
  assert.deepEqual(
    [taken.status, taken.json().status, taken.json().forwarded_request_id, taken.headers['request-token']],
    [202, 'forwarded', 'fwd-1', 'a-token'],
  )
  assert.equal((await forward({ headers: ADMIN })).headers['request-token'], undefined)
  assert.equal((await forward({ body: { ...FORWARD, original_request: 'x' } })).status, 400)
  for (const [code, status] of [
    ['PROV_009', 403],
    ['PROV_010', 404],
    ['PROV_006', 504],
  ] as const) {
    node.failure = new ProviderError(code, 'no')
    const reply = await forward()
    assert.deepEqual([reply.status, reply.json().status, codeOf(reply)], [status, 'error', code])
  }
  node.failure = new ProviderError('PROV_011', 'no', { details: { status: 'rejected' } })
  const rejected = await forward()
  assert.deepEqual([rejected.status, rejected.json().status], [403, 'rejected'])
})

test('where reading is closed, forwarding needs a key; a partner needs its token', async (t) => {
  const { send, node } = await start(t, { open_reading: false })
  const forward = (body: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
    send({ method: 'POST', path: `${PATH}/forward`, body, headers })
  assert.equal((await forward(FORWARD)).status, 401)
  assert.equal((await forward(FORWARD, ADMIN)).status, 202)
  const here = { ...FORWARD, target_provider_id: node.providerId }
  assert.equal((await forward(here)).status, 401)
  assert.equal((await forward({ ...here, federation_token: 'wrong' })).status, 401)
  const taken = await forward({ ...here, federation_token: FEDERATION_TOKEN })
  assert.deepEqual([taken.status, taken.json().forwarded_request_id], [202, 'fwd-2'])
})

test('a federation token counts on the routes for partners alone', async (t) => {
  const { send, node } = await start(t, { open_reading: false })
  const status = async (path: string, headers: Record<string, string>): Promise<number> =>
    (await send({ path, headers })).status
  const record = '/api/v1/cells/request/fwd-2'
  const overview = '/api/v1/analytics/overview'
  assert.equal(await status(record, PARTNER), 202)
  assert.deepEqual(node.targets.at(-1), { method: 'GET', path: record })
  assert.equal(await status(record, { Authorization: PARTNER.Authorization }), 401)
  assert.equal(await status(record, { ...PARTNER, Authorization: 'Bearer eyJa.b.c' }), 401)
  assert.equal(await status(overview, PARTNER), 403)
  node.sharesAnalytics = true
  assert.equal(await status(overview, PARTNER), 200)
  for (const path of ['/api/v1/repository/cells', '/api/v1/keys', '/health', `${PATH}/status`]) {
    assert.equal(await status(path, PARTNER), 401, path)
  }
})
