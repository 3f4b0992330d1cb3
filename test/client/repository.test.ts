import assert from 'node:assert/strict'
import { once } from 'node:events'
import { openAsBlob, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { CellDetails } from '../../protocol/repository.ts'
import {
  createClient,
  IntegrityError,
  type Progress,
  UnauthorizedError,
  ValidationError,
} from '../../src/client/index.ts'
import { fakeNode, type Seen, sendJson, signCell } from './fake-node.ts'

const FILE = 'node_modules/sql.js/dist/sql-wasm.wasm'
const bytes = readFileSync(FILE)
const cell = signCell(bytes)
const { manifest } = cell
const metadata = { cell_type: 'parser', version: '1.2.0', capabilities: [{ name: 'parse', version: '2.1.0' }] }
const registered = { status: 'success', message: 'registered', cell_id: cell.answer.cell_id, signed_by: 'publisher' }

const formOf = ({ headers, body }: Seen): Promise<FormData> =>
  new Response(new Uint8Array(body), { headers: { 'Content-Type': String(headers['content-type']) } }).formData()

test('an upload carries metadata, manifest, signature and package, from memory or from a file', async (t) => {
  const node = await fakeNode(t, (_, response) => sendJson(response, 201, registered))
  const client = createClient({ nodes: node.url, apiKey: 'k' })
  const signed = { metadata, manifest, manifestSignature: cell.token }
  const progress: Progress[] = []
  const onProgress = (step: Progress) => progress.push(step)
  await client.registerCell({ ...signed, package: new Uint8Array(bytes) })
  await client.registerCell({ ...signed, package: await openAsBlob(FILE), onProgress })
  await client.registerCell({ metadata, package: await openAsBlob(FILE) })
  for (const [index, seen] of node.seen.entries()) {
    assert.equal(seen.headers['x-api-key'], 'k')
    const form = await formOf(seen)
    const names = index < 2 ? ['metadata', 'manifest', 'manifest_signature'] : ['metadata']
    assert.deepEqual([...form.keys()], [...names, 'cell_package'])
    assert.deepEqual(JSON.parse(String(form.get('metadata'))), metadata)
    const file = form.get('cell_package')
    assert(file instanceof File)
    assert(Buffer.compare(Buffer.from(await file.arrayBuffer()), bytes) === 0)
  }
  assert.deepEqual(progress.at(-1), { transferred: bytes.length, total: bytes.length })
  assert(progress.length > 2)
})

test('a refused package, a refused key and another cell id are errors of their own', async (t) => {
  const results = {
    issues: [{ severity: 'error', code: 'WASM_INVALID', message: 'ends early', location: 'cell_package' }],
    passed_checks: ['size'],
  }
  const refusing = await fakeNode(t, (_, response) =>
    sendJson(response, 400, {
      status: 'validation_error',
      message: 'the package is refused',
      validation_results: results,
      error: { code: 'PROV_005', message: 'the package is refused' },
    }),
  )
  const upload = { metadata, manifest, manifestSignature: cell.token, package: new Uint8Array(bytes) }
  await assert.rejects(createClient({ nodes: refusing.url }).registerCell(upload), (error) => {
    assert(error instanceof ValidationError)
    assert.equal(error.code, 'PROV_005')
    assert.deepEqual(error.results, results)
    return true
  })
  const guarded = await fakeNode(t, (_, response) =>
    sendJson(response, 401, { status: 'error', message: 'no', error: { code: 'PROV_016', message: 'no' } }),
  )
  await assert.rejects(createClient({ nodes: guarded.url }).registerCell(upload), UnauthorizedError)
  const other = await fakeNode(t, (_, response) => sendJson(response, 201, { ...registered, cell_id: 'f'.repeat(64) }))
  await assert.rejects(createClient({ nodes: other.url }).registerCell(upload), IntegrityError)
})

test('a node that refuses before it has read the upload is heard, and nothing is thrown besides', async () => {
  const server = createServer((_, response) => {
    response.setHeader('Connection', 'close')
    sendJson(response, 401, { status: 'error', message: 'no', error: { code: 'PROV_016', message: 'no' } })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const client = createClient({ nodes: `http://127.0.0.1:${port}` })
  for (const onProgress of [undefined, () => undefined]) {
    await assert.rejects(
      client.registerCell({ metadata, package: await openAsBlob(FILE), onProgress }),
      UnauthorizedError,
    )
  }
  // A rejection that nobody handles by then fails the test.
  await once(server.close(), 'close')
})

test('a validation and an update send the same parts, each to its own path', async (t) => {
  const results = { issues: [], passed_checks: ['manifest'] }
  const node = await fakeNode(t, ({ method }, response) =>
    method === 'POST'
      ? sendJson(response, 200, { status: 'valid', validation_results: results })
      : sendJson(response, 200, registered),
  )
  const client = createClient({ nodes: node.url, apiKey: 'k' })
  const signed = { manifest, manifestSignature: cell.token }
  const validated = await client.validateCell({ metadata, ...signed, package: new Uint8Array(bytes) })
  assert.deepEqual(validated, { status: 'valid', validation_results: results })
  await client.updateCell({ cellType: 'parser', version: '1.2.0', ...signed })
  const change = { metadata: { status: 'in_testing' }, package: new Uint8Array(bytes) } as const
  await client.updateCell({ cellType: 'parser', version: '1.3.0', ...change })
  const forms = await Promise.all(node.seen.map(formOf))
  assert.deepEqual(
    node.seen.map(({ method, path }) => `${method} ${path}`),
    ['POST /api/v1/repository/validate', ...Array(2).fill('PUT /api/v1/repository/cells/parser')],
  )
  assert.deepEqual(
    forms.map((form) => [...form.keys()]),
    [
      ['metadata', 'manifest', 'manifest_signature', 'cell_package'],
      ['metadata', 'version', 'manifest', 'manifest_signature'],
      ['metadata', 'version', 'cell_package'],
    ],
  )
  assert.deepEqual(
    forms.map((form) => JSON.parse(String(form.get('metadata')))),
    [metadata, {}, { status: 'in_testing' }],
  )
  const other = await fakeNode(t, (_, response) => sendJson(response, 200, { ...registered, cell_id: 'f'.repeat(64) }))
  const wrong = createClient({ nodes: other.url }).updateCell({ cellType: 'parser', version: '1.2.0', ...signed })
  await assert.rejects(wrong, IntegrityError)
})

test('lists, details and deletions use the documented paths, and details are verified', async (t) => {
  const details: CellDetails = {
    cell_id: cell.answer.cell_id,
    cell_type: 'parser',
    version: '1.2.0',
    description: '',
    tags: [],
    status: 'active',
    yanks: [],
    capabilities: manifest.capabilities,
    dependencies: [],
    digest: manifest.package.digest,
    publisher: manifest.publisher,
    signed_by: 'publisher',
    manifest,
    metadata: {
      created_at: '2026-01-31T12:00:00.000Z',
      created_by: 'administrator',
      updated_at: '2026-01-31T12:00:00.000Z',
      size_bytes: bytes.length,
      license: null,
      documentation_url: null,
      repository_url: null,
      issue_tracker_url: null,
    },
    security: {
      signature_algorithm: 'ed25519',
      signature: cell.token,
      security_rating: null,
      vulnerabilities: [],
      last_security_audit: null,
      log: null,
    },
    performance: { typical_memory_mb: null, typical_startup_ms: null, benchmark_results: {} },
    analysis: null,
    statistics: { total_requests: null, active_deployments: null, average_rating: null },
  }
  const node = await fakeNode(t, ({ method, path }, response) => {
    if (method === 'DELETE') return sendJson(response, 200, { status: 'success', message: 'deleted' })
    if (path.startsWith('/api/v1/repository/cells/')) {
      return sendJson(response, 200, path.includes('forged') ? { ...details, publisher: 'f'.repeat(64) } : details)
    }
    sendJson(response, 200, { cells: [], total_count: 0, limit: 50, offset: 0 })
  })
  const client = createClient({ nodes: node.url })
  assert.equal((await client.listCells({ capability: 'parse', limit: 5 })).total_count, 0)
  assert.equal((await client.cellDetails('parser')).version, '1.2.0')
  assert.equal((await client.cellDetails('parser', '1.2.0')).cell_id, cell.answer.cell_id)
  assert.equal((await client.deleteCell('parser', '1.2.0')).status, 'success')
  await assert.rejects(client.cellDetails('forged'), IntegrityError)
  await assert.rejects(client.cellDetails('parser', '1.3.0'), IntegrityError)
  assert.deepEqual(
    node.seen.map(({ method, path }) => `${method} ${path}`),
    [
      'GET /api/v1/repository/cells?capability=parse&limit=5',
      'GET /api/v1/repository/cells/parser',
      'GET /api/v1/repository/cells/parser?version=1.2.0',
      'DELETE /api/v1/repository/cells/parser/1.2.0',
      'GET /api/v1/repository/cells/forged',
      'GET /api/v1/repository/cells/parser?version=1.3.0',
    ],
  )
})

test('changes go to the first node only', async (t) => {
  const failing = await fakeNode(t, (_, response) => sendJson(response, 503, {}))
  const other = await fakeNode(t, (_, response) => sendJson(response, 200, { status: 'success', message: '' }))
  const client = createClient({ nodes: [failing.url, other.url] })
  await assert.rejects(client.deleteCell('parser', '1.2.0'), { status: 503 })
  await assert.rejects(client.registerCell({ metadata, package: new Uint8Array(bytes) }), { status: 503 })
  assert.equal(other.seen.length, 0)
})

test('get gives JSON, or text where a node sends text', async (t) => {
  const node = await fakeNode(t, ({ path }, response) => {
    if (path === '/api/v1/peers') return sendJson(response, 200, { total: 0 })
    response.writeHead(path === '/ready' ? 503 : 200, { 'Content-Type': 'text/plain' }).end('NOT READY: no peers')
  })
  const client = createClient({ nodes: node.url })
  assert.deepEqual(await client.get('/api/v1/peers'), { total: 0 })
  assert.equal(await client.get('/health'), 'NOT READY: no peers')
  await assert.rejects(client.get('/ready'), { status: 503, message: 'NOT READY: no peers' })
})
