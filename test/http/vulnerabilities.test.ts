import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ADMIN, start } from './harness.ts'

const READER = { 'X-API-Key': 'reader-key' }
const PUBLISHER = { 'X-API-Key': 'publisher-key' }
const PATH = '/api/v1/repository/vulnerabilities'
const BODY = { cell_type: 'parser', affected: '<2.0.0', severity: 'high', description: 'reads too far' }

async function withKeys(t: Parameters<typeof start>[0]) {
  const harness = await start(t)
  harness.node.presented.set('reader-key', { keyId: '1'.repeat(16), role: 'reader' })
  harness.node.presented.set('publisher-key', { keyId: '2'.repeat(16), role: 'publisher' })
  return harness
}

test('vulnerabilities are read by everybody and changed by administrators', async (t) => {
  const { send } = await withKeys(t)
  const changes = [
    { method: 'PUT', path: `${PATH}/CVE-1`, body: BODY },
    { method: 'POST', path: PATH, body: { vulnerabilities: [{ id: 'CVE-1', ...BODY }] } },
    { method: 'DELETE', path: `${PATH}/CVE-1?cell_type=parser` },
  ]
  for (const change of changes) {
    assert.equal((await send(change)).status, 401, change.method)
    assert.equal((await send({ ...change, headers: READER })).status, 403, change.method)
    assert.equal((await send({ ...change, headers: PUBLISHER })).status, 403, change.method)
    assert.equal((await send({ ...change, headers: ADMIN })).status, 200, change.method)
  }
  const list = await send({ path: `${PATH}?cell_type=parser` })
  assert.deepEqual([list.status, list.json().total], [200, 0])
})

test('a vulnerability is answered as it was recorded, with who did it', async (t) => {
  const { send } = await withKeys(t)
  const { status, json } = await send({ method: 'PUT', path: `${PATH}/CVE-1`, headers: ADMIN, body: BODY })
  assert.equal(status, 200)
  assert.deepEqual([json().id, json().mitigated, json().recorded_by], ['CVE-1', false, 'admin'])
  const gone = await send({ method: 'DELETE', path: `${PATH}/CVE-2?cell_type=parser`, headers: ADMIN })
  assert.equal(gone.status, 404)
  assert.equal((gone.json().error as { code: string }).code, 'PROV_001')
})

test('what cannot be a vulnerability is refused', async (t) => {
  const { send, node } = await withKeys(t)
  const put = (id: string, body: object) => send({ method: 'PUT', path: `${PATH}/${id}`, headers: ADMIN, body })
  for (const wrong of [
    { ...BODY, severity: 'terrible' },
    { ...BODY, cell_type: '../x' },
    { ...BODY, url: 'javascript:alert(1)' },
    { ...BODY, digest: 'sha256:12' },
    { ...BODY, more: 1 },
    { ...BODY, description: 'x'.repeat(2001) },
  ]) {
    assert.equal((await put('CVE-1', wrong)).status, 400, JSON.stringify(wrong).slice(0, 200))
  }
  for (const id of ['..%2F..', '%2E%2E', 'a'.repeat(65), 'a%00b']) assert.equal((await put(id, BODY)).status, 400, id)
  const post = (vulnerabilities: object[]) =>
    send({ method: 'POST', path: PATH, headers: ADMIN, body: { vulnerabilities } })
  const many = Array.from({ length: 501 }, (_, n) => ({ id: `N-${n}`, ...BODY }))
  for (const wrong of [[], many, [{ ...BODY }]]) assert.equal((await post(wrong)).status, 400)
  assert.equal((await send({ method: 'DELETE', path: `${PATH}/CVE-1`, headers: ADMIN })).status, 400)
  assert.equal(node.vulnerable.size, 0)
})
