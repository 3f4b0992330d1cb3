import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { concatBytes } from '../../../src/kernel/base/bytes.ts'
import { EgressError, type EgressReason } from '../../../src/kernel/egress/connect.ts'
import { RangeReader } from '../../../src/kernel/egress/range-reader.ts'

const BYTES = Buffer.from('0123456789abcdef')
const here = { allows: (range: string): boolean => range === 'loopback' }

/** A local server, and how many connections it saw. */
async function serve(t: TestContext, listener: RequestListener) {
  const seen = { connections: 0 }
  const server = createServer(listener)
  server.on('connection', () => seen.connections++)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/file` }
}

/** Answers with the part that is asked for. */
const parts: RequestListener = ({ headers }, response) => {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')!.map(Number)
  response.writeHead(206, { 'Content-Range': `bytes ${start}-${end}/${BYTES.length}` })
  response.end(BYTES.subarray(start, end! + 1))
}

async function read(reader: RangeReader, start: number, end: number, signal = AbortSignal.timeout(20_000)) {
  const collected: Uint8Array[] = []
  for await (const part of reader.read(start, end, signal)) collected.push(part)
  return Buffer.from(concatBytes(collected)).toString()
}

const refused = (reason: EgressReason) => (error: unknown) => {
  assert.ok(error instanceof EgressError)
  assert.equal(error.reason, reason, error.message)
  return true
}

test('parts come one after the other over one connection', async (t) => {
  const { url, seen } = await serve(t, parts)
  const reader = new RangeReader(url, here)
  assert.equal(await read(reader, 0, 3), '0123')
  assert.equal(await read(reader, 10, 15), 'abcdef')
  assert.equal(seen.connections, 1)
  reader.close()
  assert.equal(await read(reader, 4, 4), '4')
  assert.equal(seen.connections, 2)
  reader.close()
})

test('an address that is not allowed is not asked, and neither is where a redirect points', async (t) => {
  const { url, seen } = await serve(t, (_request, response) => {
    response.writeHead(302, { Location: '/elsewhere' })
    response.end()
  })
  await assert.rejects(read(new RangeReader(url, { allows: (range) => range === 'public' }), 0, 1), refused('address'))
  assert.equal(seen.connections, 0)
  await assert.rejects(read(new RangeReader(url, here), 0, 1), refused('redirect'))
  assert.throws(() => new RangeReader('file:///etc/passwd', here), refused('address'))
})

test('another part, the whole, too much and too little are errors', async (t) => {
  const answers: Record<string, [EgressReason, RequestListener]> = {
    whole: ['refused', (_request, response) => void response.writeHead(200).end(BYTES)],
    busy: ['refused', (_request, response) => void response.writeHead(429).end()],
    other: [
      'refused',
      (_request, response) => void response.writeHead(206, { 'Content-Range': 'bytes 1-2/16' }).end(BYTES),
    ],
    encoded: [
      'refused',
      (_request, response) =>
        void response.writeHead(206, { 'Content-Range': 'bytes 0-3/16', 'Content-Encoding': 'gzip' }).end(BYTES),
    ],
    'too much': [
      'too_large',
      (_request, response) => void response.writeHead(206, { 'Content-Range': 'bytes 0-3/16' }).end(BYTES),
    ],
    'too little': [
      'unreachable',
      (_request, response) => void response.writeHead(206, { 'Content-Range': 'bytes 0-3/16' }).end('01'),
    ],
    'broken off': [
      'unreachable',
      (_request, response) => {
        response.writeHead(206, { 'Content-Range': 'bytes 0-3/16', 'Content-Length': '4' })
        response.write('01', () => response.destroy())
      },
    ],
  }
  for (const [name, [reason, listener]] of Object.entries(answers)) {
    const { url } = await serve(t, listener)
    const reader = new RangeReader(url, here)
    await assert.rejects(read(reader, 0, 3), refused(reason), name)
    reader.close()
  }
})

test('a caller who waits no longer gets the reason', async (t) => {
  const { url } = await serve(t, (_request, response) => {
    response.writeHead(206, { 'Content-Range': 'bytes 0-3/16' })
    response.write('01')
  })
  const caller = new AbortController()
  const reader = new RangeReader(url, here)
  await assert.rejects(async () => {
    for await (const _part of reader.read(0, 3, caller.signal)) caller.abort(new Error('enough'))
  }, /enough/)
})
