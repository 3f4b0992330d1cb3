import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROUTES } from '../../src/http/routes.ts'
import { StartError } from '../../src/kernel/base/errors.ts'
import { EVALUATOR } from '../support/fake-goals.ts'
import { ADMIN, ADMIN_KEY, type Call, form, METADATA, MULTIPART, part, sendRaw, start } from './harness.ts'

const NODE_ID = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'
const NONCE = 'A'.repeat(22)
const CERTIFICATE = {
  provider_id: NODE_ID,
  role: 'token',
  public_key: 'AA',
  serial: 1,
  not_before: 0,
  not_after: 1,
  signature: 'AA',
}

const FEDERATION_BODIES: Readonly<Record<string, object>> = {
  '/api/v1/federation/forward': {
    request_id: 'r',
    target_provider_id: 'partner',
    original_request: { capability: 'add' },
  },
  '/api/v1/federation/partners': { url: 'https://a.example', shared_secret: 's' },
  '/api/v1/federation/partners/:provider_id': { trust_level: 'trusted' },
  '/api/v1/federation/invitations': {},
  '/api/v1/federation/join': {
    type: 'join_hello',
    provider_id: NODE_ID,
    audience: NODE_ID,
    certificate: CERTIFICATE,
    signature: 'AA',
    invitation: '0'.repeat(32),
    nonce: NONCE,
  },
}

/** Routes whose callers are known by an operator's signature, which no credential stands in for. */
const SIGNED = /^\/api\/v1\/(query|batch)/
const OWNED = /^\/api\/v1\/(webhooks|constraints)/
const ENVELOPE = {
  request_id: '550e8400-e29b-41d4-a716-446655440000',
  timestamp: '2026-01-01T00:00:00Z',
  operator_id: 'team',
  signature: 'A'.repeat(86),
}

/** Routes that only the token of a session opens. */
const isForSessions = ({ access }: Pick<(typeof ROUTES)[number], 'access'>): boolean => access.startsWith('session:')

/** A call that a route refuses only for its credential. */
function callOf({ method, path, body, multipart, streamed }: (typeof ROUTES)[number]): Call {
  const filled = path
    .replace(':digest', `sha256:${'0'.repeat(64)}`)
    .replace(':cell_type', 'adder')
    .replace(':version', '1.0.0')
    .replace(':key_id', '0'.repeat(16))
    .replace(':request_id', 'r')
    .replace(':issue_id', 'i')
    .replace(':provider_id/ban', '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX/ban')
    .replace(':provider_id', 'partner')
    .replace(':policy_id', '0'.repeat(12))
    .replace(':webhook_id', `wh_${'0'.repeat(24)}`)
    .replace(':operator_id', 'team')
    .replace(':batch_id', '00000000-0000-4000-8000-000000000000')
    .replace('/discovery/capabilities', '/discovery/capabilities?capability=add')
    .replace('/inclusion', '/inclusion?log_index=0')
    .replace('/registration', `/registration?cell_id=${'0'.repeat(64)}`)
    .replace('/consistency', '/consistency?from=0')
    .replace(':goal_id/proof', ':goal_id/proof?log_index=0')
    .replace(':goal_id', 'goal')
    .replace('*', '0/000.p/1')
    .replace('/vulnerabilities/:id', `/vulnerabilities/CVE-1${method === 'DELETE' ? '?cell_type=adder' : ''}`)
    .replace(':goal_id', 'any')
    .replace(':log_index', '0')
    .replace(':domain/:publisher', `legal/${'d'.repeat(64)}`)
    .replace(':constraint_id', 'short')
    .replace(':session_id', `sess_${'0'.repeat(32)}`)
    .replace(':conversation_id', `conv_${'0'.repeat(32)}`)
    .replace(':agent_name', 'beatrice')
    .replace(':export_id', `export_${'0'.repeat(32)}`)
  const federation = FEDERATION_BODIES[path]
  if (federation !== undefined && body !== undefined) return { method, path: filled, body: federation }
  const parts = form(part('metadata', JSON.stringify(METADATA)), part('cell_package', 'x'))
  if (multipart !== undefined) return { method, path: filled, headers: MULTIPART, body: parts }
  if (streamed !== undefined) return { method, path: filled, headers: { 'Content-Type': streamed }, body: '' }
  if (path === '/api/v1/fsck' || path === '/api/v1/bundles/export') return { method, path, body: {} }
  if (method === 'PATCH') return { method, path: filled, body: { status: 'deprecated' } }
  if (path === '/api/v1/goals' && method === 'POST') {
    return { method, path, body: { goal_id: 'any', evaluator: { digest: EVALUATOR } } }
  }
  if (path === '/api/v1/contribute') {
    const agent_pack = { version: '1.0', parameters: '' }
    return { method, path, body: { goal_id: 'any', agent_pack, contributor_id: '0'.repeat(40) } }
  }
  if (path.startsWith('/api/v2/') && body !== undefined) return { method, path: filled, body: {} }
  if (path.endsWith('/yank')) return { method, path: filled, body: { reason: 'broken' } }
  if (path.includes('/issues/')) return { method, path: filled, body: { resolution_url: null } }
  const known = { cell_type: 'adder', affected: '*', severity: 'low', description: '' }
  if (method === 'PUT' && path.includes('/vulnerabilities/')) return { method, path: filled, body: known }
  if (method === 'POST' && path.endsWith('/vulnerabilities')) {
    return { method, path, body: { vulnerabilities: [{ id: 'CVE-1', ...known }] } }
  }
  if (method === 'POST' && path.endsWith('/policies')) {
    return { method, path, body: { capability: 'add', max_bytes: 1 } }
  }
  if (method === 'POST' && path === '/api/v1/webhooks') {
    return { method, path, body: { url: 'https://hooks.example/', events: ['peer.banned'] } }
  }
  if (path.endsWith('/approvals') && method === 'PUT') {
    return { method, path, body: { domain: 'legal', publisher: 'd'.repeat(64) } }
  }
  if (method === 'POST' && path.startsWith('/api/v1/operators')) {
    const permissions = [{ domain: 'legal', jurisdictions: null }]
    return { method, path: filled, body: path.endsWith('/rotate') ? {} : { algorithm: 'hmac-sha256', permissions } }
  }
  if (path.endsWith('/chat/completions')) {
    return { method, path, body: { model: 'test', messages: [{ role: 'user', content: 'x' }] } }
  }
  if (method === 'POST' && SIGNED.test(path)) {
    const question = { query: 'q', context: { domain: 'legal' } }
    const payload = path.endsWith('/batch') ? { requests: [question] } : question
    return { method, path, body: { ...ENVELOPE, payload } }
  }
  const key = { role: 'reader', name: 'a key' }
  const request = path === '/api/v1/keys' ? key : { request_id: 'r', capability: 'add', cell_type: 'adder' }
  return body === undefined ? { method, path: filled } : { method, path: filled, body: request }
}

test('every route × no, a wrong and the right credential', async (t) => {
  const { send } = await start(t)
  assert.ok(ROUTES.length > 10)
  const wrong = [
    { 'X-API-Key': 'wrong' },
    { 'X-API-Key': '' },
    { Authorization: 'Bearer wrong' },
    { Authorization: `Basic ${ADMIN_KEY}` },
    { Authorization: 'Bearer' },
    { ...ADMIN, Authorization: 'Bearer wrong' },
  ] as Record<string, string>[]
  for (const route of ROUTES) {
    const call = callOf(route)
    const name = `${route.method} ${route.path}`
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await send({ ...call, headers: { ...call.headers, ...headers } })).status

    const isSigned = SIGNED.test(route.path) || isForSessions(route)
    // These are an operator's, or the administrator's.
    const needsSomeone = isSigned || OWNED.test(route.path)
    if (route.access === 'admin' || route.access === 'publisher' || needsSomeone)
      assert.equal(await status({}), 401, name)
    else assert.notEqual(await status({}), 401, name)
    for (const headers of wrong) assert.equal(await status(headers), 401, `${name} ${JSON.stringify(headers)}`)
    for (const headers of [ADMIN, { Authorization: `bearer ${ADMIN_KEY}` }]) {
      if (isSigned) assert.equal(await status(headers), 401, name)
      else assert.ok([200, 201, 202, 404, 409, 426].includes(await status(headers)), name)
    }
  }
})

test('what a route with a refused credential answers', async (t) => {
  const { send, logs, node } = await start(t)
  const answer = await send({ path: '/api/v1/peers' })
  assert.equal(answer.headers['www-authenticate'], 'Bearer')
  assert.equal((answer.json().error as { code: string }).code, 'PROV_016')
  // The body is wrong too, and nobody looks at it.
  const body = { method: 'POST', body: 'nonsense', headers: { 'Content-Type': 'text/plain', 'X-API-Key': 'wrong-key' } }
  assert.equal((await send({ ...body, path: '/api/v1/cells/request' })).status, 401)
  assert.equal((await send({ ...body, path: '/api/v1/repository/cells' })).status, 401)
  assert.equal((await send({ ...body, path: '/nowhere' })).status, 401)
  assert.equal(node.staged.size, 0)
  const text = JSON.stringify(logs)
  assert.match(text, /wrong credential/)
  assert.doesNotMatch(text, /wrong-key/)
})

test('hosts: only names of this node are answered', async (t) => {
  const config = { allowed_hosts: ['Node.Example', 'with-port.example:81'], public_url: 'https://cells.example/x' }
  const { send, port } = await start(t, config)
  const status = async (host: string): Promise<number> =>
    (await send({ path: '/health', headers: { Host: host } })).status
  for (const host of [
    'localhost',
    'LOCALHOST:8000',
    '127.0.0.1',
    '10.1.2.3:8000',
    '[::1]',
    '[2001:db8::1]:8000',
    'node.example',
    'NODE.example:1',
    'with-port.example:81',
    'cells.example',
  ]) {
    assert.equal(await status(host), 200, host)
    assert.equal(await status(host), 200, `${host}, remembered`)
  }
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    'node.example.evil.example',
    'user@localhost',
    'localhost:port',
    '[::1',
    '[::1%25"]',
    '1.2.3',
    'localhost/x',
    'with-port.example:82',
  ]) {
    const answer = await send({ path: '/health', headers: { Host: host } })
    assert.equal(answer.status, 421, host)
    assert.equal((answer.json().error as { code: string }).code, 'PROV_001')
  }
  assert.match(await sendRaw(port, 'GET /health HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 421 /)
  assert.match(await sendRaw(port, 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400 /)
  assert.equal((await send({ path: '/nowhere', headers: { Host: 'evil.example' } })).status, 421, 'unknown routes too')
})

test('a forwarded host counts only from a trusted proxy, and is checked as well', async (t) => {
  const { send } = await start(t, { trusted_proxies: ['127.0.0.1', '10.0.0.0/8', '::1/128'] })
  const status = async (forwarded: string): Promise<number> =>
    (await send({ path: '/health', headers: { Host: 'internal', 'X-Forwarded-Host': forwarded } })).status
  assert.equal(await status('localhost'), 200)
  assert.equal(await status('evil.example'), 421)
  assert.equal(await status('evil.example, localhost'), 200, "the last entry is the proxy's own")
})

test('origins: pages of others read nothing and change nothing', async (t) => {
  const page = 'https://app.example'
  const { send, server } = await start(t, { allowed_origins: [page] })
  const ask = (origin: string, method = 'POST') =>
    send({
      method,
      path: method === 'POST' ? '/api/v1/cells/request' : '/health',
      headers: { Origin: origin },
      ...(method === 'POST' ? { body: { request_id: 'r', capability: 'add' } } : {}),
    })

  for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1', `${page}.evil.example`]) {
    const refused = await ask(origin)
    assert.equal(refused.status, 403, origin)
    assert.equal((refused.json().error as { code: string }).code, 'PROV_015')
    assert.equal(refused.headers['access-control-allow-origin'], undefined)
    const read = await ask(origin, 'GET')
    assert.equal(read.status, 200)
    assert.equal(read.headers['access-control-allow-origin'], undefined)
    assert.equal((await ask(origin, 'OPTIONS')).status, 403)
    assert.equal((await send({ method: 'DELETE', path: '/nowhere', headers: { Origin: origin } })).status, 403)
  }
  for (const [origin, allowed] of [
    [page, page],
    [server.url, undefined],
  ] as const) {
    const answer = await ask(origin)
    assert.equal(answer.status, 200, origin)
    assert.equal(answer.headers['access-control-allow-origin'], allowed)
    assert.equal(answer.headers.vary, 'Origin')
  }
  const preflight = await send({
    method: 'OPTIONS',
    path: '/api/v1/repository/cells',
    headers: { Origin: page, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'x-api-key' },
  })
  assert.equal(preflight.status, 204)
  assert.equal(preflight.headers['access-control-allow-origin'], page)
  assert.equal(preflight.headers['access-control-allow-methods'], 'GET, HEAD, OPTIONS, POST')
  assert.match(String(preflight.headers['access-control-allow-headers']), /X-API-Key/)
  // A page that asked without a key polls with these.
  assert.match(String(preflight.headers['access-control-allow-headers']), /Quantum-Signature, .*Request-Token/)
  const asked = await ask(page)
  assert.match(String(asked.headers['access-control-expose-headers']), /Request-Token/)
  assert.equal(preflight.headers['access-control-allow-credentials'], undefined)
})

test('an address or URL in the configuration that cannot be read stops the start', async (t) => {
  for (const entry of ['proxy.example', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/', '::1/129']) {
    await assert.rejects(start(t, { trusted_proxies: [entry] }), (error) => {
      assert.ok(error instanceof StartError)
      assert.match(error.message, /http\.trusted_proxies: found/)
      return true
    })
  }
  await assert.rejects(start(t, { public_url: 'https://[' }), StartError)
})

test('two Host headers are refused, whatever they say', async (t) => {
  const { port } = await start(t)
  const send = (hosts: string): Promise<string> =>
    sendRaw(port, `GET /health HTTP/1.1\r\n${hosts}Connection: close\r\n\r\n`)
  assert.match(await send('Host: localhost\r\n'), /^HTTP\/1\.1 200 /)
  for (const second of ['hOst: evil.example', 'Host: localhost']) {
    for (const hosts of [`Host: localhost\r\n${second}\r\n`, `${second}\r\nHost: localhost\r\n`]) {
      assert.match(await send(hosts), /^HTTP\/1\.1 400 [\s\S]*several Host headers/)
    }
  }
})

test('the authority of a target in absolute form is checked as Host is', async (t) => {
  const { port } = await start(t)
  const send = (target: string, method = 'GET'): Promise<string> =>
    sendRaw(port, `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  for (const target of ['http://localhost/ready', 'HTTP://127.0.0.1:8000/ready']) {
    assert.match(await send(target), /^HTTP\/1\.1 200 /, target)
  }
  for (const target of ['http://evil.example/ready', 'https://evil.example', 'http://localhost@evil.example/ready']) {
    assert.match(await send(target), /^HTTP\/1\.1 421 [\s\S]*evil\.example/, target)
  }
  assert.match(await send('http://localhost/ready', 'PUT'), /^HTTP\/1\.1 405 /)
})
