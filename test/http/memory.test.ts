import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROUTES } from '../../src/http/routes.ts'
import { startHttp } from '../../src/http/server.ts'
import { USUAL_RATES } from '../../src/http/session-guard.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { createMetrics } from '../../src/kernel/telemetry/metrics.ts'
import { contractServer } from '../contract/server.ts'
import { silentLogger } from '../network/nodes.ts'
import { fakeLlm } from '../support/llms.ts'
import { nodeInProcess } from '../support/node-pairs.ts'
import { ADMIN, ADMIN_KEY, type Call, type Reply, send, UNLIMITED_MEMORY } from './harness.ts'

interface Failure {
  readonly code: string
  readonly message: string
  readonly details: { readonly session_id?: string; readonly operation: string; readonly timestamp: string }
  readonly retry_after?: number
}

const errorOf = (reply: Reply): Failure => reply.json().error as Failure

type Send = (call: Call) => Promise<Reply>

async function newSession(sendTo: Send, body: object = {}) {
  const made = await sendTo({ method: 'POST', path: '/api/v2/sessions', body })
  assert.equal(made.status, 201, made.text)
  const { session_id, token } = made.json()
  const headers = { Authorization: `Bearer ${token}` }
  const call = (method: string, path: string, content?: unknown, more: Record<string, string> = {}) =>
    sendTo({
      method,
      path: `/api/v2${path}`,
      headers: { ...headers, ...more },
      ...(content === undefined ? {} : { body: content }),
    })
  return { id: String(session_id), token: String(token), headers, call }
}

/** A server whose limits are those of the document. */
async function limitedServer(t: Parameters<typeof nodeInProcess>[0], rates = USUAL_RATES): Promise<Send> {
  const { node, config } = await nodeInProcess(t)
  const server = await startHttp(node, {
    config: { ...config.http, port: 0, rate_per_minute: { anonymous: 1000, reader: 0, publisher: 0, admin: 0 } },
    cells: config.cells,
    adminKey: ADMIN_KEY,
    logger: silentLogger,
    metrics: createMetrics(),
    clock: systemClock,
    memoryRates: rates,
  })
  t.after(() => server.close())
  return (call) => send(Number(new URL(server.url).port), call)
}

test('every route about sessions × no, a wrong, an expired, a deleted and another credential', async (t) => {
  const { send: sendTo, clock, node, key } = await contractServer(t)
  const routes = ROUTES.filter(({ access, family }) => family === 'memory' && access.startsWith('session:'))
  assert.ok(routes.length >= 15)
  const own = await newSession(sendTo)
  const gone = await newSession(sendTo)
  assert.equal((await gone.call('DELETE', `/sessions/${gone.id}`)).status, 204)
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })
  const [header, claims] = own.token.split('.') as [string, string]
  const none = Buffer.from('{"alg":"none","typ":"cytoplex-session+jwt"}').toString('base64url')
  const refused: [what: string, headers: Record<string, string>, code: string][] = [
    ['nothing', {}, 'INVALID_SESSION_TOKEN'],
    ["the administrator's key", ADMIN, 'INVALID_SESSION_TOKEN'],
    ["the administrator's key as a token", bearer(ADMIN_KEY), 'INVALID_SESSION_TOKEN'],
    ["a reader's key", await key('reader'), 'INVALID_SESSION_TOKEN'],
    ['a token and a key', { ...ADMIN, ...own.headers }, 'INVALID_SESSION_TOKEN'],
    ['the id of the session', bearer(own.id), 'INVALID_SESSION_TOKEN'],
    ['a token without a signature', bearer(`${none}.${claims}.`), 'INVALID_SESSION_TOKEN'],
    ['a token that says that it has none', bearer(`${none}.${claims}.AAAA`), 'INVALID_SESSION_TOKEN'],
    ['a forged token', bearer(`${header}.${claims}.${'A'.repeat(86)}`), 'INVALID_SESSION_TOKEN'],
    ['the token of a session that is gone', gone.headers, 'INVALID_SESSION_TOKEN'],
  ]
  const walk = async (cases: typeof refused): Promise<void> => {
    for (const { method, path, memory } of routes) {
      const filled = path
        .replace(':session_id', own.id)
        .replace(':conversation_id', `conv_${'0'.repeat(32)}`)
        .replace(':agent_name', 'beatrice')
        .replace(/:[a-z_]+/g, 'any')
      for (const [what, headers, code] of cases) {
        // The body would be wrong too, and nobody looks at it.
        const body = method === 'GET' || method === 'DELETE' ? {} : { body: 'nonsense' }
        const reply = await sendTo({ method, path: filled, headers, ...body })
        const name = `${method} ${path}: ${what}`
        assert.equal(reply.status, 401, `${name}: ${reply.text}`)
        const { code: found, details } = errorOf(reply)
        assert.equal(found, code, name)
        assert.equal(details.operation, memory?.operation, name)
        assert.equal(reply.headers['www-authenticate'], 'Bearer', name)
      }
    }
  }
  await walk(refused)
  const access = await node.memory.authorize(own.token)
  assert.equal(node.memory.session(access).total_turns, 0)
  clock.advance(121 * 60_000)
  await walk([['an expired token', own.headers, 'SESSION_EXPIRED']])
})

test("somebody else's ids, and those that nobody has, are 404 in the same words", async (t) => {
  const { send: sendTo } = await contractServer(t)
  const [own, other] = [await newSession(sendTo), await newSession(sendTo)]
  const start = { session_id: other.id, directive: 'a secret' }
  const { conversation_id } = (await other.call('POST', '/conversations', start)).json()
  const words = new Set<string>()
  const ask = async (method: string, path: string, body?: unknown): Promise<void> => {
    const reply = await own.call(method, path, body)
    assert.equal(reply.status, 404, `${method} ${path}: ${reply.text}`)
    const { code, message, details } = errorOf(reply)
    words.add(`${code} ${message}`)
    assert.equal(details.session_id, own.id)
  }
  for (const id of [conversation_id, `conv_${'0'.repeat(32)}`]) {
    await ask('GET', `/conversations/${id}`)
    await ask('POST', `/conversations/${id}/turns`, { agent: 'a', content: 'x' })
    await ask('POST', `/conversations/${id}/complete`)
  }
  for (const id of [other.id, `sess_${'0'.repeat(32)}`, 'sess_x']) {
    await ask('GET', `/sessions/${id}`)
    await ask('DELETE', `/sessions/${id}`)
    await ask('GET', `/sessions/${id}/context`)
    await ask('PUT', `/sessions/${id}/agents/a/state`, { state_updates: { a: 1 } })
  }
  await ask('POST', '/conversations', start)
  assert.deepEqual([...words].toSorted(), [
    'CONVERSATION_NOT_FOUND there is no such conversation in this session',
    'SESSION_NOT_FOUND there is no such session',
  ])
})

test('what the guard, the parser and the schema refuse has the documented shape too', async (t) => {
  const { send: sendTo } = await contractServer(t)
  const { id, call } = await newSession(sendTo)
  const { conversation_id } = (await call('POST', '/conversations', { session_id: id, directive: 'x' })).json()
  const turns = `/conversations/${conversation_id}/turns`
  const json = { 'Content-Type': 'application/json' }
  const cases: [Promise<Reply>, number, string][] = [
    [call('POST', turns, 'no JSON', json), 400, 'INVALID_REQUEST'],
    [call('POST', turns, { agent: 'a' }), 400, 'INVALID_REQUEST'],
    [call('POST', turns, { agent: 'a', content: 'x'.repeat(256 * 1024 + 1) }), 400, 'INVALID_REQUEST'],
    [call('POST', turns, { agent: 'a', content: 'x'.repeat(10_000_000) }), 413, 'INVALID_REQUEST'],
    [call('POST', turns, 'x', { 'Content-Type': 'text/plain' }), 415, 'INVALID_REQUEST'],
    [call('POST', turns, { agent: 'a', content: 'x' }, { Host: 'evil.example' }), 421, 'INVALID_REQUEST'],
    [call('POST', turns, { agent: 'a', content: 'x' }, { Origin: 'https://evil.example' }), 403, 'PERMISSION_DENIED'],
  ]
  for (const [answered, status, code] of cases) {
    const reply = await answered
    assert.equal(reply.status, status, reply.text)
    const { code: found, message, details } = errorOf(reply)
    assert.equal(found, code)
    assert.ok(message.length > 0)
    assert.equal(details.operation, 'add_turn')
    assert.ok(Math.abs(Date.parse(details.timestamp) - Date.now()) < 60_000)
  }
  const largest = { agent: 'a', content: '\u0001'.repeat(256 * 1024) }
  const added = await call('POST', turns, largest)
  assert.equal(added.status, 201)
  assert.equal(added.json().content, largest.content)
})

test('a whole conversation over HTTP, with its state and ETags', async (t) => {
  const { send: sendTo } = await contractServer(t)
  const { id, call } = await newSession(sendTo, { initial_context: 'tests', user_preferences: { context_depth: 2 } })
  const started = (await call('POST', '/conversations', { session_id: id, directive: 'Fibonacci' })).json()
  const path = `/conversations/${started.conversation_id}`
  const added = await call('POST', `${path}/turns`, {
    agent: 'beatrice',
    content: 'recursion',
    metadata: { model: 'm' },
  })
  assert.deepEqual([added.json().turn_id, added.json().stored], ['turn_002', true])
  const page = (await call('GET', `${path}?after=1`)).json()
  assert.deepEqual(page.next, null)
  assert.deepEqual((page.turns as { metadata: unknown }[])[0]?.metadata, { model: 'm' })
  assert.equal((await call('POST', `${path}/complete`)).json().total_turns, 2)

  const state = `/sessions/${id}/agents/beatrice/state`
  const before = await call('GET', state)
  const update = { state_updates: { new_learned_pattern: { pattern: 'a' } }, update_reason: 'feedback' }
  const match = { 'If-Match': String(before.headers.etag) }
  const updated = await call('PUT', state, update, match)
  assert.deepEqual(updated.json().updated_fields, ['learned_patterns'])
  const stale = await call('PUT', state, update, match)
  assert.deepEqual([stale.status, errorOf(stale).code], [412, 'PRECONDITION_FAILED'])
  const after = await call('GET', state)
  assert.equal(after.headers.etag, updated.headers.etag)
  const refreshed = (await call('POST', `/sessions/${id}/token`, { permissions: ['read'] })).json()
  const reading = { Authorization: `Bearer ${refreshed.session_token}` }
  const denied = await sendTo({ method: 'PUT', path: `/api/v2${state}`, headers: reading, body: update })
  assert.deepEqual([denied.status, errorOf(denied).code], [403, 'PERMISSION_DENIED'])
  assert.equal((await call('DELETE', `/sessions/${id}`)).status, 204)
  assert.equal((await call('GET', `/sessions/${id}`)).status, 401)
})

test('of the limits of a session, its kind and its address, the headers tell of the one with the fewest left', async (t) => {
  const sendTo = await limitedServer(t, { ...USUAL_RATES, context: 4, total: 6 })
  const one = await newSession(sendTo)
  const context = () => one.call('GET', `/sessions/${one.id}/context`)
  const remaining = ({ headers }: Reply): unknown[] =>
    ['limit', 'remaining', 'window'].map((name) => headers[`x-ratelimit-${name}`])
  assert.deepEqual(remaining(await context()), ['4', '3', '60'])
  for (let i = 0; i < 3; i++) await context()
  const refused = await context()
  assert.equal(refused.status, 429)
  assert.deepEqual(remaining(refused), ['4', '0', '60'])
  const { code, retry_after, details } = errorOf(refused)
  assert.deepEqual([code, details.operation], ['RATE_LIMIT_EXCEEDED', 'get_context'])
  assert.equal(String(retry_after), refused.headers['retry-after'])
  assert.ok(Number(refused.headers['x-ratelimit-reset']) > Date.now() / 1000)
  // What was refused took nothing of the other limits.
  assert.deepEqual(remaining(await one.call('GET', `/sessions/${one.id}`)), ['6', '1', '60'])
  assert.equal((await one.call('GET', `/sessions/${one.id}`)).status, 200)
  assert.equal((await one.call('GET', `/sessions/${one.id}`)).status, 429)
  const other = await newSession(sendTo)
  assert.equal((await other.call('GET', `/sessions/${other.id}/context`)).status, 200)
})

test('an address starts as many sessions as it may', async (t) => {
  const sendTo = await limitedServer(t)
  for (let i = 0; i < 10; i++) await newSession(sendTo)
  const refused = await sendTo({ method: 'POST', path: '/api/v2/sessions', body: {} })
  assert.equal(refused.status, 429)
  assert.deepEqual(
    [errorOf(refused).code, errorOf(refused).details.operation],
    ['RATE_LIMIT_EXCEEDED', 'create_session'],
  )
  assert.equal(refused.headers['x-ratelimit-limit'], '10')
})

test('where answers to chats cost the operator something, a session is started with a key', async (t) => {
  const { node, config } = await nodeInProcess(t, { llm: fakeLlm({ spendsCredential: true }) })
  const server = await startHttp(node, {
    config: { ...config.http, port: 0 },
    cells: config.cells,
    adminKey: ADMIN_KEY,
    logger: silentLogger,
    metrics: createMetrics(),
    clock: systemClock,
    memoryRates: UNLIMITED_MEMORY,
  })
  t.after(() => server.close())
  const create = async (headers: Record<string, string>): Promise<number> =>
    (await send(Number(new URL(server.url).port), { method: 'POST', path: '/api/v2/sessions', headers, body: {} }))
      .status
  assert.equal(await create({}), 401)
  assert.equal(await create({ 'X-API-Key': 'wrong' }), 401)
  assert.equal(await create(ADMIN), 201)
})

test('a full node says when to try again', async (t) => {
  const { send: sendTo } = await contractServer(t, { settings: { 'memory.max_sessions': '0' } })
  const refused = await sendTo({ method: 'POST', path: '/api/v2/sessions', body: {} })
  assert.equal(refused.status, 503)
  assert.deepEqual([errorOf(refused).code, errorOf(refused).retry_after], ['MEMORY_SERVICE_ERROR', 3600])
  assert.equal(refused.headers['retry-after'], '3600')
  assert.equal(refused.headers['x-ratelimit-window'], undefined)
})
