import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { type ContractServer, contractServer } from '../contract/server.ts'
import { type Reply, start } from './harness.ts'

type Call = (method: string, path: string, body?: unknown) => Promise<Reply>

async function session({ send }: ContractServer, body: object = {}): Promise<{ id: string; call: Call }> {
  const made = (await send({ method: 'POST', path: '/api/v2/sessions', body })).json()
  const headers = { Authorization: `Bearer ${made.token}` }
  const call: Call = (method, path, content) =>
    send({ method, path, headers, ...(content === undefined ? {} : { body: content }) })
  return { id: String(made.session_id), call }
}

async function exported(
  { id, call }: { id: string; call: Call },
  order: object = {},
): Promise<Record<string, unknown>> {
  const reply = await call('POST', `/api/v2/sessions/${id}/export`, order)
  assert.equal(reply.status, 202, reply.text)
  for (;;) {
    const status = (await call('GET', `/api/v2/exports/${reply.json().export_id}`)).json()
    if (status.status !== 'processing') return status
  }
}

test('a file is downloaded by its link alone, as an attachment that runs nowhere, with the digest that was told', async (t) => {
  const at = await contractServer(t)
  const own = await session(at)
  const started = await own.call('POST', '/api/v2/conversations', {
    session_id: own.id,
    directive: '<script>x()</script>',
  })
  const turns = `/api/v2/conversations/${started.json().conversation_id}/turns`
  for (let count = 0; count < 5; count++) {
    await own.call('POST', turns, { agent: 'user', content: 'é'.repeat(100_000) })
  }
  for (const [format, type] of [
    ['json', 'application/json'],
    ['jsonl', 'application/jsonl'],
    ['markdown', 'text/markdown; charset=utf-8'],
  ] as const) {
    const status = await exported(own, { format })
    const { status: code, headers, text } = await at.send({ method: 'GET', path: String(status.download_url) })
    assert.equal(code, 200)
    assert.equal(status.sha256, createHash('sha256').update(text).digest('hex'))
    assert.equal(headers['content-length'], String(status.size))
    assert.equal(headers['content-type'], type)
    assert.match(
      String(headers['content-disposition']),
      /^attachment; filename="export_[0-9a-f]{32}\.(json|jsonl|md)"$/,
    )
    assert.equal(headers['content-security-policy'], 'sandbox')
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['cache-control'], 'no-store')
  }
})

test('every link that is not in force is answered alike', async (t) => {
  const at = await contractServer(t)
  const own = await session(at)
  await own.call('POST', '/api/v2/conversations', { session_id: own.id, directive: 'hello' })
  const { download_url: url, export_id: id } = await exported(own)
  const gone = await session(at)
  const ofGone = await exported(gone)
  assert.equal((await gone.call('DELETE', `/api/v2/sessions/${gone.id}`)).status, 204)
  const query = String(url).split('?')[1]
  const wrong = [
    `/api/v2/exports/${id}/download`,
    `/api/v2/exports/${id}/download?expires=9999999999&signature=${'A'.repeat(43)}`,
    `/api/v2/exports/${id}/download?${String(ofGone.download_url).split('?')[1]}`,
    `/api/v2/exports/export_${'0'.repeat(32)}/download?${query}`,
    String(ofGone.download_url),
  ]
  const answers = await Promise.all(wrong.map((path) => at.send({ method: 'GET', path })))
  const [first, ...others] = answers.map((reply) => {
    assert.equal(reply.status, 404, reply.text)
    const { code, message } = reply.json().error as { code: string; message: string }
    return `${code} ${message}`
  })
  assert.equal(first, 'EXPORT_NOT_FOUND there is no such export')
  assert.deepEqual(new Set(others), new Set([first]))
})

test('what was exported is imported as it is sent, and found again under a new token', async (t) => {
  const at = await contractServer(t)
  const own = await session(at, { initial_context: 'A plan.' })
  await own.call('POST', '/api/v2/conversations', { session_id: own.id, directive: 'remember this' })
  const status = await exported(own)
  const { text } = await at.send({ method: 'GET', path: String(status.download_url) })
  const headers = { 'Content-Type': 'application/json' }
  const reply = await at.send({ method: 'POST', path: '/api/v2/sessions/import', headers, body: text })
  assert.equal(reply.status, 201, reply.text)
  const { session_id, token } = reply.json()
  const details = await at.send({
    path: `/api/v2/sessions/${session_id}`,
    headers: { Authorization: `Bearer ${token}` },
  })
  assert.equal(details.json().total_turns, 1)
  const old = await own.call('GET', `/api/v2/sessions/${session_id}`)
  assert.equal(old.status, 404, 'the old token opens the old session only')
})

test('a token without the permission for it exports nothing, and sees no export', async (t) => {
  const at = await contractServer(t)
  const own = await session(at)
  const { export_id } = await exported(own)
  const weak = (await own.call('POST', `/api/v2/sessions/${own.id}/token`, { permissions: ['read', 'write'] })).json()
  const headers = { Authorization: `Bearer ${weak.session_token}` }
  for (const [method, path, body] of [
    ['POST', `/api/v2/sessions/${own.id}/export`, {}],
    ['GET', `/api/v2/exports/${export_id}`, undefined],
  ] as const) {
    const reply = await at.send({ method, path, headers, ...(body === undefined ? {} : { body }) })
    assert.equal(reply.status, 403, reply.text)
  }
  assert.equal((await at.send({ path: `/api/v2/sessions/${own.id}/analytics`, headers })).status, 200)
})

test('the log does not say where a file can be downloaded', async (t) => {
  const { send, logs } = await start(t, {}, 'debug')
  const path = `/api/v2/exports/export_${'0'.repeat(32)}/download`
  for (const query of ['?expires=1&signature=c2VjcmV0', '?signature=c2VjcmV0&expires=1'])
    await send({ path: path + query })
  await send({ path: `${path}?signature=c2VjcmV0`, headers: { 'X-API-Key': 'wrong' } })
  const said = JSON.stringify(logs)
  assert.ok(logs.length >= 4, 'three requests, and a wrong credential')
  assert.doesNotMatch(said, /c2VjcmV0/)
})
