import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { createParser } from 'eventsource-parser'
import { unlessAborted } from '../base/racing.ts'
import type { AddressRange } from './address-range.ts'
import { breakerOf, isBrokenCircuitError } from './breaker.ts'
import { checkedUrl, connectTo, EgressError } from './connect.ts'
import { exchange, type OutboundRequest, parsed, readBody } from './request-json.ts'

/** What came: whether it came as events, or the JSON that came instead. */
type EventsAnswer = { readonly streamed: true } | { readonly streamed: false; readonly body: unknown }

/**
 * Calls under the rules of `requestJson`, and gives the data of each server-sent event to `onData` as it arrives, until that says that it is enough,
 * the stream ends, or the deadline is over. A service that answers with JSON instead is taken at its word. Throws `EgressError`, also for any
 * status but 200, and what `onData` throws.
 */
export async function requestEvents(call: OutboundRequest, onData: (data: string) => boolean): Promise<EventsAnswer> {
  const url = checkedUrl(call.url)
  const deadline = AbortSignal.timeout(call.deadlineMs)
  const signal = call.signal === undefined ? deadline : AbortSignal.any([call.signal, deadline])
  const timedOut = (cause: unknown): EgressError =>
    new EgressError('timed_out', `${url.origin} did not answer within ${call.deadlineMs} ms`, cause)
  try {
    return await unlessAborted(
      breakerOf(url.origin).execute(() => attempt(url, call, onData, signal, timedOut)),
      signal,
    )
  } catch (error) {
    call.signal?.throwIfAborted()
    if (isBrokenCircuitError(error)) {
      throw new EgressError(
        'unreachable',
        `${url.origin} did not answer again and again, and is left alone for a while`,
      )
    }
    if (signal.aborted && !(error instanceof EgressError)) throw timedOut(error)
    throw error
  }
}

async function attempt(
  url: URL,
  call: OutboundRequest,
  onData: (data: string) => boolean,
  signal: AbortSignal,
  timedOut: (cause: unknown) => EgressError,
): Promise<EventsAnswer> {
  let socket: Socket | undefined
  try {
    const allows = (range: AddressRange): boolean => range === 'public' || (call.allowPrivate && range !== 'special')
    socket = (await connectTo(url, { allows, resolve: call.resolve }, signal)).socket
    const body = call.body === undefined ? undefined : JSON.stringify(call.body)
    const answer = await unlessAborted(exchange(url, call, body, socket), signal)
    if (answer.statusCode !== 200) {
      throw new EgressError('refused', `${url.origin} answers with status ${answer.statusCode}`)
    }
    if (!isEventStream(answer)) {
      return {
        streamed: false,
        body: parsed(await unlessAborted(readBody(answer, url, call.maxBytes), signal), answer, url),
      }
    }
    await unlessAborted(readEvents(answer, url, call.maxBytes, onData), signal)
    return { streamed: true }
  } catch (error) {
    if (error instanceof EgressError) throw error
    if (signal.aborted) throw timedOut(error)
    if (error instanceof SinkError) throw error.cause
    throw new EgressError('unreachable', `${url.origin} cannot be reached, or broke off`, error)
  } finally {
    socket?.destroy()
  }
}

/** What `onData` threw. */
class SinkError extends Error {}

async function readEvents(
  answer: IncomingMessage,
  url: URL,
  maxBytes: number,
  onData: (data: string) => boolean,
): Promise<void> {
  let isEnough = false
  const parser = createParser({
    onEvent({ data }) {
      if (isEnough) return
      try {
        isEnough = onData(data)
      } catch (cause) {
        throw new SinkError('refused', { cause })
      }
    },
  })
  const decoder = new TextDecoder()
  let total = 0
  for await (const part of answer as AsyncIterable<Uint8Array>) {
    total += part.length
    if (total > maxBytes) throw new EgressError('too_large', `${url.origin} sends more than ${maxBytes} bytes`)
    parser.feed(decoder.decode(part, { stream: true }))
    if (isEnough) return
  }
}

const isEventStream = ({ headers }: IncomingMessage): boolean =>
  /^text\/event-stream\b/i.test(headers['content-type'] ?? '') &&
  (headers['content-encoding'] ?? 'identity') === 'identity'
