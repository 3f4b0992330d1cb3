import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { EgressError, RefusedError } from '../../../src/kernel/egress/connect.ts'
import { type EventCall, requestEvents } from '../../../src/kernel/egress/event-stream.ts'
import { begin, chatUpstream, type Script } from '../../support/chat-upstream.ts'

async function asking(t: TestContext, script: Script, more: Partial<EventCall> = {}) {
  const upstream = await chatUpstream(t, script)
  const call: EventCall = {
    url: upstream.base_url,
    method: 'POST',
    body: {},
    allowPrivate: true,
    deadlineMs: 20_000,
    maxBytes: 100_000_000,
    ...more,
  }
  return { upstream, events: requestEvents(call) }
}

/** Writes as fast as it is taken, until the connection is closed. */
async function flood(response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const event = `data: ${'x'.repeat(100_000)}\n\n`
  for (let n = 0; n < 10_000 && !response.destroyed; n++)
    if (!response.write(event)) await once(response, 'drain', gone).catch(() => undefined)
}

test('events are read no faster than they are taken, however long that takes', async (t) => {
  let outgoing: ServerResponse | undefined
  const script: Script = (_asked, response) => {
    outgoing = begin(response)
    return flood(response)
  }
  const { events, upstream } = await asking(t, script, { deadlineMs: 2000, eachSilence: true })
  const asked = upstream.next()
  assert.equal((await events.next()).done, false)
  // Nothing more fits into the buffers in between.
  while (!outgoing?.writableNeedDrain) await new Promise(setImmediate)
  // Longer than a silence may be: it is not the service that is silent.
  await new Promise((resolve) => setTimeout(resolve, 2500))
  assert.equal(outgoing.writableNeedDrain, true)
  assert.equal((await events.next()).done, false)
  await events.return()
  assert.equal(await (await asked).leftEarly, true)
})

test('a silence is too long, a steady stream is not', async (t) => {
  const { promise: enough, resolve } = Promise.withResolvers<void>()
  const { events } = await asking(
    t,
    async (_asked, response) => {
      begin(response)
      for (let n = 0; n < 5; n++) {
        response.write(`data: ${n}\n\n`)
        await new Promise((next) => setTimeout(next, 300))
      }
      await enough
      response.end()
    },
    { deadlineMs: 1200, eachSilence: true },
  )
  const seen: unknown[] = []
  await assert.rejects(
    async () => {
      for await (const piece of events) seen.push(piece)
    },
    (error) => error instanceof EgressError && error.reason === 'timed_out',
  )
  resolve()
  assert.equal(seen.length, 5)
})

test('a refusal says its status, and when to come back', async (t) => {
  for (const [header, seconds] of [
    ['17', 17],
    ['soon', undefined],
    ['Wed, 21 Oct 2026 07:28:00 GMT', undefined],
  ] as const) {
    const { events } = await asking(
      t,
      (_asked, response) => void response.writeHead(429, { 'Retry-After': header }).end(),
    )
    await assert.rejects(
      events.next(),
      (error) => error instanceof RefusedError && error.status === 429 && error.retryAfter === seconds,
    )
  }
})

test('the reason of the one who gives up is what is thrown', async (t) => {
  const giving = new AbortController()
  const { events, upstream } = await asking(t, () => undefined, { signal: giving.signal })
  const asked = upstream.next()
  const first = events.next()
  await asked
  const reason = new Error('given up')
  giving.abort(reason)
  await assert.rejects(first, reason)
})
