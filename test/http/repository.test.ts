import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { ADMIN, ADMIN_KEY, BOUNDARY, form, MAX_PACKAGE, METADATA, MULTIPART, part, start } from './harness.ts'

const CELLS = '/api/v1/repository/cells'
const upload = (body: Buffer, headers: Record<string, string> = {}) => ({
  method: 'POST',
  path: CELLS,
  headers: { ...ADMIN, ...MULTIPART, ...headers },
  body,
})
const metadata = part('metadata', JSON.stringify(METADATA))
const file = ';filename="a cell.wasm"\r\nContent-Type: application/wasm'

test('an upload is registered, whatever the order of its parts', async (t) => {
  const { node, send } = await start(t)
  const wasm = randomBytes(100_000)
  const cell = part('cell_package', wasm, file)
  const manifest = part('manifest', '{"format":1}', ';filename="manifest.json"')
  const signature = part('manifest_signature', 'cs1.abc\n')
  for (const body of [form(metadata, cell), form(cell, metadata), form(signature, cell, manifest, metadata)]) {
    const answer = await send(upload(body))
    assert.equal(answer.status, 201, answer.text)
    const { validation_results, ...rest } = answer.json()
    const registration = node.registrations.at(-1)
    assert.deepEqual(rest, {
      status: 'success',
      cell_type: 'adder',
      version: '1.0.0',
      cell_id: 'ab'.repeat(32),
      digest: registration?.package.digest,
      publisher: 'ab'.repeat(32),
      signed_by: 'provider',
      message: 'adder 1.0.0 was registered',
    })
    assert.deepEqual(validation_results, { issues: [], passed_checks: ['compiles'] })
    assert.equal(registration?.package.size, wasm.length)
    assert.deepEqual(registration?.metadata, METADATA)
  }
  const [plain, , signed] = node.registrations
  assert.equal(plain !== undefined && 'manifest' in plain, false)
  assert.deepEqual(signed?.manifest, { format: 1 })
  assert.equal(signed?.manifestSignature, 'cs1.abc')
  assert.equal(signed?.credential, 'admin')
})

test('a package without a file name is a package, and a bearer token is a key', async (t) => {
  const { send } = await start(t)
  const headers = { ...MULTIPART, Authorization: `Bearer ${ADMIN_KEY}` }
  const body = form(part('cell_package', 'bytes'), metadata)
  assert.equal((await send({ method: 'POST', path: CELLS, headers, body })).status, 201)
})

test('an upload that is wrong is refused and leaves nothing behind', async (t) => {
  const { node, send } = await start(t)
  const cell = part('cell_package', randomBytes(70_000), file)
  const whole = form(metadata, cell)
  const refused: [string, Buffer, number, RegExp, Record<string, string>?][] = [
    ['no metadata', form(cell), 400, /part metadata is missing/],
    ['no package', form(metadata), 400, /part cell_package is missing/],
    ['nothing', form(), 400, /cannot be read|missing/],
    ['empty body', Buffer.alloc(0), 400, /cannot be read|missing/],
    ['unknown part', form(metadata, cell, part('extra', 'x')), 400, /part "extra", allowed are metadata/],
    [
      'part without a name',
      form(cell, Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n`)),
      400,
      /no name/,
    ],
    ['metadata twice', form(metadata, cell, metadata), 400, /metadata comes twice/],
    ['package twice', form(cell, metadata, cell), 400, /cell_package comes twice/],
    ['too many parts', form(metadata, cell, metadata, metadata, metadata, metadata), 400, /twice|parts/],
    ['metadata is no JSON', form(cell, part('metadata', '{')), 400, /metadata: not JSON/],
    [
      'metadata is not UTF-8',
      form(part('metadata', Buffer.from([0x22, 0xff, 0x22])), cell),
      400,
      /metadata: not UTF-8/,
    ],
    ['a key twice', form(part('metadata', '{"a":1,"a":2}'), cell), 400, /same key twice/],
    [
      'metadata lacks a field',
      form(part('metadata', '{"cell_type":"adder","version":"1.0.0"}'), cell),
      400,
      /metadata|capabilities is missing/,
    ],
    [
      'metadata field is wrong',
      form(cell, part('metadata', JSON.stringify({ ...METADATA, version: '1' }))),
      400,
      /version: found "1"/,
    ],
    [
      'metadata too large',
      form(part('metadata', ' '.repeat(LIMITS.jsonBodyBytes + 1)), cell),
      413,
      /metadata is larger than/,
    ],
    [
      'signature too large',
      form(part('manifest_signature', 'x'.repeat(LIMITS.manifestSignatureBytes + 1)), cell),
      413,
      /larger/,
    ],
    [
      'package too large',
      form(metadata, part('cell_package', randomBytes(MAX_PACKAGE + 1))),
      413,
      /cell_package is larger than/,
    ],
    [
      'package far too large',
      form(metadata, part('cell_package', Buffer.alloc(MAX_PACKAGE * 8))),
      413,
      /cell_package is larger than/,
    ],
    ['manifest alone', form(metadata, cell, part('manifest', '{}')), 400, /only come together/],
    ['signature alone', form(metadata, cell, part('manifest_signature', 'cs1.a')), 400, /only come together/],
    ['truncated in the package', whole.subarray(0, whole.length - 500), 400, /cannot be read|terminated/],
    ['truncated in a head', whole.subarray(0, 60), 400, /cannot be read/],
    ['no closing boundary', whole.subarray(0, whole.length - BOUNDARY.length - 8), 400, /cannot be read/],
    ['no boundary parameter', whole, 400, /Boundary not found/, { 'Content-Type': 'multipart/form-data' }],
    [
      'another boundary',
      whole,
      400,
      /cannot be read|missing/,
      { 'Content-Type': 'multipart/form-data; boundary=other' },
    ],
    ['JSON', Buffer.from('{}'), 415, /./, { 'Content-Type': 'application/json' }],
    ['a form', Buffer.from('a=b'), 415, /./, { 'Content-Type': 'application/x-www-form-urlencoded' }],
  ]
  for (const [what, body, status, message, headers] of refused) {
    const answer = await send(upload(body, headers))
    assert.equal(answer.status, status, `${what}: ${answer.text}`)
    const { error, ...rest } = answer.json() as {
      status: string
      message: string
      error: { code: string; message: string }
    }
    assert.equal(rest.status, 'error', what)
    assert.equal(rest.message, error.message)
    assert.equal(error.code, 'PROV_001', what)
    assert.match(error.message, message, what)
  }
  assert.equal(node.registrations.length, 0)
  assert.deepEqual([...node.staged], [])
  assert.equal((await send(upload(whole))).status, 201, 'the server is whole')
})

test('a body without Content-Length is limited as well', async (t) => {
  const { node, port } = await start(t)
  const socket = connect(port, '127.0.0.1')
  const head = `POST ${CELLS} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${ADMIN_KEY}\r\nTransfer-Encoding: chunked\r\n`
  socket.write(`${head}Content-Type: ${MULTIPART['Content-Type']}\r\n\r\n`)
  const body = form(part('cell_package', Buffer.alloc(MAX_PACKAGE + 1)))
  socket.write(`${body.length.toString(16)}\r\n`)
  socket.write(body)
  socket.write('\r\n0\r\n\r\n')
  const [answer] = await once(socket, 'data')
  assert.match(String(answer), /^HTTP\/1\.1 413 /)
  socket.destroy()
  assert.deepEqual([...node.staged], [])
})

test('an upload that is aborted leaves nothing behind', async (t) => {
  const { node, port, send } = await start(t)
  const { promise: failed, resolve } = Promise.withResolvers<unknown>()
  const stage = node.stagePackage.bind(node)
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  node.stagePackage = async (bytes) => {
    begin()
    return stage(bytes).catch((error: unknown) => {
      resolve(error)
      throw error
    })
  }
  const body = form(metadata, part('cell_package', randomBytes(200_000)))
  const socket = connect(port, '127.0.0.1')
  const head = `POST ${CELLS} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${ADMIN_KEY}\r\nContent-Length: ${body.length}\r\n`
  socket.write(`${head}Content-Type: ${MULTIPART['Content-Type']}\r\n\r\n`)
  socket.write(body.subarray(0, 100_000))
  await begun
  socket.destroy()
  assert.match(String(await failed), /ended before|aborted/)
  assert.deepEqual([...node.staged], [])
  assert.equal(node.registrations.length, 0)
  assert.equal((await send({ path: '/health' })).status, 200)
})

test('what the node refuses has the documented shape, and nothing stays staged', async (t) => {
  const { node, send } = await start(t)
  const body = form(metadata, part('cell_package', 'x'))
  const validation_results = {
    issues: [{ severity: 'error', code: 'WASM', message: 'not a module', location: 'package' }],
    passed_checks: [],
  }
  node.failure = new ProviderError('PROV_005', 'not WebAssembly', { details: { validation_results } })
  const invalid = await send(upload(body))
  assert.equal(invalid.status, 400)
  assert.deepEqual(invalid.json(), {
    status: 'validation_error',
    message: 'not WebAssembly',
    error: { code: 'PROV_005', message: 'not WebAssembly' },
    validation_results,
  })
  node.failure = new ProviderError('PROV_007', 'adder 1.0.0 exists')
  assert.equal((await send(upload(body))).status, 409)
  node.failure = new ProviderError('PROV_014', 'full')
  assert.equal((await send(upload(body))).status, 507)
  node.failure = new Error('disk on fire')
  const failed = await send(upload(body))
  assert.equal(failed.status, 500)
  assert.doesNotMatch(failed.text, /fire/)
  assert.deepEqual([...node.staged], [])
})

test('list, details and delete', async (t) => {
  const { send } = await start(t)
  const list = await send({ path: `${CELLS}?limit=7&offset=3&capability=add&version=1.0.0&unknown=x` })
  assert.equal(list.status, 200)
  assert.deepEqual(list.json(), { cells: [], total_count: 0, limit: 7, offset: 3 })
  assert.equal((await send({ path: CELLS })).status, 200)
  for (const query of [
    'limit=0',
    'limit=501',
    'limit=many',
    'limit=1&limit=2',
    'offset=-1',
    'offset=2147483648',
    'version=new',
    'capability=A%20B',
  ]) {
    const answer = await send({ path: `${CELLS}?${query}` })
    assert.equal(answer.status, 400, query)
    assert.match(String(answer.json().message), /found .* allowed is/, query)
  }

  const details = await send({ path: `${CELLS}/adder?version=1.2.3` })
  assert.equal(details.status, 200)
  assert.equal(details.json().version, '1.2.3')
  assert.equal((await send({ path: `${CELLS}/adder` })).json().version, '2.0.0')
  assert.equal((await send({ path: `${CELLS}/missing` })).status, 404)
  assert.equal((await send({ path: `${CELLS}/Bad%20Name` })).status, 400)
  assert.equal((await send({ path: `${CELLS}/adder?version=1` })).status, 400)

  const remove = (path: string, headers = ADMIN as Record<string, string>) => send({ method: 'DELETE', path, headers })
  const removed = await remove(`${CELLS}/adder/1.0.0`)
  assert.equal(removed.status, 200)
  assert.deepEqual(removed.json(), { status: 'success', message: 'adder 1.0.0 was deleted' })
  assert.equal((await remove(`${CELLS}/missing/1.0.0`)).status, 404)
  assert.equal((await remove(`${CELLS}/needed/1.0.0`)).status, 403)
  assert.equal((await remove(`${CELLS}/adder/one`)).status, 400)
  assert.equal((await remove(`${CELLS}/adder/1.0.0`, {})).status, 401)
})
