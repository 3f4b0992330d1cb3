import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import {
  ClientError,
  createClient,
  IntegrityError,
  NotFoundError,
  type Progress,
  UnreachableError,
} from '../../src/client/index.ts'
import { digestOf, type FakeNode, fakeNode, sendJson, sendPackage, signCell } from './fake-node.ts'

const bytes = readFileSync('node_modules/sql.js/dist/sql-wasm.wasm')
const large = readFileSync('node_modules/esbuild-wasm/esbuild.wasm')
const wrong = Buffer.from(bytes)
wrong[wrong.length - 1]! ^= 1
const { answer } = signCell(bytes)
const PART = 200_000

const serving = (t: TestContext, content: Uint8Array = bytes) =>
  fakeNode(t, (request, response) => sendPackage(request, response, content))

/** Breaks every connection after `PART` bytes. */
const breaking = (t: TestContext, content: Uint8Array = bytes) =>
  fakeNode(t, (request, response) => sendPackage(request, response, content, { stopAfter: PART }))

const ranges = ({ seen }: FakeNode) => seen.map(({ headers }) => headers.range)

async function fromAll(nodes: readonly FakeNode[], how: { timeoutMs?: number } = {}): Promise<Uint8Array> {
  return createClient({ nodes: nodes.map(({ url }) => url), ...how }).download({
    digest: answer.digest,
    size_bytes: bytes.length,
  })
}

const assertWhole = (received: Uint8Array, content: Uint8Array = bytes) =>
  assert(Buffer.compare(received, content) === 0, 'the bytes are those of the package')

test('a package arrives whole, with progress, from the node that was given and not from the answer’s address', async (t) => {
  const node = await serving(t, large)
  const cell = signCell(large).answer
  const progress: Progress[] = []
  const client = createClient({ nodes: node.url, sha256: () => createHash('sha256') })
  assertWhole(await client.download(cell, { onProgress: (step) => progress.push(step) }), large)
  assert.equal(node.seen[0]?.path, `/api/v1/cells/packages/${cell.digest}`)
  assert.deepEqual(progress.at(-1), { transferred: large.length, total: large.length })
  const steps = progress.map(({ transferred }) => transferred)
  assert.deepEqual(
    steps,
    steps.toSorted((a, b) => a - b),
  )
})

test('a stream hands the last bytes on only when the digest is right', async (t) => {
  const good = await serving(t)
  const received: Uint8Array[] = []
  for await (const part of createClient({ nodes: good.url }).downloadStream(answer)) received.push(part)
  assertWhole(Buffer.concat(received))

  const bad = await serving(t, wrong)
  let length = 0
  const reading = async () => {
    for await (const part of createClient({ nodes: bad.url }).downloadStream(answer)) length += part.length
  }
  await assert.rejects(reading(), IntegrityError)
  assert(length < bytes.length)
})

test('an interrupted download goes on at the last byte, on the same node', async (t) => {
  const node = await breaking(t)
  assertWhole(await fromAll([node]))
  assert.deepEqual(ranges(node), [undefined, 'bytes=200000-', 'bytes=400000-', 'bytes=600000-'])
  assert.equal(node.seen[1]?.headers['if-range'], `"${answer.digest}"`)
})

test('an interrupted download goes on at the next node, the one that answered first', async (t) => {
  const first = await breaking(t)
  const second = await serving(t)
  const client = createClient({ nodes: [second.url, first.url] })
  assertWhole(await client.download({ ...answer, node: first.url }))
  assert.deepEqual(ranges(first), [undefined])
  assert.deepEqual(ranges(second), ['bytes=200000-'])
})

test('a node that ignores the range sends everything again, and that is fine', async (t) => {
  const first = await breaking(t)
  const second = await fakeNode(t, (request, response) => sendPackage(request, response, bytes, { ignoreRange: true }))
  assertWhole(await fromAll([first, second]))
})

test('wrong bytes are dropped, and the next node begins from the start', async (t) => {
  const bad = await serving(t, wrong)
  const good = await serving(t)
  assertWhole(await fromAll([bad, good]))
  assert.deepEqual(ranges(good), [undefined])
  await assert.rejects(fromAll([bad]), (error) => error instanceof IntegrityError && error.node === bad.url)
})

test('a node whose wrong bytes were continued by an honest one does not spoil that one', async (t) => {
  const spoiled = Buffer.from(bytes)
  spoiled[0]! ^= 1
  const bad = await fakeNode(t, (request, response) =>
    sendPackage(request, response, spoiled, bad.seen.length === 1 ? { stopAfter: PART } : {}),
  )
  const good = await serving(t)
  assertWhole(await fromAll([bad, good]))
})

test('a package of another size is refused, whoever says so', async (t) => {
  const short = await serving(t, bytes.subarray(1))
  const long = await serving(t, Buffer.concat([bytes, Buffer.of(0)]))
  const endless = await fakeNode(t, (_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' }).end(bytes)
  })
  for (const node of [short, long]) await assert.rejects(fromAll([node]), IntegrityError)
  await assert.rejects(fromAll([endless]), /no package of known length/)
  const good = await serving(t)
  assertWhole(await fromAll([short, long, endless, good]))
})

test('a lie about the size, by one who then leaves, does not make the honest node a liar', async (t) => {
  const liar = await fakeNode(t, (_, response) => {
    response.writeHead(200, { 'Content-Length': bytes.length + 7 })
    response.write(bytes.subarray(0, PART), () => response.destroy())
  })
  const good = await serving(t)
  const client = createClient({ nodes: [liar.url, good.url] })
  assertWhole(await client.download({ digest: answer.digest }))
})

test('nodes without the package, overloaded ones and silent ones are passed over', async (t) => {
  const missing = await fakeNode(t, (_, response) =>
    sendJson(response, 404, { status: 'error', error: { code: 'PROV_002', message: 'no such package' } }),
  )
  const busy = await fakeNode(t, (_, response) => sendJson(response, 503, {}))
  const stalled = await fakeNode(t, (_, response) => {
    response.writeHead(200, { 'Content-Length': bytes.length })
    response.write(bytes.subarray(0, 10))
  })
  const good = await serving(t)
  assertWhole(await fromAll([missing, busy, stalled, good], { timeoutMs: 300 }))
  await assert.rejects(fromAll([missing]), (error) => error instanceof NotFoundError && error.code === 'PROV_002')
  assert.equal(missing.seen.length, 2, 'a missing package is not asked for twice')
  await assert.rejects(fromAll([busy]), (error) => error instanceof ClientError && error.status === 503)
  assert.equal(busy.seen.length, 4, 'an overloaded node is asked three times, and once above')
  await assert.rejects(fromAll([stalled], { timeoutMs: 100 }), (error) => {
    assert(error instanceof UnreachableError)
    assert.match(error.message, /no answer in time/)
    return true
  })
})

test('a signal ends the download, and so does a reader that stops', async (t) => {
  const closed = Promise.withResolvers<void>()
  const node = await fakeNode(t, (_, response) => {
    response.on('close', closed.resolve)
    response.writeHead(200, { 'Content-Length': bytes.length })
    response.write(bytes.subarray(0, PART))
  })
  const controller = new AbortController()
  const { signal } = controller
  const stop = () => controller.abort(new Error('enough'))
  const client = createClient({ nodes: node.url })
  await assert.rejects(client.download(answer, { signal, onProgress: stop }), /^Error: enough$/)
  await closed.promise

  const again = Promise.withResolvers<void>()
  const slow = await fakeNode(t, (_, response) => {
    response.on('close', again.resolve)
    response.writeHead(200, { 'Content-Length': bytes.length })
    response.write(bytes.subarray(0, 2 * PART))
  })
  for await (const _part of createClient({ nodes: slow.url }).downloadStream(answer)) break
  await again.promise
})

test('what is no digest is named', async () => {
  const client = createClient({ nodes: 'http://127.0.0.1:2' })
  await assert.rejects(client.download({ digest: '../../etc/passwd' }), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(client.download({ digest: digestOf(bytes).toUpperCase() }), { code: 'INVALID_ARGUMENT' })
})
