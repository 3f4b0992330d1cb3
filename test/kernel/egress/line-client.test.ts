import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { LineClient } from '../../../src/kernel/egress/line-client.ts'
import { type LineAnswer, lineService } from '../../support/line-service.ts'

/** A service, and a client of it. */
async function pair(t: TestContext, answer: LineAnswer) {
  const service = await lineService(t, answer)
  const client = new LineClient({ host: '127.0.0.1', port: service.port, maxBytes: 64 })
  t.after(() => client.close())
  const ask = (line: string, read: (answer: string) => string = (text) => text, signal = AbortSignal.timeout(20_000)) =>
    client.ask(line, read, signal)
  return { service, client, ask }
}

const echo: LineAnswer = (line, socket) => socket.write(`${line.toUpperCase()}\n`)

test('questions go one after the other over one connection', async (t) => {
  const { service, ask } = await pair(t, echo)
  assert.deepEqual(await Promise.all([ask('a'), ask('b'), ask('c')]), ['A', 'B', 'C'])
  assert.deepEqual(service.lines, ['a', 'b', 'c'])
  assert.equal(service.connections(), 1)
})

test('an answer may come in pieces, also within a character', async (t) => {
  const { ask } = await pair(t, async (line, socket) => {
    for (const byte of Buffer.from(`${line} é\n`)) {
      socket.write(Buffer.of(byte))
      await new Promise(setImmediate)
    }
  })
  assert.equal(await ask('un'), 'un é')
  assert.equal(await ask('deux'), 'deux é')
})

test('an answer that does not come is given up, and the next question goes over another connection', async (t) => {
  const stop = new AbortController()
  const { service, ask } = await pair(t, (line, socket) => {
    if (line === 'slow') stop.abort(new Error('too slow'))
    else echo(line, socket)
  })
  await assert.rejects(ask('slow', undefined, stop.signal), /too slow/)
  assert.equal(await ask('next'), 'NEXT')
  assert.equal(service.connections(), 2)
})

test('whoever waits behind a slow question can give up alone', async (t) => {
  let first: Socket | undefined
  const { ask, service } = await pair(t, (line, socket) => {
    if (line === 'first') first = socket
    else echo(line, socket)
  })
  const slow = ask('first')
  const stop = new AbortController()
  const second = ask('second', undefined, stop.signal)
  await service.asked(1)
  stop.abort(new Error('given up'))
  await assert.rejects(second, /given up/)
  first?.write('late\n')
  assert.equal(await slow, 'late')
  assert.deepEqual(service.lines, ['first'])
})

test('answers that are too long, not UTF-8, more than one, or refused by the reader end the connection', async (t) => {
  const wrong: Record<string, string | Buffer> = {
    long: `${'x'.repeat(65)}\n`,
    endless: 'x'.repeat(1000),
    binary: Buffer.of(0xff, 0xfe, 0x0a),
    two: 'one\ntwo\n',
    refused: 'no sense\n',
  }
  const { service, ask } = await pair(t, (line, socket) => {
    socket.write(wrong[line] ?? 'fine\n')
  })
  const says: Record<string, RegExp> = {
    long: /longer than 64 bytes/,
    endless: /longer than 64 bytes/,
    binary: /not UTF-8/,
    two: /more than one answer/,
    refused: /I do not take it/,
  }
  const read = (answer: string): string => {
    if (answer === 'no sense') throw new Error('I do not take it')
    return answer
  }
  let connections = 1
  for (const [line, message] of Object.entries(says)) {
    await assert.rejects(ask(line, read), message, line)
    assert.equal(await ask('again', read), 'fine', line)
    assert.equal(service.connections(), ++connections, line)
  }
})

test('a connection that was closed while it waited is replaced without the caller noticing', async (t) => {
  const { service, ask } = await pair(t, echo)
  assert.equal(await ask('a'), 'A')
  service.hangUp()
  assert.equal(await ask('b'), 'B')
  assert.equal(service.connections(), 2)
})

test('a service that speaks unasked is hung up on', async (t) => {
  let socket: Socket | undefined
  const { service, ask } = await pair(t, (line, from) => {
    socket = from
    echo(line, from)
  })
  assert.equal(await ask('a'), 'A')
  socket?.write('OK whatever\n')
  await once(socket!, 'close')
  assert.equal(await ask('b'), 'B')
  assert.equal(service.connections(), 2)
})

test('a service that closes instead of answering is asked no second time', async (t) => {
  const { service, ask } = await pair(t, (_line, socket) => void socket.destroy())
  await assert.rejects(ask('a'), /closed|ECONNRESET/)
  assert.deepEqual(service.lines, ['a'])
})

test('nobody there: the reason says so, and later it works', async (t) => {
  const place = await lineService(t, echo)
  await place.close()
  const client = new LineClient({ host: 'localhost', port: place.port, maxBytes: 64 })
  t.after(() => client.close())
  await assert.rejects(client.ask('a', String, AbortSignal.timeout(20_000)), /ECONNREFUSED/)
  await lineService(t, echo, place.port)
  assert.equal(await client.ask('a', String, AbortSignal.timeout(20_000)), 'A')
})

test('a client that was closed asks nothing any more', async (t) => {
  const { client, service, ask } = await pair(t, () => undefined)
  const waiting = ask('a')
  await service.asked(1)
  client.close()
  await assert.rejects(waiting, /closed/)
  await assert.rejects(ask('b'), /closed for good/)
  assert.deepEqual(service.lines, ['a'])
})
