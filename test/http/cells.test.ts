import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { CELL, COVERAGE, HEX } from './fake-node.ts'
import { sendRaw, start } from './harness.ts'

const REQUEST = '/api/v1/cells/request'
const SPECIFIC = '/api/v1/cells/request/specific'
const asked = { request_id: 'r-1', capability: 'add' }

test('a hit in the own store is spliced into the answer', async (t) => {
  const { node, port, send } = await start(t)
  const answer = await send({ method: 'POST', path: REQUEST, body: { ...asked, request_id: 'quote " and ü' } })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
  assert.deepEqual(answer.json(), {
    request_id: 'quote " and ü',
    status: 'success',
    cell: { cell_type: 'adder', download_url: `http://127.0.0.1:${port}/x` },
  })
  assert.deepEqual(node.waits, [], 'nobody waited')
})

test('the whole request reaches the query', async (t) => {
  const { node, send } = await start(t)
  const device_info = { platform: 'linux', memory_gb: 2, cpu_cores: 4, gpu_available: false }
  await send({
    method: 'POST',
    path: REQUEST,
    body: {
      ...asked,
      context: { device_info, environment: { deep: [1] } },
      preferences: {
        version_constraints: '^1.2.0',
        optimization_priority: 'memory',
        security_level: 'high',
        publishers: [HEX],
        explain: true,
      },
    },
  })
  await send({
    method: 'POST',
    path: SPECIFIC,
    body: { request_id: 'r', cell_type: 'adder', version: '1.x', preferences: { resolve_dependencies: false } },
  })
  assert.deepEqual(node.queries, [
    {
      by: 'capability',
      name: 'add',
      range: '^1.2.0',
      device: device_info,
      priority: 'memory',
      securityLevel: 'high',
      publishers: [HEX],
      explain: true,
      resolveDependencies: undefined,
    },
    {
      by: 'cell_type',
      name: 'adder',
      range: '1.x',
      device: undefined,
      priority: undefined,
      securityLevel: undefined,
      publishers: undefined,
      explain: undefined,
      resolveDependencies: false,
    },
  ])
})

test('what is not here is asked for in the federation: 200, 202, 404', async (t) => {
  const { node, send } = await start(t)
  node.local = undefined
  const ask = (prefer?: string) =>
    send({ method: 'POST', path: REQUEST, body: asked, headers: prefer === undefined ? {} : { Prefer: prefer } })

  assert.equal((await ask()).json().status, 'success')

  node.outcome = { status: 'pending', estimatedWaitMs: 1500 }
  const pending = await ask('wait=2')
  assert.equal(pending.status, 202)
  assert.deepEqual(pending.json(), { request_id: 'r-1', status: 'pending', estimated_wait_time_ms: 1500 })

  const alternative = { capability: 'add', cell_type: 'a', version: '1.0.0', compatibility_notes: 'older' }
  node.outcome = {
    status: 'not_found',
    code: 'PROV_002',
    alternatives: [alternative],
    coverage: { sources: [...COVERAGE.sources], peers: [], oldest_answer_ms: 0 },
  }
  const missing = await ask('respond-async, wait=900')
  assert.equal(missing.status, 404)
  assert.deepEqual(missing.json(), {
    request_id: 'r-1',
    status: 'not_found',
    code: 'PROV_002',
    alternatives: [alternative],
    coverage: COVERAGE,
  })
  await ask('wait=soon')
  assert.deepEqual(node.waits, [5000, 2000, 30_000, 5000])
})

test('what cannot be understood is refused, and says why', async (t) => {
  const { node, send } = await start(t)
  const refused: [unknown, RegExp][] = [
    [{ request_id: 'r-1' }, /capability is missing/],
    [{}, /request_id, capability are missing/],
    [[], /body: found \[\], allowed is object/],
    [{ ...asked, capability: 'Bad Name' }, /capability: found "Bad Name", allowed is text that matches/],
    [{ ...asked, request_id: '' }, /request_id: found "", allowed is at least 1 characters/],
    [{ ...asked, request_id: 5 }, /request_id: found 5, allowed is string/],
    [
      { ...asked, preferences: { optimization_priority: 'fast' } },
      /preferences\.optimization_priority: found "fast", allowed is "memory" or "speed" or "battery"/,
    ],
    [{ ...asked, context: { device_info: { memory_gb: -1 } } }, /context\.device_info\.memory_gb: found -1, allowed/],
    [
      { ...asked, preferences: { version_constraints: 'latest' } },
      /version_constraints: found "latest", allowed is an npm/,
    ],
    [`{"request_id":"r","request_id":"s","capability":"add"}`, /same key twice/],
    ['{"request_id":', /not JSON/],
    ['', /not JSON/],
    [Buffer.from([0x22, 0xff, 0x22]), /not UTF-8/],
    ['['.repeat(LIMITS.jsonDepth + 1), /nested deeper/],
  ]
  for (const [body, message] of refused) {
    const answer = await send({ method: 'POST', path: REQUEST, body, headers: { 'Content-Type': 'application/json' } })
    assert.equal(answer.status, 400, String(body))
    const { status, error } = answer.json() as { status: string; error: { code: string; message: string } }
    assert.equal(status, 'error')
    assert.equal(error.code, 'PROV_001')
    assert.match(error.message, message)
  }
  const specific = { request_id: 'r', cell_type: 'adder' }
  for (const body of [
    { ...specific, version: 'newest' },
    { ...specific, version: '1.0.0', preferences: { version_constraints: '^2.0.0' } },
  ]) {
    const answer = await send({ method: 'POST', path: SPECIFIC, body })
    assert.equal(answer.status, 400)
    assert.equal(answer.json().request_id, 'r', 'the request id is echoed where it is known')
  }
  assert.equal(node.queries.length, 0)
})

test('a quantum signature is verified before anything is answered; a wrong one is refused', async (t) => {
  const { node, send } = await start(t)
  node.signatures.add('qs1.good')
  const body = { ...asked, quantum_signature: 'qs1.good', more: [1] }
  const path = `${REQUEST}?x=1`
  assert.equal((await send({ method: 'POST', path, body })).status, 200)
  assert.deepEqual(node.targets, [{ method: 'POST', path, body }])
  assert.equal((await send({ method: 'POST', path, body })).status, 401, 'the node accepts it once')
  node.queries.length = 0
  for (const [path, body] of [
    [REQUEST, { ...asked, quantum_signature: 'qs1.x.y' }],
    [SPECIFIC, { request_id: 'r', cell_type: 'adder', quantum_signature: '' }],
  ] as const) {
    const answer = await send({ method: 'POST', path, body })
    assert.equal(answer.status, 401)
    assert.equal((answer.json().error as { code: string }).code, 'PROV_004')
  }
  assert.equal(node.queries.length, 0)
})

test('size and type of a body are limited', async (t) => {
  const { send } = await start(t)
  const large = { ...asked, context: { environment: { x: 'x'.repeat(LIMITS.jsonBodyBytes) } } }
  const tooLarge = await send({ method: 'POST', path: REQUEST, body: large })
  assert.equal(tooLarge.status, 413)
  assert.equal((tooLarge.json().error as { code: string }).code, 'PROV_001')

  for (const type of ['text/plain', 'multipart/form-data; boundary=x', 'nonsense']) {
    const answer = await send({ method: 'POST', path: REQUEST, body: '{}', headers: { 'Content-Type': type } })
    assert.equal(answer.status, 415, type)
    const { message } = answer.json().error as { message: string }
    assert.equal(message, `Content-Type: found "${type}", allowed is application/json`)
  }
  assert.equal((await send({ method: 'POST', path: REQUEST })).status, 400, 'no body at all')
})

test('a key named __proto__ is refused, and changes no prototype', async (t) => {
  const { send } = await start(t)
  const body = '{"request_id":"r","capability":"add","context":{"environment":{"__proto__":{"polluted":true}}}}'
  const answer = await send({ method: 'POST', path: REQUEST, body, headers: { 'Content-Type': 'application/json' } })
  assert.equal(answer.status, 400)
  assert.match(answer.text, /PROV_001.*__proto__/)
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
})

test('a failure that nobody expected is logged with its request id, and shows nothing else', async (t) => {
  const { node, send, logs } = await start(t)
  node.failure = new Error('secret detail')
  const answer = await send({ method: 'POST', path: REQUEST, body: asked })
  assert.equal(answer.status, 500)
  const { error, request_id } = answer.json() as { error: { message: string }; request_id: string }
  assert.equal(request_id, 'r-1')
  const id = /^Internal error \(request (\S+)\)$/.exec(error.message)?.[1]
  const line = logs.find((entry) => entry.request_id === id)
  assert.equal(line?.level, 'error')
  assert.match(JSON.stringify(line), /secret detail/)
})

test('download URLs follow the name that the client used', async (t) => {
  const urlOf = async (http: Parameters<typeof start>[1], headers: Record<string, string>): Promise<unknown> => {
    const { send } = await start(t, http)
    const answer = await send({ method: 'POST', path: REQUEST, body: asked, headers })
    return (answer.json().cell as { download_url?: string } | undefined)?.download_url
  }
  assert.equal(await urlOf({}, { Host: 'localhost:81' }), 'http://localhost:81/x')
  assert.equal(await urlOf({}, { Host: '[::1]:81' }), 'http://[::1]:81/x')
  assert.equal(await urlOf({ allowed_hosts: ['node.example'] }, { Host: 'Node.Example' }), 'http://Node.Example/x')
  const forwarded = { Host: 'localhost', 'X-Forwarded-Host': 'node.example', 'X-Forwarded-Proto': 'https' }
  assert.equal(
    await urlOf({ allowed_hosts: ['node.example'] }, forwarded),
    'http://localhost/x',
    'nobody trusts this proxy',
  )
  const trusting = { allowed_hosts: ['node.example'], trusted_proxies: ['127.0.0.0/8'] }
  assert.equal(await urlOf(trusting, forwarded), 'https://node.example/x')
  assert.equal(await urlOf({ public_url: 'https://cells.example/base/' }, {}), 'https://cells.example/base/x')
})

test('pipelined requests are answered in order', async (t) => {
  const { node, port } = await start(t)
  node.local = CELL
  const one = (id: string, connection: string): string => {
    const body = JSON.stringify({ request_id: id, capability: 'add' })
    const head = `POST ${REQUEST} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: ${connection}`
    return `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  }
  const answer = await sendRaw(port, one('first', 'keep-alive') + one('second', 'close'))
  assert.deepEqual(answer.match(/"request_id":"[a-z]+"/g), ['"request_id":"first"', '"request_id":"second"'])
})
