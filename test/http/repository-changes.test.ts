import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { ADMIN, form, METADATA, MULTIPART, part, start } from './harness.ts'

const VALIDATE = '/api/v1/repository/validate'
const CELLS = '/api/v1/repository/cells'
const uploadTo =
  (method: string, path: string) =>
  (body: Buffer, headers: Record<string, string> = {}) => ({
    method,
    path,
    headers: { ...ADMIN, ...MULTIPART, ...headers },
    body,
  })
const validation = uploadTo('POST', VALIDATE)
const update = uploadTo('PUT', `${CELLS}/adder`)
const metadata = part('metadata', JSON.stringify(METADATA))
const cell = part('cell_package', randomBytes(70_000))

test('a validation is 200 whatever it finds, and nothing stays staged', async (t) => {
  const { node, send } = await start(t)
  const valid = await send(validation(form(cell, metadata)))
  assert.equal(valid.status, 200, valid.text)
  assert.deepEqual(valid.json(), { status: 'valid', validation_results: node.validation })
  assert.equal(node.registrations[0]?.credential, 'admin')
  const warning = {
    severity: 'warning' as const,
    code: 'WASM_MEMORY_UNBOUNDED',
    message: 'no maximum',
    location: 'package',
  }
  node.validation = { issues: [warning], passed_checks: [] }
  assert.equal((await send(validation(form(metadata, cell)))).json().status, 'valid')
  node.validation = { issues: [warning, { ...warning, severity: 'error' }], passed_checks: ['manifest'] }
  const signed = [part('manifest', '{"format":1}'), part('manifest_signature', 'cs1.abc')]
  const invalid = await send(validation(form(metadata, cell, ...signed)))
  assert.equal(invalid.status, 200)
  assert.deepEqual(invalid.json(), { status: 'invalid', validation_results: node.validation })
  assert.deepEqual(node.registrations.at(-1)?.manifest, { format: 1 })
  assert.deepEqual([...node.staged], [])
})

test('a validation of what cannot be read is 400, without a credential 401', async (t) => {
  const { node, send } = await start(t)
  for (const body of [
    form(metadata),
    form(cell),
    form(cell, part('metadata', '{')),
    form(metadata, cell, part('version', '1.0.0')),
  ]) {
    const answer = await send(validation(body))
    assert.equal(answer.status, 400, answer.text)
    assert.equal((answer.json().error as { code: string }).code, 'PROV_001')
  }
  node.failure = new ProviderError('PROV_001', 'manifest.format: found 2')
  assert.equal((await send(validation(form(metadata, cell)))).status, 400)
  assert.equal(
    (await send({ method: 'POST', path: VALIDATE, headers: MULTIPART, body: form(metadata, cell) })).status,
    401,
  )
  assert.equal((await send(validation(Buffer.from('{}'), { 'Content-Type': 'application/json' }))).status, 415)
  assert.deepEqual([node.registrations.length, node.staged.size], [0, 0])
})

test('an update needs metadata and a version, and may do without a package', async (t) => {
  const { node, send } = await start(t)
  const some = part('metadata', '{"description":"Adds."}')
  const without = await send(update(form(part('version', '2.0.0\n'), some)))
  assert.equal(without.status, 200, without.text)
  const { status, cell_type, version, message } = without.json()
  assert.deepEqual([status, cell_type, version], ['success', 'adder', '2.0.0'])
  assert.equal(message, 'adder 2.0.0 was registered as a new version')
  assert.deepEqual(
    [...node.updates],
    [{ cellType: 'adder', version: '2.0.0', metadata: { description: 'Adds.' }, credential: 'admin' }],
  )
  const whole = await send(update(form(cell, part('metadata', '{"version":"2.1.0","status":"in_testing"}'))))
  assert.equal(whole.status, 200, whole.text)
  assert.equal(node.updates.at(-1)?.package?.size, 70_000)
  for (const [what, body] of [
    ['no metadata', form(part('version', '2.0.0'), cell)],
    ['no version of that form', form(some, part('version', '2'))],
    ['an unknown status', form(part('metadata', '{"version":"2.0.0","status":"retired"}'))],
    ['a manifest alone', form(some, part('version', '2.0.0'), part('manifest', '{}'))],
    ['a version twice', form(some, part('version', '2.0.0'), part('version', '2.0.0'))],
    ['a version without end', form(some, part('version', ' '.repeat(10_000)))],
  ] as const) {
    const answer = await send(update(body))
    assert.ok([400, 413].includes(answer.status), `${what}: ${answer.text}`)
  }
  assert.equal(node.updates.length, 2)
  node.failure = new ProviderError('PROV_007', 'adder 2.0.0 exists')
  assert.equal((await send(update(form(some, part('version', '2.0.0'))))).status, 409)
  node.failure = new ProviderError('PROV_002', 'no cell adder')
  assert.equal((await send(update(form(some, cell)))).status, 404)
  assert.equal((await send(uploadTo('PUT', `${CELLS}/Bad%20Name`)(form(some)))).status, 400)
  assert.equal(
    (await send({ method: 'PUT', path: `${CELLS}/adder`, headers: MULTIPART, body: form(some) })).status,
    401,
  )
  assert.deepEqual([...node.staged], [])
})

test('status, description and tags of a version change, and nothing else does', async (t) => {
  const { send } = await start(t)
  const change = (body: unknown, path = `${CELLS}/adder/1.0.0`, headers = ADMIN as Record<string, string>) =>
    send({ method: 'PATCH', path, headers, body })
  const changed = await change({ status: 'deprecated', tags: ['old'] })
  assert.equal(changed.status, 200, changed.text)
  assert.deepEqual(changed.json(), { cell_type: 'adder', version: '1.0.0', status: 'deprecated', tags: ['old'] })
  for (const body of [
    {},
    { status: 'retired' },
    { tags: [''] },
    { version: '2.0.0' },
    { description: 'x'.repeat(2001) },
    [],
  ]) {
    const answer = await change(body)
    assert.equal(answer.status, 400, JSON.stringify(body))
    assert.equal((answer.json().error as { code: string }).code, 'PROV_001')
  }
  assert.equal((await change({ tags: [] }, `${CELLS}/missing/1.0.0`)).status, 404)
  assert.equal((await change({ tags: [] }, `${CELLS}/adder/one`)).status, 400)
  assert.equal((await change({ tags: [] }, `${CELLS}/adder/1.0.0`, {})).status, 401)
  const options = await send({ method: 'OPTIONS', path: `${CELLS}/adder/1.0.0` })
  assert.equal(options.headers.allow, 'DELETE, OPTIONS, PATCH')
})

test('a yank goes to the node as it was asked for, with who asks', async (t) => {
  const { node, send } = await start(t)
  node.presented.set('publisher-key', { keyId: 'b1', role: 'publisher' })
  node.presented.set('reader-key', { keyId: 'r1', role: 'reader' })
  const yank = (body: unknown, headers: Record<string, string> = ADMIN, path = `${CELLS}/adder/1.0.0/yank`) =>
    send({ method: 'POST', path, headers, body })
  const done = await yank({ reason: 'broken', message: 'loses rows' })
  assert.equal(done.status, 200, done.text)
  assert.deepEqual(done.json(), {
    status: 'success',
    message: 'adder 1.0.0 was yanked by its publisher',
    cell_id: 'ab'.repeat(32),
    yanked: true,
    counter: 1,
    by: 'publisher',
  })
  const undone = await yank(
    { undo: true },
    { 'X-API-Key': 'publisher-key' },
    `${CELLS}/adder/1.0.0/yank?cell_id=${'cd'.repeat(32)}`,
  )
  assert.equal(undone.json().message, 'adder 1.0.0 is not yanked any more by its publisher')
  await yank({ yank: 'ys1.abc' })
  const version = { cellType: 'adder', version: '1.0.0' }
  const none = { cellId: undefined, token: undefined, reason: undefined, message: undefined, undo: false }
  const admin = { credential: 'admin', isAdmin: true }
  assert.deepEqual(node.yanks, [
    { ...version, ...none, reason: 'broken', message: 'loses rows', ...admin },
    { ...version, ...none, cellId: 'cd'.repeat(32), undo: true, credential: 'key:b1', isAdmin: false },
    { ...version, ...none, token: 'ys1.abc', ...admin },
  ])
  for (const body of [
    { reason: 'bored' },
    { reason: 'broken', message: 'x'.repeat(501) },
    { yank: 'cs1.abc' },
    { undo: 'yes' },
    { reason: 'broken', more: 1 },
    [],
  ]) {
    const answer = await yank(body)
    assert.equal(answer.status, 400, JSON.stringify(body))
    assert.equal((answer.json().error as { code: string }).code, 'PROV_001')
  }
  assert.equal((await yank({ reason: 'broken' }, {})).status, 401)
  assert.equal((await yank({ reason: 'broken' }, { 'X-API-Key': 'reader-key' })).status, 403)
  assert.equal((await yank({ reason: 'broken' }, ADMIN, `${CELLS}/missing/1.0.0/yank`)).status, 404)
  assert.equal((await yank({ reason: 'broken' }, ADMIN, `${CELLS}/adder/1.0.0/yank?cell_id=1`)).status, 400)
  node.failure = new ProviderError('PROV_001', 'it is final', { status: 409 })
  assert.equal((await yank({ undo: true })).status, 409)
  node.failure = new ProviderError('PROV_015', 'not yours')
  assert.equal((await yank({ undo: true })).status, 403)
})

test('publishers change cells as themselves, administrators as administrators', async (t) => {
  const { node, send } = await start(t)
  node.presented.set('publisher-key', { keyId: '2'.repeat(16), role: 'publisher' })
  node.presented.set('reader-key', { keyId: '1'.repeat(16), role: 'reader' })
  const calls = [
    { method: 'PATCH', path: `${CELLS}/adder/1.0.0`, body: { status: 'deprecated' } },
    { method: 'DELETE', path: `${CELLS}/adder/1.0.0` },
  ]
  for (const call of calls) {
    assert.equal((await send({ ...call, headers: { 'X-API-Key': 'reader-key' } })).status, 403, call.method)
    assert.equal((await send({ ...call, headers: { 'X-API-Key': 'publisher-key' } })).status, 200, call.method)
    assert.equal((await send({ ...call, headers: ADMIN })).status, 200, call.method)
  }
  const publisher = { credential: `key:${'2'.repeat(16)}`, isAdmin: false }
  const administrator = { credential: 'admin', isAdmin: true }
  assert.deepEqual(node.editors, [publisher, administrator, publisher, administrator])
})
