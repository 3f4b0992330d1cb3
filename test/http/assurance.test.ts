import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { BATCH_LIMITS } from '../../protocol/batch.ts'
import { contractServer } from '../contract/server.ts'
import {
  newOperator,
  question,
  ScriptedAnswerer,
  scriptedProver,
  signedBody,
  signedHeaders,
} from '../support/assurance.ts'
import { nextEvent } from '../support/node-pairs.ts'
import { nodeWithServer } from '../support/node-servers.ts'

const QUERY = '/api/v1/query'
const BATCH = '/api/v1/batch'
const NOBODY = {}

async function start(t: TestContext, options: Parameters<typeof nodeWithServer>[1] = {}) {
  const answerer = new ScriptedAnswerer()
  const server = await nodeWithServer(t, { answerer, prover: scriptedProver, ...options })
  const key = await newOperator(server.node)
  const ask = (payload: ReturnType<typeof question>) =>
    server.send('POST', QUERY, signedBody(key, server.node, QUERY, payload), NOBODY)
  return { ...server, answerer, key, ask }
}

const codesOf = (body: Record<string, unknown>): string[] => (body.errors as { code: string }[]).map(({ code }) => code)

test('a failed answer has the status of its error, the code in its body, and what was found', async (t) => {
  const { ask } = await start(t)
  const good = await ask(question('q'))
  assert.equal(good.status, 200)
  assert.equal(good.body.status, 'success')
  const broken = await ask(question('600'))
  assert.equal(broken.status, 422)
  assert.deepEqual(codesOf(broken.body), ['600'])
  assert.deepEqual((broken.body.payload as { constraints_failed: string[] }).constraints_failed, ['c'])
  const conflict = await ask(question('603'))
  assert.equal(conflict.status, 422)
  assert.deepEqual(codesOf(conflict.body), ['603'])
  assert.equal(conflict.body.payload, null)
  const strict = await ask(question('q', { verification_mode: 'strict' }))
  assert.deepEqual([strict.status, strict.body.status, codesOf(strict.body)], [200, 'partial', ['602']])
  const layer = await ask(question('550', { verification_mode: 'audit' }))
  assert.deepEqual([layer.status, codesOf(layer.body)], [500, ['550']])
  const fault = await ask(question('fault'))
  assert.deepEqual([fault.status, codesOf(fault.body)], [500, ['500']])
  assert.doesNotMatch(JSON.stringify(fault.body), /secret/)
})

test('what is no question is refused, and neither answered nor counted', async (t) => {
  const { node, key, send, answerer, url } = await start(t)
  const right = signedBody(key, node, QUERY, question('q'))
  const wrong: Record<string, [number, object]> = {
    'no signature': [400, { ...right, signature: undefined }],
    'an algorithm of its own': [400, { ...right, algorithm: 'hmac-sha256' }],
    'an unknown member in the payload': [400, { ...right, payload: { ...right.payload, tier: 'enterprise' } }],
    'an unknown domain': [400, { ...right, payload: question('q', { context: { domain: 'sports' as 'legal' } }) }],
    'an id that is no UUID': [400, { ...right, request_id: 'request' }],
    'no query': [400, { ...right, payload: question('') }],
    'a query that is too long': [400, { ...right, payload: question('x'.repeat(8193)) }],
    'a query of 1 MB': [413, { ...right, payload: question('x'.repeat(1_000_000)) }],
    'a constraint twice': [
      400,
      { ...right, payload: question('q', { context: { domain: 'general', constraints: ['a', 'a'] } }) },
    ],
  }
  for (const [name, [status, body]] of Object.entries(wrong)) {
    const reply = await send('POST', QUERY, body, NOBODY)
    assert.equal(reply.status, status, `${name}: ${JSON.stringify(reply.body)}`)
    assert.deepEqual(codesOf(reply.body), [String(status)], name)
  }
  const text = JSON.stringify(right)
  const twice = `${text.slice(0, -1)},"payload":{"query":"other","context":{"domain":"general"}}}`
  const reply = await fetch(url + QUERY, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: twice,
  })
  assert.equal(reply.status, 400)
  assert.equal(answerer.asked.size, 0)
  // None of them used up the id.
  assert.equal((await send('POST', QUERY, right, NOBODY)).status, 200)
})

test('answers say what is left of the limit with the fewest left; beyond it they say when to come again', async (t) => {
  const tiers = {
    free: { per_minute: 2, per_day: 1000, batch_size: 10 },
    standard: { per_minute: 100, per_day: 50_000, batch_size: 100 },
    enterprise: { per_minute: 0, per_day: 0, batch_size: 10_000 },
  }
  const { node, send, ask } = await start(t, { tiers })
  const free = await newOperator(node, { tier: 'free' })
  const once = () => send('POST', QUERY, signedBody(free, node, QUERY, question('q')), NOBODY)
  const first = await once()
  assert.equal(first.headers.get('x-ratelimit-limit'), '2')
  assert.equal(first.headers.get('x-ratelimit-remaining'), '1')
  const reset = Number(first.headers.get('x-ratelimit-reset')) - Date.now() / 1000
  assert.ok(reset > 0 && reset <= 31, String(reset))
  assert.equal((await once()).headers.get('x-ratelimit-remaining'), '0')
  const refused = await once()
  assert.equal(refused.status, 429)
  assert.deepEqual(codesOf(refused.body), ['429'])
  const wait = Number(refused.headers.get('retry-after'))
  assert.ok(wait >= 1 && wait <= 30, String(wait))
  assert.equal((await ask(question('q'))).headers.get('x-ratelimit-limit'), null)
})

test('of the limits of an address and of an operator, the one with fewer left is told', async (t) => {
  for (const [anonymous, shown] of [
    [5, '5'],
    [1000, '100'],
  ] as const) {
    const rate_per_minute = { anonymous, reader: 0, publisher: 0, admin: 0 }
    const { node, clock, send } = await contractServer(t, { http: { rate_per_minute } })
    const key = await newOperator(node, { tier: 'standard' })
    const body = signedBody(key, node, QUERY, question('q'), { at: clock.now() })
    const { status, headers } = await send({ method: 'POST', path: QUERY, body })
    assert.deepEqual([status, headers['x-ratelimit-limit']], [200, shown])
  }
})

test('only the administrator manages operators, and a secret is shown once', async (t) => {
  const { send } = await start(t)
  const body = {
    operator_id: 'team@example.org',
    algorithm: 'hmac-sha256',
    permissions: [{ domain: 'legal', jurisdictions: ['EU'] }],
  }
  const path = '/api/v1/operators'
  assert.equal((await send('POST', path, body, NOBODY)).status, 401)
  assert.equal((await send('POST', path, { ...body, secret: '' })).status, 400)
  const made = await send('POST', path, body)
  assert.equal(made.status, 201)
  assert.match(String(made.body.secret), /^[\w-]{43}$/)
  const listed = JSON.stringify((await send('GET', path)).body)
  assert.match(listed, /team@example.org/)
  assert.doesNotMatch(listed, new RegExp(`secret|${made.body.secret}`))
  const one = `${path}/team%40example.org`
  assert.equal((await send('DELETE', one)).body.status, 'suspended')
  const rotated = await send('POST', `${one}/rotate`, {})
  assert.equal(rotated.body.status, 'active')
  assert.notEqual(rotated.body.secret, made.body.secret)
})

test('a batch is submitted, followed, read in pages and in lines, and cancelled, each signed', async (t) => {
  const { node, key, send, url } = await start(t)
  const requests = Array.from({ length: 120 }, (_, i) => question(`q${i}`))
  const complete = nextEvent(node, 'batch_complete')
  const submitted = await send('POST', BATCH, signedBody(key, node, BATCH, { requests }), NOBODY)
  assert.equal(submitted.status, 202, JSON.stringify(submitted.body))
  await complete
  const at = `${BATCH}/${submitted.body.batch_id}`
  const get = (path: string, as = key) => send('GET', path, undefined, signedHeaders(as, node, 'GET', path))
  const status = await get(`${at}/status`)
  assert.deepEqual([status.body.status, status.body.progress, status.body.succeeded], ['completed', 1, 120])
  const page = await get(`${at}/results?limit=50&offset=100`)
  assert.deepEqual([(page.body.results as unknown[]).length, page.body.next_offset], [20, null])
  const path = `${at}/results?offset=10`
  const headers = { ...signedHeaders(key, node, 'GET', path), Accept: 'application/x-ndjson' }
  const lines = await fetch(url + path, { headers })
  assert.equal(lines.headers.get('content-type'), 'application/x-ndjson')
  const results = (await lines.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { index: number })
  assert.deepEqual(
    results.map(({ index }) => index),
    requests.slice(10).map((_, i) => i + 10),
  )

  const other = await newOperator(node)
  assert.equal((await get(`${at}/status`, other)).status, 404)
  assert.equal((await send('GET', `${at}/status`, undefined, NOBODY)).status, 401)
  const elsewhere = signedHeaders(key, node, 'GET', `${at}/status`)
  assert.equal((await send('GET', `${at}/results`, undefined, elsewhere)).status, 401)
  const cancelled = await send('DELETE', at, undefined, signedHeaders(key, node, 'DELETE', at))
  assert.deepEqual([cancelled.status, cancelled.body.status], [200, 'completed'])
})

test('a batch of the most questions is taken at once, and the node answers others meanwhile', async (t) => {
  const { node, key, send, url } = await start(t)
  const requests = Array.from({ length: BATCH_LIMITS.questions }, (_, i) => question(`question number ${i}`))
  const complete = nextEvent(node, 'batch_complete')
  assert.equal((await send('POST', BATCH, signedBody(key, node, BATCH, { requests }), NOBODY)).status, 202)
  let done = false
  let healthy = 0
  const { succeeded } = await Promise.all([complete, askHealth()]).then(([event]) => event)
  assert.equal(succeeded, BATCH_LIMITS.questions)
  assert.ok(healthy > 10, String(healthy))

  async function askHealth(): Promise<void> {
    complete.then(() => {
      done = true
    })
    while (!done) {
      const health = await fetch(`${url}/health`)
      if ((await health.text()) === 'OK') healthy++
    }
  }
})
