import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { sendEvents } from '../../src/http/send-events.ts'

/** Values sent as events, as a client receives them. */
async function sent(
  t: TestContext,
  values: AsyncIterable<unknown>,
  { heartbeatMs, signal = new AbortController().signal }: { heartbeatMs?: number; signal?: AbortSignal } = {},
): Promise<{ incoming: IncomingMessage; outgoing: ServerResponse; ended: Promise<unknown> }> {
  let outgoing: ServerResponse | undefined
  let ended: Promise<unknown> | undefined
  const server = createServer((_request, response) => {
    outgoing = response
    const headers = ['Content-Type', 'text/event-stream']
    const failure = (error: unknown) => JSON.stringify({ failed: (error as Error).message })
    const more = heartbeatMs === undefined ? {} : { heartbeatMs }
    ended = sendEvents(values, { raw: response, headers, end: '[END]', failure, signal, ...more }).catch((error) => {
      if (!response.headersSent) response.writeHead(500).end(String(error))
      return error
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const asking = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' }).end()
  const [incoming] = (await once(asking, 'response')) as [IncomingMessage]
  return { incoming, outgoing: outgoing!, ended: ended! }
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of incoming.setEncoding('utf8')) text += part
  return text
}

test('values are events, and the end is one', async (t) => {
  async function* values() {
    yield { n: 1 }
    yield { n: 2 }
  }
  const { incoming } = await sent(t, values())
  assert.equal(await textOf(incoming), 'data: {"n":1}\n\ndata: {"n":2}\n\ndata: [END]\n\n')
})

test('a comment is sent while there is nothing to say, also before the first value', async (t) => {
  const { promise: next, resolve } = Promise.withResolvers<void>()
  async function* values() {
    await next
    yield 1
  }
  const { incoming } = await sent(t, values(), { heartbeatMs: 5 })
  let text = ''
  for await (const part of incoming.setEncoding('utf8')) {
    text += part
    resolve()
  }
  assert.match(text, /^(: waiting\n\n)+data: 1\n\ndata: \[END\]\n\n$/)
})

test('what fails before anything was sent is thrown, and afterwards it is an event without an end', async (t) => {
  async function* values(count: number) {
    for (let n = 0; n < count; n++) yield n
    throw new Error('away')
  }
  const none = await sent(t, values(0))
  assert.deepEqual([none.incoming.statusCode, await textOf(none.incoming)], [500, 'Error: away'])
  const one = await sent(t, values(1))
  assert.equal(await textOf(one.incoming), 'data: 0\n\nevent: error\ndata: {"failed":"away"}\n\n')
})

test('no more is made than a client reads', async (t) => {
  let made = 0
  let isOver = false
  async function* values() {
    try {
      for (; made < 100_000; made++) yield 'x'.repeat(10_000)
    } finally {
      isOver = true
    }
  }
  const gone = new AbortController()
  const { incoming, outgoing, ended } = await sent(t, values(), { signal: gone.signal })
  incoming.pause()
  // The kernel's buffers take some of it: wait until nothing more fits.
  while (!outgoing.writableNeedDrain) await new Promise(setImmediate)
  const before = made
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
  assert.equal(made, before)
  assert.ok(made < 50_000, `${made} were made`)
  gone.abort(new Error('gone'))
  assert.match(String(await ended), /gone/)
  assert.equal(isOver, true)
})
