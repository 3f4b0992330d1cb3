import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProviderError, StartError } from '../../src/kernel/base/errors.ts'
import { ADMIN, start } from './harness.ts'

test('health and readiness', async (t) => {
  const { node, send } = await start(t)
  const health = await send({ path: '/health' })
  assert.equal(health.text, 'OK')
  assert.equal(health.headers['content-type'], 'text/plain; charset=utf-8')
  const head = await send({ path: '/health', method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.headers['content-length'], '2')
  assert.equal(head.text, '')

  const ready = async () => {
    const { status, text } = await send({ path: '/ready' })
    return { status, text }
  }
  assert.deepEqual(await ready(), { status: 200, text: 'READY' })
  node.state = { ready: true, degraded: true, reasons: ['one seed is away', 'disk is slow'] }
  assert.deepEqual(await ready(), { status: 200, text: 'DEGRADED: one seed is away; disk is slow' })
  node.state = { ready: false, degraded: true, reasons: ['no peers'] }
  assert.deepEqual(await ready(), { status: 503, text: 'NOT READY: no peers' })
})

test('info and peers', async (t) => {
  const { node, send } = await start(t)
  const info = await send({ path: '/api/v1/discovery/info' })
  assert.equal(info.status, 200)
  assert.equal(info.json().provider_id, node.providerId)
  const peers = await send({ path: '/api/v1/peers', headers: ADMIN })
  assert.deepEqual(peers.json(), node.peers())
})

test('who the node is in the agent network, and how it stands to its federation', async (t) => {
  const { node, send } = await start(t)
  assert.deepEqual((await send({ path: '/info' })).json(), node.nodeInfo())
  assert.deepEqual((await send({ path: '/status' })).json(), await node.nodeStatus())
})

test('the health of the provider: its components, and how requests went', async (t) => {
  const { node, send } = await start(t)
  const path = '/api/v1/discovery/health'
  const first = (await send({ path })).json()
  assert.deepEqual(first, {
    ...(await node.componentHealth()),
    metrics: { current_request_rate: 0, average_response_time_ms: null, success_rate_percent: null },
  })
  node.failure = new Error('broken')
  assert.equal((await send({ path })).status, 500)
  await send({ path: '/nowhere' })
  await send({ path: '/health' })
  const metrics = (await send({ path })).json().metrics as Record<string, number>
  assert.equal(metrics.success_rate_percent, 75)
  assert.ok(metrics.current_request_rate! > 0)
  assert.ok(metrics.average_response_time_ms! > 0)
})

test('a search for a capability: what it is told, and what it refuses', async (t) => {
  const { node, send } = await start(t)
  const path = '/api/v1/discovery/capabilities'
  const found = await send({ path: `${path}?capability=parse&version=%5E1.0.0&include_details=true` })
  assert.deepEqual([found.status, found.json()], [200, { capabilities: [] }])
  assert.deepEqual(node.searches, [{ capability: 'parse', version: '^1.0.0', include_details: true }])
  for (const query of ['', '?version=1.0.0', '?capability=Parse!', '?capability=a&capability=b']) {
    const refused = await send({ path: path + query })
    assert.equal(refused.status, 400, query)
    assert.equal((refused.json().error as { code: string }).code, 'PROV_001', query)
  }
  assert.equal(node.searches.length, 1)
  node.failure = new ProviderError('PROV_001', 'version: found "x"')
  assert.equal((await send({ path: `${path}?capability=parse&version=x` })).status, 400)
})

test('the provider registry, package by package, for the administrator', async (t) => {
  const { node, send } = await start(t)
  const ask = async (path: string) => {
    const { status, json } = await send({ path: `/api/v1/providers${path}`, headers: ADMIN })
    return { status, body: json() }
  }
  assert.deepEqual(await ask(''), { status: 200, body: { packages: node.providers.packages() } })
  assert.deepEqual(await ask('/rankers'), { status: 200, body: node.providers.package('rankers') })
  assert.deepEqual(await ask('/rankers/memory'), { status: 200, body: node.providers.info('rankers', 'memory') })
  const { status, body } = await ask('/tables')
  assert.equal(status, 404)
  assert.deepEqual(body.error, { code: 'PROV_001', message: 'there is no package "tables"' })
  assert.equal((await ask(`/${'x'.repeat(65)}`)).status, 400)
  assert.equal((await send({ path: '/api/v1/providers' })).status, 401)
})

test('metrics count requests by route and status', async (t) => {
  const { send } = await start(t)
  await send({ path: '/health' })
  await send({ path: '/health' })
  await send({ path: '/api/v1/repository/cells/missing' })
  await send({ path: '/nowhere/with/something' })
  const metrics = await send({ path: '/metrics' })
  assert.equal(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  for (const line of [
    'cytoplex_http_requests_total{route="/health",status="200"} 2',
    'cytoplex_http_requests_total{route="/api/v1/repository/cells/:cell_type",status="404"} 1',
    'cytoplex_http_requests_total{route="none",status="404"} 1',
    'cytoplex_http_request_duration_seconds_count{route="/health"} 2',
  ]) {
    assert.ok(metrics.text.includes(`${line}\n`), line)
  }
})

test('requests are logged with their id for who looks closely', async (t) => {
  const { send, logs } = await start(t, {}, 'debug')
  await send({ path: '/health', headers: ADMIN })
  await send({ method: 'POST', path: '/api/v1/cells/request', body: { request_id: 'r', capability: 'add' } })
  const lines = logs.filter((line) => line.msg === 'request')
  assert.deepEqual(
    lines.map(({ method, url, status }) => ({ method, url, status })),
    [
      { method: 'GET', url: '/health', status: 200 },
      { method: 'POST', url: '/api/v1/cells/request', status: 200 },
    ],
  )
  assert.equal(new Set(lines.map((line) => line.request_id)).size, 2)
  assert.doesNotMatch(JSON.stringify(logs), new RegExp(ADMIN['X-API-Key']))
})

test('the reference comes from this node alone', async (t) => {
  const { send } = await start(t)
  const page = await send({ path: '/docs' })
  assert.equal(page.status, 200)
  assert.match(String(page.headers['content-type']), /^text\/html/)
  assert.match(
    String(page.headers['content-security-policy']),
    /default-src 'none'; script-src 'self';.*connect-src 'self'/,
  )
  assert.doesNotMatch(page.text, /https?:\/\/|<script>|onload=/)
  const scripts = [...page.text.matchAll(/src="([^"]+)"/g)].map((match) => match[1]!)
  assert.deepEqual(scripts, ['/docs/viewer.js', '/docs/start.js'])
  for (const path of scripts) {
    const script = await send({ path })
    assert.equal(script.status, 200)
    assert.match(String(script.headers['content-type']), /^text\/javascript/)
    assert.ok(script.bytes.length > 100)
  }
  const started = await send({ path: '/docs/start.js' })
  assert.match(started.text, /"withDefaultFonts":false/)
  assert.match(started.text, /"telemetry":false/)
})

test('a port that is taken is a reason not to start', async (t) => {
  const { port } = await start(t)
  await assert.rejects(start(t, { port }), (error) => {
    assert.ok(error instanceof StartError)
    assert.match(
      error.message,
      new RegExp(`cannot listen for HTTP on 127\\.0\\.0\\.1:${port}: another program uses that port`),
    )
    return true
  })
})

test('the URL of a server works, on whatever it listens', async (t) => {
  for (const host of ['127.0.0.1', '0.0.0.0', 'localhost']) {
    const { server } = await start(t, { host })
    assert.match(server.url, /^http:\/\/(127\.0\.0\.1|\[::1\]):[0-9]+$/)
    const answer = await fetch(`${server.url}/health`)
    assert.equal(await answer.text(), 'OK')
  }
})

test('the transparency log: checkpoint, proofs and tiles', async (t) => {
  const { node, send } = await start(t)
  const checkpoint = await send({ path: '/api/v1/log/checkpoint' })
  assert.equal(checkpoint.text, node.log.checkpoint())
  assert.equal(checkpoint.headers['content-type'], 'text/plain; charset=utf-8')
  assert.equal(checkpoint.headers['cache-control'], 'no-store')
  const inclusion = await send({ path: '/api/v1/log/inclusion?log_index=3&tree_size=9' })
  assert.deepEqual(inclusion.json(), node.log.inclusion(3, 9))
  const consistency = await send({ path: '/api/v1/log/consistency?from=2' })
  assert.deepEqual(consistency.json(), node.log.consistency(2))
  const tile = await send({ path: '/api/v1/log/tile/0/000.p/1' })
  assert.deepEqual(tile.bytes, Buffer.alloc(32, 7))
  const another = '12D3KooWBhebGKJkGuXZzWHNBBrvd6AE74Fymy6JRCAZo4QE2Z1k'
  const foreign = await send({ path: `/api/v1/log/consistency?from=2&to=3&provider_id=${another}` })
  assert.deepEqual(foreign.json(), { from: 2, to: 3, hashes: ['another'] })
  assert.deepEqual((await send({ path: '/api/v1/log/witnesses' })).json(), node.log.witnesses())
  assert.deepEqual((await send({ path: '/api/v1/log/evidence' })).json(), await node.log.evidence({}))
  assert.deepEqual((await send({ path: '/api/v1/log/epochs' })).json(), node.log.epochs({}))
  assert.equal((await send({ path: `/api/v1/log/epochs?provider_id=${another}` })).json().provider_id, another)
  for (const [path, status] of [
    ['/api/v1/log/consistency?from=1&epoch=0', 400],
    ['/api/v1/log/evidence?after=x', 400],
    ['/api/v1/log/inclusion', 400],
    ['/api/v1/log/inclusion?log_index=-1', 400],
    ['/api/v1/log/inclusion?log_index=a', 400],
    ['/api/v1/log/consistency?from=x', 400],
    ['/api/v1/log/tile/0/001', 404],
    ['/api/v1/log/tile/../../secret', 404],
    [`/api/v1/log/tile/${'0'.repeat(100)}`, 404],
  ] as const) {
    assert.equal((await send({ path })).status, status, path)
  }
})
