import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { CellAnswer } from '../../protocol/cells.ts'
import {
  ClientError,
  createClient,
  IntegrityError,
  NotFoundError,
  PendingError,
  UnauthorizedError,
  UnreachableError,
} from '../../src/client/index.ts'
import { loggingProvider, registered } from '../support/registration-proofs.ts'
import { fakeNode, newPublisher, sendCell, sendJson, signCell } from './fake-node.ts'

const bytes = readFileSync('node_modules/source-map/lib/mappings.wasm')
const cell = signCell(bytes)
/** A port that nothing listens on: it is privileged, and belongs to no service. */
const SILENT = 'http://127.0.0.1:2'

test('a capability request carries range, context and preferences, and gives a verified cell', async (t) => {
  const node = await fakeNode(t, (request, response) => sendCell(request, response, cell.answer))
  const client = createClient({ nodes: `${node.url}/`, apiKey: 'a key', publishers: [cell.manifest.publisher] })
  const found = await client.request({
    capability: 'parse',
    version: '^2.0.0',
    context: { device_info: { platform: 'linux' } },
    preferences: { optimization_priority: 'memory' },
    requestId: 'r-1',
    waitSeconds: 2,
  })
  assert.equal(found.node, node.url)
  assert.equal(found.signed_by, 'publisher')
  assert.deepEqual(found.algorithms, ['ed25519'])
  assert.deepEqual(found.manifest, cell.manifest)
  const [seen] = node.seen
  assert.equal(seen?.path, '/api/v1/cells/request')
  assert.equal(seen?.headers.prefer, 'wait=2')
  assert.equal(seen?.headers['x-api-key'], 'a key')
  assert.deepEqual(JSON.parse(String(seen?.body)), {
    request_id: 'r-1',
    capability: 'parse',
    context: { device_info: { platform: 'linux' } },
    preferences: {
      optimization_priority: 'memory',
      version_constraints: '^2.0.0',
      publishers: [cell.manifest.publisher],
    },
  })
})

test('a specific request constrains the version of the cell', async (t) => {
  const node = await fakeNode(t, (request, response) => sendCell(request, response, cell.answer))
  const client = createClient({ nodes: node.url })
  const found = await client.requestSpecific({ cellType: 'parser', version: '1.x' })
  assert.equal(found.version, '1.2.0')
  assert.equal(node.seen[0]?.path, '/api/v1/cells/request/specific')
  const body = JSON.parse(String(node.seen[0]?.body)) as Record<string, unknown>
  assert.equal(body.version, '1.x')
  assert.match(String(body.request_id), /^[0-9a-f]{32}$/)
  await assert.rejects(client.requestSpecific({ cellType: 'parser', version: '^2.0.0' }), IntegrityError)
})

test('what the answer says beside the manifest is the manifest’s, or nothing', async (t) => {
  const metadata = { ...cell.answer.metadata, capabilities: [{ name: 'rule-the-world', version: '9.0.0' }] }
  const node = await fakeNode(t, (request, response) => sendCell(request, response, { ...cell.answer, metadata }))
  const found = await createClient({ nodes: node.url }).request({ capability: 'parse' })
  assert.deepEqual(found.metadata.capabilities, [{ name: 'parse', version: '2.1.0' }])
})

const stranger = signCell(bytes)
const otherNetwork = signCell(bytes, { network: 'test' })
const lies: Record<string, Partial<CellAnswer>> = {
  'another cell id': { cell_id: 'f'.repeat(64) },
  'another digest': { digest: `sha256:${'f'.repeat(64)}` },
  'another size': { size_bytes: 1 },
  'another type': { cell_type: 'other' },
  'another version': { version: '1.2.1' },
  'another packaging format': { packaging_format: 'container' },
  'another publisher': { publisher: 'f'.repeat(64) },
  'a capability that the manifest lacks': { capability: 'translate' },
  'a changed manifest': { manifest: { ...cell.manifest, labels: { a: 'b' } } },
  'the signature of another publisher': { signature: stranger.token },
  'a signature for another network': { ...otherNetwork.answer },
  'a token that is none': { signature: 'cs1.AAAA' },
}
for (const [name, lie] of Object.entries(lies)) {
  test(`an answer with ${name} is refused, and the next node is asked`, async (t) => {
    const liar = await fakeNode(t, (request, response) => sendCell(request, response, { ...cell.answer, ...lie }))
    const honest = await fakeNode(t, (request, response) => sendCell(request, response, cell.answer))
    await assert.rejects(createClient({ nodes: liar.url }).request({ capability: 'parse' }), (error) => {
      assert(error instanceof IntegrityError)
      assert.equal(error.node, liar.url)
      assert.equal(error.code, 'INTEGRITY')
      return true
    })
    const found = await createClient({ nodes: [liar.url, honest.url] }).request({ capability: 'parse' })
    assert.equal(found.node, honest.url)
  })
}

test('a range that the answer does not fit, another capability and another request are refused', async (t) => {
  const node = await fakeNode(t, (request, response) => sendCell(request, response, cell.answer))
  const client = createClient({ nodes: node.url })
  await assert.rejects(client.request({ capability: 'parse', version: '^3.0.0' }), /outside \^3\.0\.0/)
  await assert.rejects(client.request({ capability: 'print' }), /capability is parse, it should be print/)
  const confused = await fakeNode(t, (_, response) =>
    sendJson(response, 200, { request_id: 'not yours', status: 'success', cell: cell.answer }),
  )
  await assert.rejects(createClient({ nodes: confused.url }).request({ capability: 'parse' }), IntegrityError)
})

test('only accepted publishers count, and maximum security needs a hybrid signature and a proof from the log', async (t) => {
  const hybrid = signCell(bytes, { keys: newPublisher(true) })
  const provider = loggingProvider('main')
  const proofs = {
    missing: {},
    other: { log: provider.prove(registered(cell.answer.cell_id)) },
    right: { log: provider.prove(registered(hybrid.answer.cell_id)) },
  }
  let proof: keyof typeof proofs = 'missing'
  const node = await fakeNode(t, (request, response) => {
    const pinned = String(request.body).includes(hybrid.manifest.publisher)
    const metadata = { ...hybrid.answer.metadata, provider: provider.providerId }
    sendCell(request, response, pinned ? { ...hybrid.answer, metadata, ...proofs[proof] } : cell.answer)
  })
  await assert.rejects(
    createClient({ nodes: node.url, publishers: ['a'.repeat(64)] }).request({ capability: 'parse' }),
    (error) => error instanceof IntegrityError && error.code === 'UNTRUSTED_PUBLISHER',
  )
  const maximum = { capability: 'parse', preferences: { security_level: 'maximum' } } as const
  await assert.rejects(createClient({ nodes: node.url }).request(maximum), /needs ml-dsa-65/)
  const client = createClient({ nodes: node.url, publishers: [hybrid.manifest.publisher] })
  await assert.rejects(client.request(maximum), /brings no proof from a log/)
  proof = 'other'
  await assert.rejects(client.request(maximum), /says register of the cell/)
  proof = 'right'
  const found = await client.request(maximum)
  assert.deepEqual(found.algorithms, ['ed25519', 'ml-dsa-65'])
  assert.equal(found.log?.provider_id, provider.providerId)
})

test('a pending request is repeated, the same each time, until it is answered', async (t) => {
  const node = await fakeNode(t, (request, response) => {
    if (node.seen.length >= 3) return sendCell(request, response, cell.answer)
    const { request_id } = JSON.parse(String(request.body)) as { request_id: string }
    response.setHeader('Request-Token', 'held')
    sendJson(response, 202, { request_id, status: 'pending', estimated_wait_time_ms: 1 })
  })
  const found = await createClient({ nodes: node.url }).request({ capability: 'parse', waitSeconds: 20 })
  assert.equal(found.cell_id, cell.answer.cell_id)
  assert.equal(new Set(node.seen.map(({ body }) => String(body))).size, 1)
  assert.deepEqual(
    node.seen.map(({ headers }) => headers['request-token']),
    [undefined, 'held', 'held'],
  )
})

test('a search that outlasts the time to wait is a PendingError with the request id', async (t) => {
  const node = await fakeNode(t, (_, response) =>
    sendJson(response, 202, { request_id: 'mine', status: 'pending', estimated_wait_time_ms: 700 }),
  )
  const asked = createClient({ nodes: node.url }).request({ capability: 'parse', waitSeconds: 0, requestId: 'mine' })
  await assert.rejects(asked, (error) => {
    assert(error instanceof PendingError)
    assert.equal(error.requestId, 'mine')
    assert.equal(error.estimatedWaitMs, 700)
    assert(error.retryable)
    return true
  })
})

test('what nobody has is a NotFoundError with coverage and alternatives', async (t) => {
  const coverage = {
    sources: [{ source: 'store', outcome: 'answered', candidates: 0 }],
    peers: [],
    oldest_answer_ms: 0,
  }
  const alternatives = [{ capability: 'parse', cell_type: 'parser', version: '1.0.0', compatibility_notes: 'too old' }]
  const node = await fakeNode(t, (request, response) => {
    const { request_id } = JSON.parse(String(request.body)) as { request_id: string }
    sendJson(response, 404, { request_id, status: 'not_found', code: 'PROV_002', alternatives, coverage })
  })
  await assert.rejects(createClient({ nodes: [SILENT, node.url] }).request({ capability: 'parse' }), (error) => {
    assert(error instanceof NotFoundError)
    assert.equal(error.code, 'PROV_002')
    assert.equal(error.status, 404)
    assert.deepEqual(error.alternatives, alternatives)
    assert.deepEqual(error.coverage, coverage)
    return true
  })
})

test('refusals are typed, and are not asked of another node', async (t) => {
  const body = { request_id: 'r', status: 'error', error: { code: 'PROV_016', message: 'no such key' } }
  const node = await fakeNode(t, (_, response) => sendJson(response, 401, body))
  const next = await fakeNode(t, (_, response) => sendJson(response, 500, {}))
  const client = createClient({ nodes: [node.url, next.url] })
  await assert.rejects(client.request({ capability: 'parse' }), (error) => {
    assert(error instanceof UnauthorizedError)
    assert.deepEqual([error.code, error.status, error.message], ['PROV_016', 401, 'no such key'])
    return true
  })
  assert.equal(next.seen.length, 0)
})

test('nodes that are silent, hang, redirect or talk nonsense are passed over, and named when nobody answers', async (t) => {
  const hanging = await fakeNode(t, () => undefined)
  const redirecting = await fakeNode(t, (_, response) => {
    response.writeHead(307, { Location: `${honest.url}/api/v1/cells/request` }).end()
  })
  const talking = await fakeNode(t, (_, response) => sendJson(response, 200, { status: 'success' }))
  const doubled = await fakeNode(t, (_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"request_id":"a","request_id":"b"}')
  })
  const failing = await fakeNode(t, (_, response) => {
    response.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>Bad gateway</h1>')
  })
  const honest = await fakeNode(t, (request, response) => sendCell(request, response, cell.answer))
  const bad = [SILENT, hanging.url, redirecting.url, talking.url, doubled.url, failing.url]
  const ask = { capability: 'parse', waitSeconds: 0 }
  const found = await createClient({ nodes: [...bad, honest.url], timeoutMs: 300 }).request(ask)
  assert.equal(found.node, honest.url)
  assert.equal(honest.seen.length, 1, 'the redirect was not followed')
  await assert.rejects(createClient({ nodes: [SILENT, hanging.url], timeoutMs: 300 }).request(ask), (error) => {
    assert(error instanceof UnreachableError)
    assert.equal(error.code, 'UNREACHABLE')
    assert.deepEqual(
      error.attempts.map(({ node }) => node),
      [SILENT, hanging.url],
    )
    assert.match(error.message, /ECONNREFUSED.*no answer in time/)
    return true
  })
  await assert.rejects(createClient({ nodes: [failing.url] }).request(ask), (error) => {
    assert(error instanceof ClientError)
    assert.deepEqual([error.code, error.status, error.retryable], ['HTTP_502', 502, true])
    return true
  })
})

test('an answer without an end is cut off', async (t) => {
  const node = await fakeNode(t, (_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    const more = () => {
      while (!response.destroyed && response.write(' '.repeat(256 * 1024)));
    }
    response.on('drain', more)
    more()
  })
  await assert.rejects(createClient({ nodes: node.url }).get('/api/v1/peers'), /longer than 8388608 bytes/)
})

test('a caller’s signal ends the call with its own reason', async (t) => {
  const controller = new AbortController()
  const node = await fakeNode(t, () => controller.abort(new Error('enough')))
  const ask = { capability: 'parse', signal: controller.signal }
  await assert.rejects(createClient({ nodes: [node.url, SILENT] }).request(ask), /^Error: enough$/)
})

test('arguments that cannot work are named', async () => {
  for (const nodes of [[], 'ftp://a', 'nonsense', 'http://user:secret@host', 'http://host?x=1']) {
    assert.throws(() => createClient({ nodes }), { code: 'INVALID_ARGUMENT' })
  }
  assert.throws(() => createClient({ nodes: SILENT, publishers: ['somebody'] }), /"somebody"/)
  await assert.rejects(createClient({ nodes: SILENT }).request({ capability: 'a', version: 'newest' }), /"newest"/)
})
