import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import {
  EgressError,
  type EgressReason,
  type OutboundRequest,
  type Resolver,
  requestJson,
} from '../../../src/kernel/egress/request-json.ts'

/** A local server; resolves with its port, and with what it was asked. */
async function serve(t: TestContext, listener: RequestListener): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    listener(request, response)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, asked }
}

const json =
  (body: string, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', ...headers })
    response.end(body)
  }

const resolvesTo =
  (...addresses: string[]): Resolver =>
  (_hostname, _options, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )

const call = (url: string, more: Partial<OutboundRequest> = {}) =>
  requestJson({ url, method: 'GET', allowPrivate: true, deadlineMs: 20_000, maxBytes: 1000, ...more })

const refused = (reason: EgressReason) => (error: unknown) => {
  assert.ok(error instanceof EgressError)
  assert.equal(error.reason, reason, error.message)
  return true
}

test('an answer comes with its status, its JSON and the range of its address', async (t) => {
  const { port } = await serve(t, (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part) => {
      body += part
    })
    request.on('end', () => {
      response.writeHead(418, { 'Content-Type': 'application/json; charset=utf-8' })
      response.end(JSON.stringify({ body, header: request.headers['x-more'], host: request.headers.host }))
    })
  })
  const { status, body, range } = await call(`http://127.0.0.1:${port}/path`, {
    method: 'POST',
    body: { a: 1 },
    headers: { 'X-More': 'yes' },
  })
  assert.deepEqual({ status, range }, { status: 418, range: 'loopback' })
  assert.deepEqual(body, { body: '{"a":1}', header: 'yes', host: `127.0.0.1:${port}` })
})

test('private addresses are called only where the operator chose them, special ones never', async (t) => {
  const { port, asked } = await serve(t, json('{}'))
  const strict = { allowPrivate: false }
  for (const host of [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '10.0.0.1',
    '169.254.169.254',
    '192.168.1.1',
    '[fe80::1]',
    '[fd00::1]',
    '100.64.0.1',
  ]) {
    await assert.rejects(call(`http://${host}:${port}/`, strict), refused('address'), host)
  }
  for (const host of ['0.0.0.0', '[::]', '224.0.0.1', '[64:ff9b::7f00:1]', '255.255.255.255']) {
    await assert.rejects(call(`http://${host}:${port}/`), refused('address'), host)
  }
  assert.deepEqual(asked, [])
})

test('a name counts by the addresses that it resolves to, and only those are connected to', async (t) => {
  const { port, asked } = await serve(t, json('{"here":true}'))
  const url = `http://partner.example:${port}/`
  await assert.rejects(call(url, { allowPrivate: false, resolve: resolvesTo('127.0.0.1', '::1') }), refused('address'))
  assert.deepEqual(asked, [])
  const { body } = await call(url, { resolve: resolvesTo('0.0.0.0', '127.0.0.1') })
  assert.deepEqual(body, { here: true })
  // What a name resolves to later makes no difference to a connection: it is resolved once for each.
  let resolutions = 0
  const rebinding: Resolver = (...args) => resolvesTo(resolutions++ === 0 ? '127.0.0.1' : '10.0.0.1')(...args)
  await call(url, { resolve: rebinding })
  assert.equal(resolutions, 1)
})

test('redirects are not followed', async (t) => {
  const inner = await serve(t, json('{}'))
  const { port } = await serve(t, (_request, response) => {
    response.writeHead(307, { Location: `http://127.0.0.1:${inner.port}/`, 'Content-Type': 'application/json' })
    response.end('{}')
  })
  await assert.rejects(call(`http://127.0.0.1:${port}/`), refused('redirect'))
  assert.deepEqual(inner.asked, [])
})

test('an answer that is too large, no JSON, or JSON without a single meaning is refused', async (t) => {
  const large = await serve(t, json(JSON.stringify('x'.repeat(1000))))
  await assert.rejects(call(`http://127.0.0.1:${large.port}/`), refused('too_large'))
  const endless = await serve(t, (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.on('drain', () => response.write('x'.repeat(65_536)))
    response.write('x'.repeat(65_536))
  })
  await assert.rejects(call(`http://127.0.0.1:${endless.port}/`), refused('too_large'))
  for (const listener of [
    json('{}', { 'Content-Type': 'text/html' }),
    json('{}', { 'Content-Encoding': 'gzip' }),
    json('{"a":1,"a":2}'),
    json('nothing'),
  ]) {
    const { port } = await serve(t, listener)
    await assert.rejects(call(`http://127.0.0.1:${port}/`), refused('not_json'))
  }
})

test('who does not answer in time, or not at all, is not waited for', async (t) => {
  const silent = await serve(t, () => undefined)
  await assert.rejects(call(`http://127.0.0.1:${silent.port}/`, { deadlineMs: 50 }), refused('timed_out'))
  const stalled = await serve(t, (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.write('{')
  })
  await assert.rejects(call(`http://127.0.0.1:${stalled.port}/`, { deadlineMs: 50 }), refused('timed_out'))
  const held: Socket[] = []
  const closing = createTcpServer((socket) => {
    held.push(socket)
    socket.destroy()
  })
  await new Promise<void>((listening) => closing.listen(0, '127.0.0.1', listening))
  t.after(() => closing.close())
  const { port } = closing.address() as AddressInfo
  await assert.rejects(call(`http://127.0.0.1:${port}/`), refused('unreachable'))
  // A plain server does not speak TLS, and a TLS client tells it nothing.
  const plain = await serve(t, json('{}'))
  await assert.rejects(call(`https://127.0.0.1:${plain.port}/`), refused('unreachable'))
  assert.deepEqual(plain.asked, [])
})

test('only http and https URLs without credentials are called', async () => {
  for (const url of ['ftp://a.example/', 'file:///etc/passwd', 'http://user:word@127.0.0.1/', 'nothing']) {
    await assert.rejects(call(url), refused('address'), url)
  }
})
