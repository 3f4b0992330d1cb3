import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Compile } from 'typebox/compile'
import { documentPath } from '../../scripts/openapi-document.ts'
import { answersOf } from '../../src/http/answers.ts'
import type { Route } from '../../src/http/route.ts'
import { ROUTES } from '../../src/http/routes.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { ADMIN, type Reply } from '../http/harness.ts'
import { CASES } from './cases.ts'
import { contractServer, SILENT, silentPeer } from './server.ts'

/** The document's examples: real answers, recorded by `npm run examples`. */
const EXAMPLES = new URL('../../protocol/examples.json', import.meta.url)
const RECORD = process.env.RECORD_EXAMPLES === '1'
const routes = ROUTES.filter(({ hidden }) => hidden !== true)
const nameOf = (route: Route): string => `${route.method} ${documentPath(route)}`

/** What every route of its kind answers with, whatever it does: who calls, how often, and whether the node works. */
const GENERAL = new Set([401, 403, 429, 500])

const seen = new Map<string, Map<number, unknown>>()

/** The answer is one that the contract names, and has its shape. */
function check(route: Route, status: number, reply: Reply): void {
  const name = nameOf(route)
  assert.equal(reply.status, status, `${name}: ${reply.text.slice(0, 500)}`)
  const answer = answersOf(route)[status]
  assert.ok(answer, `${name} answers ${status}, which is not in its contract`)
  const examples = seen.get(name) ?? new Map<number, unknown>()
  seen.set(name, examples)
  if (answer.schema === undefined) {
    examples.set(status, undefined)
    return
  }
  const body: unknown = JSON.parse(reply.text)
  const schema = Compile(answer.schema)
  const [first] = schema.Check(body) ? [] : schema.Errors(body)
  assert.equal(first, undefined, `${name} ${status}: ${JSON.stringify(first)} in ${reply.text.slice(0, 1000)}`)
  if (!examples.has(status)) examples.set(status, body)
}

/** A path of the route that leads somewhere. */
const anyPath = ({ path }: Route): string =>
  path
    .replace(':digest', `sha256:${'0'.repeat(64)}`)
    .replace(':version', '1.0.0')
    .replace(':key_id', '0'.repeat(16))
    .replace('/vulnerabilities/:id', '/vulnerabilities/CVE-2026-1')
    .replace(/:[a-z_]+/g, 'any')
    .replace('*', '0/000')

test('every status of every route is produced by a real request, in the shape that the contract gives it', async (t) => {
  const follow = [{ capability: 'configured', max_bytes: 1000 }]
  // Receivers of webhooks are on this machine.
  const settings = { 'assurance.webhooks_allow_private': 'true' }
  const server = await contractServer(t, { settings, seeds: [await silentPeer(t)], peers: 1, follow })
  for (const route of routes) {
    const cases = CASES[nameOf(route)]
    assert.ok(cases, `${nameOf(route)} has no cases: add them to cases.ts`)
    for (const [status, produce] of Object.entries(cases))
      check(route, Number(status), await produce(server, () => contractServer(t)))
  }
})

test('a wrong key is 401 on every route, and too small a one 403', async (t) => {
  const { send, key } = await contractServer(t)
  const reader = await key('reader')
  for (const route of routes) {
    const { method } = route
    const path = anyPath(route)
    check(route, 401, await send({ method, path, headers: { 'X-API-Key': 'wrong' } }))
    if (route.access.startsWith('session:')) {
      check(route, 401, await send({ method, path }))
      check(route, 401, await send({ method, path, headers: ADMIN }))
      if (route.access === 'session:any') continue
      const permissions = [route.access === 'session:read' ? 'write' : 'read']
      const { token, session_id } = (
        await send({ method: 'POST', path: '/api/v2/sessions', body: { permissions } })
      ).json()
      const own = path.replace('/sessions/any', `/sessions/${session_id}`)
      check(route, 403, await send({ method, path: own, headers: { Authorization: `Bearer ${token}` } }))
      continue
    }
    if (route.access !== 'admin' && route.access !== 'publisher') continue
    check(route, 401, await send({ method, path }))
    check(route, 403, await send({ method, path, headers: reader }))
  }
})

test('one request too many is 429 on every route', async (t) => {
  const limits = { anonymous: 1, reader: 1, publisher: 1, admin: 1 }
  const { send } = await contractServer(t, { http: { rate_per_minute: limits } })
  await send({ path: '/health' })
  for (const route of routes) {
    const reply = await send({ method: route.method, path: anyPath(route) })
    check(route, 429, reply)
    assert.match(String(reply.headers['retry-after']), /^[1-9][0-9]*$/)
    assert.equal(reply.headers['x-ratelimit-remaining'], '0')
  }
})

test('a store that fails is 500 in every family that reads it, and nothing of the fault leaks', async (t) => {
  const server = await contractServer(t)
  await server.register({ cell_type: 'faulty', version: '1.0.0' })
  const fault = (): never => {
    throw new Error('a secret path: /var/lib')
  }
  t.mock.method(Store.prototype, 'get', fault)
  t.mock.method(Store.prototype, 'scan', fault)
  t.mock.method(Store.prototype, 'transact', async () => fault())
  const faulty = [
    ['POST /api/v1/cells/request/specific', { body: { request_id: 'r', cell_type: 'faulty' } }],
    ['GET /api/v1/repository/cells', {}],
    ['GET /api/v1/discovery/info', {}],
    ['GET /api/v1/log/inclusion', { query: '?log_index=0' }],
    ['POST /api/v1/keys', { body: { role: 'reader', name: 'x' } }],
    ['POST /api/v1/goals', { body: { goal_id: 'faulty', evaluator: { digest: `sha256:${'0'.repeat(64)}` } } }],
  ] as const
  for (const [name, call] of faulty) {
    const route = routes.find((one) => nameOf(one) === name)!
    const query = 'query' in call ? call.query : ''
    const body = 'body' in call ? { body: call.body } : {}
    const reply = await server.admin({ method: route.method, path: `${anyPath(route)}${query}`, ...body })
    check(route, 500, reply)
    assert.doesNotMatch(reply.text, /secret/)
  }
  t.mock.restoreAll()
})

test('a poll after the time of a request is 504', async (t) => {
  const server = await contractServer(t, { seeds: [await silentPeer(t)], peers: 1 })
  const headers = { ...(await server.key('reader')), Prefer: 'wait=0' }
  const path = '/api/v1/cells/request'
  const asked = await server.send({ method: 'POST', path, headers, body: { request_id: 'r', capability: SILENT } })
  assert.equal(asked.status, 202)
  const route = routes.find((one) => nameOf(one) === `GET ${path}/{request_id}`)!
  server.clock.advance(11 * 60_000)
  check(route, 504, await server.send({ path: `${path}/r`, headers }))
})

test('a node without the peers that it needs is not ready', async (t) => {
  const { send } = await contractServer(t, { seeds: ['127.0.0.1:1'] })
  check(routes.find((one) => nameOf(one) === 'GET /ready')!, 503, await send({ path: '/ready' }))
})

test('nothing that the contract names was left out', () => {
  const missing = routes.flatMap((route) =>
    Object.keys(answersOf(route))
      .map(Number)
      .filter((status) => status !== 500 && !seen.get(nameOf(route))?.has(status))
      .map((status) => `${nameOf(route)} ${status}`),
  )
  assert.deepEqual(missing, [])
})

/** Status codes of the Provider API, as the document lists them. */
const DOCUMENTED: Readonly<Record<string, readonly number[]>> = {
  'POST /api/v1/cells/request': [200, 202, 401, 404, 429, 500],
  'POST /api/v1/cells/request/specific': [200, 202, 401, 404, 429, 500],
  'GET /api/v1/cells/request/{request_id}': [200, 202, 401, 404, 429, 500],
  'DELETE /api/v1/cells/request/{request_id}': [200, 401, 404, 409, 500],
  'GET /api/v1/repository/cells': [200, 401, 500],
  'GET /api/v1/repository/cells/{cell_type}': [200, 401, 404, 500],
  'POST /api/v1/repository/cells': [201, 400, 401, 409, 500],
  'PUT /api/v1/repository/cells/{cell_type}': [200, 400, 401, 404, 500],
  'DELETE /api/v1/repository/cells/{cell_type}/{version}': [200, 401, 403, 404, 500],
  'POST /api/v1/repository/validate': [200, 400, 401, 500],
  'GET /api/v1/discovery/info': [200, 500],
  'GET /api/v1/discovery/capabilities': [200, 400, 500],
  'GET /api/v1/discovery/health': [200, 500],
  'POST /api/v1/analytics/usage': [202, 400, 401, 500],
  'POST /api/v1/analytics/errors': [202, 400, 401, 500],
  'GET /api/v1/analytics/overview': [200, 401, 500],
  'GET /api/v1/federation/status': [200, 401, 500],
  'POST /api/v1/federation/forward': [202, 400, 401, 403, 500],
  'POST /api/v1/federation/partners': [201, 202, 400, 401, 409, 500],
  'DELETE /api/v1/federation/partners/{provider_id}': [200, 401, 404, 500],
}

/** Status codes of the agent network's REST API, as its document lists them. */
const AGENT_NETWORK: Readonly<Record<string, readonly number[]>> = {
  'POST /api/v1/contribute': [200, 400, 401, 429, 500],
  'GET /api/v1/leaderboard/{goal_id}': [200],
  'GET /api/v1/status/{goal_id}': [200],
  'GET /api/v1/log/{goal_id}': [200],
  'GET /api/v1/policy/{goal_id}': [200],
  'GET /api/v1/proof/{goal_id}/{log_index}': [200, 404],
}

test('every endpoint and status of the documents is among them', () => {
  const missing = Object.entries({ ...DOCUMENTED, ...AGENT_NETWORK }).flatMap(([name, statuses]) => {
    const route = routes.find((one) => nameOf(one) === name)
    return statuses.filter((status) => route === undefined || !(status in answersOf(route))).map((s) => `${name} ${s}`)
  })
  assert.deepEqual(missing, [])
})

test('the examples of the OpenAPI document are such answers', async () => {
  const actual = Object.fromEntries(
    [...seen].map(([name, statuses]) => [
      name,
      Object.fromEntries([...statuses].filter(([status, body]) => body !== undefined && !GENERAL.has(status))),
    ]),
  )
  if (RECORD) await writeFile(EXAMPLES, `${JSON.stringify(actual, null, 2)}\n`)
  const stored = JSON.parse(await readFile(EXAMPLES, 'utf8')) as typeof actual
  assert.deepEqual(Object.keys(stored), Object.keys(actual), 'run `npm run examples`')
  for (const [name, answers] of Object.entries(actual))
    assert.deepEqual(outline(stored[name], name), outline(answers, name), 'run `npm run examples`')
})

/** Answers whose words depend on the machine, on the random order of things that were made at one time, or on what peers have heard by then. */
const VARYING = ['GET /api/v1/discovery/health', 'GET /api/v1/keys', 'POST /api/v1/doctor']

/** What stays the same from one run to the next: names, types, and words; not numbers, ids, times and signatures. */
function outline(value: unknown, route: string): unknown {
  if (Array.isArray(value)) return value.map((item) => outline(item, route))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, outline(item, route)]))
  }
  if (VARYING.includes(route)) return '#'
  if (typeof value === 'number') return 0
  if (typeof value !== 'string') return value
  return value.replaceAll(/[A-Za-z0-9+/=_.:-]*[0-9][A-Za-z0-9+/=_.:-]*|[A-Za-z0-9+/=_-]{22,}/g, '#')
}
