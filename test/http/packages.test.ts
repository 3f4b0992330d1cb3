import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { hash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { type Harness, start } from './harness.ts'

const SIZE = 200_000
const run = promisify(execFile)

async function withPackage(
  t: TestContext,
  size = SIZE,
): Promise<Harness & { bytes: Buffer; path: string; etag: string }> {
  const harness = await start(t)
  const bytes = randomBytes(size)
  const digest = `sha256:${hash('sha256', bytes, 'hex')}`
  harness.node.packages.set(digest, bytes)
  return { ...harness, bytes, path: `/api/v1/cells/packages/${digest}`, etag: `"${digest}"` }
}

test('a package comes whole, and no browser runs it', async (t) => {
  const { send, bytes, path, etag, node } = await withPackage(t)
  const answer = await send({ path })
  assert.equal(answer.status, 200)
  assert.ok(answer.bytes.equals(bytes))
  const { headers } = answer
  assert.equal(headers.etag, etag)
  assert.equal(headers['content-length'], String(SIZE))
  assert.equal(headers['accept-ranges'], 'bytes')
  assert.equal(headers['content-type'], 'application/octet-stream')
  assert.equal(headers['content-disposition'], `attachment; filename="${etag.slice(8, 24)}.bin"`)
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.equal(headers['content-security-policy'], 'sandbox')
  assert.equal(headers['cache-control'], 'public, max-age=31536000, immutable')
  assert.equal(node.sourcesOpen, 0)
})

test('Range, If-Range, If-None-Match and HEAD', async (t) => {
  const { send, bytes, path, etag, node } = await withPackage(t)
  const parts: [string, number, number][] = [
    ['bytes=0-0', 0, 0],
    ['bytes=100-70000', 100, 70_000],
    ['bytes=199999-', SIZE - 1, SIZE - 1],
    ['bytes=-5', SIZE - 5, SIZE - 1],
    ['bytes=-999999', 0, SIZE - 1],
    ['bytes=10-999999', 10, SIZE - 1],
  ]
  for (const [range, first, last] of parts) {
    const answer = await send({ path, headers: { Range: range } })
    assert.equal(answer.status, 206, range)
    assert.equal(answer.headers['content-range'], `bytes ${first}-${last}/${SIZE}`)
    assert.equal(answer.headers['content-length'], String(last - first + 1))
    assert.equal(answer.headers.etag, etag)
    assert.ok(answer.bytes.equals(bytes.subarray(first, last + 1)), range)
  }
  for (const range of ['bytes=0-1,5-6', 'bytes=5-2', 'bytes=-', 'bytes=a-b', 'items=0-1']) {
    const answer = await send({ path, headers: { Range: range } })
    assert.equal(answer.status, 200, range)
    assert.equal(answer.bytes.length, SIZE)
  }
  for (const range of ['bytes=200000-', 'bytes=-0', 'bytes=999999-9999999']) {
    const answer = await send({ path, headers: { Range: range } })
    assert.equal(answer.status, 416, range)
    assert.equal(answer.headers['content-range'], `bytes */${SIZE}`)
  }
  const status = async (headers: Record<string, string>, method = 'GET'): Promise<number> =>
    (await send({ path, headers, method })).status
  assert.equal(await status({ Range: 'bytes=0-1', 'If-Range': etag }), 206)
  assert.equal(await status({ Range: 'bytes=0-1', 'If-Range': '"other"' }), 200)
  assert.equal(await status({ Range: 'bytes=0-1', 'If-Range': 'Sat, 21 Nov 2026 00:00:00 GMT' }), 200)

  for (const tags of [etag, `W/${etag}`, '*', `"other", ${etag}`]) {
    const answer = await send({ path, headers: { 'If-None-Match': tags, Range: 'bytes=0-1' } })
    assert.equal(answer.status, 304, tags)
    assert.equal(answer.headers.etag, etag)
    assert.equal(answer.bytes.length, 0)
  }
  assert.equal(await status({ 'If-None-Match': '"other"' }), 200)

  const reads = node.reads.length
  const head = await send({ path, method: 'HEAD', headers: { Range: 'bytes=0-1' } })
  assert.equal(head.status, 200)
  assert.equal(head.headers['content-length'], String(SIZE))
  assert.equal(head.headers.etag, etag)
  assert.equal(await status({ 'If-None-Match': etag }, 'HEAD'), 304)
  assert.equal(node.reads.length, reads, 'HEAD reads no bytes')
  assert.equal(node.sourcesOpen, 0)
})

test('what is not held, or is no digest', async (t) => {
  const { send } = await start(t)
  const missing = await send({ path: `/api/v1/cells/packages/sha256:${'0'.repeat(64)}` })
  assert.equal(missing.status, 404)
  assert.equal((missing.json().error as { code: string }).code, 'PROV_002')
  assert.equal((await send({ path: `/api/v1/cells/packages/sha256:${'0'.repeat(64)}`, method: 'HEAD' })).status, 404)
  for (const digest of ['sha256:XYZ', 'md5:00', `sha256:${'0'.repeat(2000)}`, '..%2f..%2fetc']) {
    const answer = await send({ path: `/api/v1/cells/packages/${digest}` })
    assert.ok(answer.status === 400 || answer.status === 404, `${digest}: ${answer.status}`)
    assert.equal((answer.json().error as { code: string }).code, 'PROV_001')
  }
})

test('a source that breaks in the middle breaks the connection', async (t) => {
  const { node, port, path, logs } = await withPackage(t)
  node.breakAfter = 128 * 1024
  const outgoing = request({ port, host: '127.0.0.1', path })
  outgoing.end()
  const [answer] = await once(outgoing, 'response')
  assert.equal(answer.headers['content-length'], String(SIZE))
  let received = 0
  await assert.rejects(async () => {
    for await (const chunk of answer) received += chunk.length
  }, /aborted/)
  assert.ok(received < SIZE)
  assert.equal(node.sourcesOpen, 0)
  assert.ok(logs.some((line) => JSON.stringify(line).includes('the peer left')))
})

test('a source that breaks before its first byte is an ordinary error', async (t) => {
  const { node, send, path } = await withPackage(t)
  node.breakAfter = 0
  assert.equal((await send({ path })).status, 500)
  node.failure = new ProviderError('PROV_008', 'the package does not match its digest')
  assert.equal((await send({ path })).status, 400)
  assert.equal(node.sourcesOpen, 0)
})

test('a client that leaves stops the read', async (t) => {
  const { node, port, path } = await withPackage(t, 64 * 1024 * 1024)
  const socket = connect(port, '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`))
  await once(socket, 'data')
  socket.destroy()
  const signal = node.reads[0]
  assert.ok(signal)
  if (!signal.aborted) await once(signal, 'abort')
})

/** Resolves when `reached` says so; the test's time limit is the limit. */
async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise((resolve) => setImmediate(resolve))
}

test('downloads of one connection wait for each other, and none outlives it', async (t) => {
  const { node, port, path, logs } = await withPackage(t, 16 * 1024 * 1024)
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(50))
  const other = connect(port, '127.0.0.1')
  other.resume()
  other.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  await once(other, 'end')
  assert.equal(node.sourcesOpen, 1)
  assert.equal(node.reads.length, 2)
  socket.destroy()
  await until(() => node.sourcesOpen === 0)
  assert.equal(node.reads.length, 2)
  assert.deepEqual(logs, [])
})

test('a download behind another answer ends with its connection', async (t) => {
  const { node, port, path } = await withPackage(t)
  node.local = undefined
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  node.outcome = () => {
    ask()
    return new Promise(() => undefined)
  }
  const body = '{"request_id":"r","capability":"add"}'
  const head = `POST /api/v1/cells/request HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
  const socket = connect(port, '127.0.0.1')
  socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await asked
  await until(() => node.sourcesOpen === 1)
  socket.destroy()
  await until(() => node.sourcesOpen === 0)
})

test('a slow client gets the right bytes from a buffer that is used again', async (t) => {
  const { port, path, bytes } = await withPackage(t, 8 * 1024 * 1024)
  const outgoing = request({ port, host: '127.0.0.1', path })
  outgoing.end()
  const [answer] = await once(outgoing, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of answer) {
    chunks.push(chunk)
    if (chunks.length % 16 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(Buffer.concat(chunks).equals(bytes))
})

test('curl resumes a download', async (t) => {
  const { server, path, bytes, etag } = await withPackage(t)
  const found = await run('curl', ['--version']).catch(() => undefined)
  if (found === undefined) {
    t.skip('curl is not installed')
    return
  }
  const folder = await mkdtemp(join(tmpdir(), 'cytoplex-curl-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'package')
  const url = `${server.url}${path}`
  await run('curl', ['-sS', '-f', '-r', '0-999', '-o', file, url])
  assert.ok((await readFile(file)).equals(bytes.subarray(0, 1000)))
  await run('curl', ['-sS', '-f', '-C', '-', '-o', file, url])
  assert.ok((await readFile(file)).equals(bytes))
  const head = await run('curl', ['-sS', '-f', '-I', url])
  assert.match(head.stdout, new RegExp(`ETag: ${etag}`))
  const code = await run('curl', ['-sS', '-o', file, '-w', '%{http_code}', '-H', `If-None-Match: ${etag}`, url])
  assert.equal(code.stdout, '304')
})
