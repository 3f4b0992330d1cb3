import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { breakerOf, createBreaker, isBrokenCircuitError } from '../../../src/kernel/egress/breaker.ts'
import { EgressError, requestJson } from '../../../src/kernel/egress/request-json.ts'

const call = (url: string, signal?: AbortSignal) =>
  requestJson({
    url,
    method: 'GET',
    allowPrivate: true,
    deadlineMs: 20_000,
    maxBytes: 1000,
    ...(signal === undefined ? {} : { signal }),
  })

const saying = (says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EgressError)
  assert.equal(error.reason, 'unreachable')
  assert.match(error.message, says)
  return true
}

/** A server that closes connections instead of answering, until it is told to answer. */
async function serve(t: TestContext) {
  const state = { answers: false, connections: 0 }
  const http = createServer((_request, response) => {
    response.writeHead(500, { 'Content-Type': 'application/json' })
    response.end('{}')
  })
  const server = createTcpServer((socket) => {
    state.connections++
    socket.on('error', () => undefined)
    if (state.answers) http.emit('connection', socket)
    else socket.destroy()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => {
    http.closeAllConnections()
    server.close()
  })
  return { state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

test('an origin that fails five times in a row is left alone, and tried again after a while', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 })
  const { state, url } = await serve(t)
  for (let i = 0; i < 5; i++) await assert.rejects(call(url), saying(/cannot be reached/))
  assert.equal(state.connections, 5)
  await assert.rejects(call(url), saying(/left alone for a while/))
  assert.equal(state.connections, 5, 'nobody was asked')

  state.answers = true
  t.mock.timers.tick(60_000)
  assert.equal((await call(url)).status, 500, 'an answer is an answer')
  assert.equal((await call(url)).status, 500)
  assert.equal(state.connections, 7)
})

test('one that still fails is left alone again at once', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 })
  const { state, url } = await serve(t)
  for (let i = 0; i < 5; i++) await assert.rejects(call(url), saying(/cannot be reached/))
  t.mock.timers.tick(60_000)
  await assert.rejects(call(url), saying(/cannot be reached/))
  await assert.rejects(call(url), saying(/left alone for a while/))
  assert.equal(state.connections, 6)
})

test('callers that give up, and answers that are refused, do not count', async (t) => {
  const { url } = await serve(t)
  for (let i = 0; i < 10; i++) {
    await assert.rejects(call(url, AbortSignal.abort(new Error('given up'))), { reason: 'timed_out' })
    await assert.rejects(requestJson({ url, method: 'GET', allowPrivate: false, deadlineMs: 20_000, maxBytes: 1000 }), {
      reason: 'address',
    })
  }
  await assert.rejects(call(url), saying(/cannot be reached/))
})

test('origins have nothing to do with each other', async (t) => {
  const [one, other] = [await serve(t), await serve(t)]
  other.state.answers = true
  for (let i = 0; i < 6; i++) await assert.rejects(call(one.url), EgressError)
  assert.equal((await call(other.url)).status, 500)
})

test('a thousand origins are remembered, those that were called last', () => {
  const first = breakerOf('http://first.example')
  assert.equal(breakerOf('http://first.example'), first)
  for (let i = 0; i < 1000; i++) breakerOf(`http://${i}.example`)
  assert.notEqual(breakerOf('http://first.example'), first)
})

test('what does not count does not open a breaker', async () => {
  const breaker = createBreaker((error) => error.message === 'away', 1000)
  const fail = (message: string) => breaker.execute(() => Promise.reject(new Error(message)))
  for (let i = 0; i < 10; i++) await assert.rejects(fail('refused'), /refused/)
  for (let i = 0; i < 5; i++) await assert.rejects(fail('away'), /away/)
  await assert.rejects(fail('refused'), isBrokenCircuitError)
})
