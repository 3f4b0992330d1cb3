import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { ERRORS, type ErrorCode, INTERNAL_ERROR } from '../../protocol/errors.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { ADMIN, sendRaw, start } from './harness.ts'

const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

test('every code of the table reaches the client with its status and in the shape of the family', async (t) => {
  const { node, send } = await start(t)
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const message = `about ${code}`
    node.failure = new ProviderError(code, message)
    const cells = await send({
      method: 'POST',
      path: '/api/v1/cells/request',
      body: { request_id: 'r', capability: 'add' },
    })
    assert.equal(cells.status, ERRORS[code].status)
    assert.deepEqual(cells.json(), { request_id: 'r', status: 'error', error: { code, message } })

    for (const path of ['/api/v1/repository/cells', '/api/v1/discovery/info']) {
      node.failure = new ProviderError(code, message)
      const answer = await send({ path })
      assert.equal(answer.status, ERRORS[code].status)
      assert.deepEqual(answer.json(), { status: 'error', message, error: { code, message } })
    }
  }
})

test('what nobody expected has a code outside the table, and is logged', async (t) => {
  const { node, send, logs } = await start(t)
  assert.ok(!(INTERNAL_ERROR in ERRORS))
  node.failure = new Error('a secret of the node')
  const answer = await send({ path: '/api/v1/repository/cells' })
  assert.equal(answer.status, 500)
  assert.equal((answer.json().error as { code: string }).code, INTERNAL_ERROR)
  assert.doesNotMatch(answer.text, /secret/)
  assert.match(JSON.stringify(logs), /a secret of the node/)
})

test('a full disk or quota is PROV_014, however deep it is found', async (t) => {
  const { node, send, logs } = await start(t)
  const full = (code: string): Error => Object.assign(new Error(`${code}: write`), { code })
  const failures = [
    full('ENOSPC'),
    full('EDQUOT'),
    new Error('the batch failed', { cause: new Error('IO', { cause: full('ENOSPC') }) }),
  ]
  for (const failure of failures) {
    node.failure = failure
    const answer = await send({ path: '/api/v1/repository/cells' })
    assert.equal(answer.status, 507)
    assert.equal((answer.json().error as { code: string }).code, 'PROV_014')
  }
  assert.equal(logs.filter(({ msg }) => msg === 'request failed').length, failures.length)
})

test('who is refused is gone after a second, even when it keeps its half of the connection open', async (t) => {
  const { port, server } = await start(t)
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => socket.destroy())
  socket.on('error', () => undefined)
  const [held] = (await Promise.all([
    once(server.app.server, 'connection'),
    once(socket, 'connect').then(() => socket.write('nonsense\r\n\r\n')),
  ]).then(([[own]]) => [own])) as [Socket]
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  const started = performance.now()
  await once(held, 'close')
  assert.match(answer, /^HTTP\/1\.1 400 /)
  assert.ok(performance.now() - started < 5000)
})

test('an unknown route is 404, a known one with another method 405', async (t) => {
  const { send } = await start(t)
  for (const path of ['/nowhere', '/api/v1/cells', '/health/', '/HEALTH', '/api/v1/cells/packages/a/b']) {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const answer = await send({ method, path, headers: { 'Content-Type': 'text/plain' }, body: 'ignored' })
      assert.equal(answer.status, 404, `${method} ${path}`)
      assert.match(String(answer.json().message), /^no such route/)
    }
  }
  const others: [string, string, string][] = [
    ['PUT', '/health', 'GET, HEAD, OPTIONS'],
    ['GET', '/api/v1/cells/request', 'OPTIONS, POST'],
    ['DELETE', '/api/v1/cells/request', 'OPTIONS, POST'],
    ['PATCH', '/api/v1/repository/cells?x=1', 'GET, HEAD, OPTIONS, POST'],
    ['POST', '/api/v1/repository/cells/adder/1.0.0', 'DELETE, OPTIONS, PATCH'],
    ['POST', `/api/v1/cells/packages/sha256:${'0'.repeat(64)}`, 'GET, HEAD, OPTIONS'],
    ['PROPFIND', '/health', 'GET, HEAD, OPTIONS'],
  ]
  for (const [method, path, allow] of others) {
    const answer = await send({ method, path })
    assert.equal(answer.status, 405, `${method} ${path}`)
    assert.equal(answer.headers.allow, allow)
  }
  const options = await send({ method: 'OPTIONS', path: '/health' })
  assert.equal(options.status, 204)
  assert.equal(options.headers.allow, 'GET, HEAD, OPTIONS')
})

test('URLs and requests that cannot be read', async (t) => {
  const { send, port } = await start(t)
  for (const path of ['/%', '/%zz', '/api/v1/repository/cells/%ff', '/%c0%af']) {
    const answer = await send({ path })
    assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status}`)
    assert.equal(answer.json().status, 'error')
  }
  const bad: [string, RegExp][] = [
    ['nonsense\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [`GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
  ]
  for (const [text, status] of bad) {
    const answer = await sendRaw(port, text)
    assert.match(answer, status)
    assert.match(answer, /"code":"PROV_001"/)
    assert.match(answer, /X-Content-Type-Options: nosniff/)
  }
  assert.equal((await send({ path: '/health' })).status, 200)
})

test('every kind of answer has the security headers', async (t) => {
  const { node, send } = await start(t)
  node.packages.set(`sha256:${'0'.repeat(64)}`, Buffer.from('x'))
  const calls = [
    { path: '/health' },
    { path: '/metrics' },
    { path: '/docs' },
    { path: '/openapi.json' },
    { path: '/nowhere' },
    { path: '/%zz' },
    { path: '/health', method: 'PUT' },
    { path: '/health', method: 'OPTIONS' },
    { path: '/health', method: 'HEAD' },
    { path: '/health', headers: { Host: 'evil.example' } },
    { path: '/api/v1/peers' },
    { path: '/api/v1/peers', headers: ADMIN },
    { path: `/api/v1/cells/packages/sha256:${'0'.repeat(64)}` },
    { path: `/api/v1/cells/packages/sha256:${'1'.repeat(64)}` },
    { path: '/api/v1/cells/request', method: 'POST', body: {} },
    { path: '/api/v1/cells/request', method: 'POST', body: { request_id: 'r', capability: 'add' } },
  ]
  for (const call of calls) {
    const { headers } = await send(call)
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
      assert.equal(headers[name], value, `${name} of ${JSON.stringify(call)}`)
    }
  }
})

test('a refused body does not break the connection for the next request', async (t) => {
  const { port } = await start(t)
  const body = 'x'.repeat(10)
  const refused = `POST /api/v1/repository/cells HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const answer = await sendRaw(port, `${refused}GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  assert.match(answer, /^HTTP\/1\.1 401 [\s\S]*HTTP\/1\.1 200 OK[\s\S]*OK$/)
})

test('close lets running requests finish, and takes no new ones', async (t) => {
  const { node, port, send, server } = await start(t)
  node.local = undefined
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  node.outcome = async () => {
    ask()
    await answered
    return { status: 'pending', estimatedWaitMs: 1 }
  }
  const idle = connect(port, '127.0.0.1')
  await once(idle, 'connect')
  const running = send({ method: 'POST', path: '/api/v1/cells/request', body: { request_id: 'r', capability: 'add' } })
  await asked
  const started = performance.now()
  const closed = server.close()
  await once(idle, 'close')
  await assert.rejects(send({ path: '/health' }), /ECONNREFUSED/)
  answer()
  assert.equal((await running).status, 202)
  await closed
  assert.ok(performance.now() - started < 4000, 'it did not wait for the grace period')
})
