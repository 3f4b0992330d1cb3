import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { createParser } from 'eventsource-parser'
import { unlessAborted } from '../base/racing.ts'
import type { AddressRange } from './address-range.ts'
import { breakerOf, isBrokenCircuitError } from './breaker.ts'
import { checkedUrl, connectTo, EgressError, RefusedError } from './connect.ts'
import { exchange, type OutboundRequest, parsed, readBody } from './request-json.ts'

/** A call whose answer comes as events. */
export interface EventCall extends OutboundRequest {
  /** Whether `deadlineMs` is for each silence instead of for everything. While nobody takes what came, nobody waits either. */
  readonly eachSilence?: boolean
}

/** Data of a server-sent event, or the JSON that came instead of events. */
export type EventPiece = { readonly data: string } | { readonly body: unknown }

/**
 * Calls under the rules of `requestJson`, and yields the data of each server-sent event as it arrives and no faster than it is taken, until the stream
 * ends, the deadline is over, or nobody iterates any more: then the connection is closed. A service that answers with JSON instead is taken at its
 * word. Throws `EgressError`, for any status but 200 `RefusedError`, and the reason of the call's signal.
 */
export async function* requestEvents(call: EventCall): AsyncGenerator<EventPiece, void, undefined> {
  const url = checkedUrl(call.url)
  const deadline = new Deadline(call.deadlineMs)
  const signal = call.signal === undefined ? deadline.signal : AbortSignal.any([call.signal, deadline.signal])
  let socket: Socket | undefined
  const opened = async (): Promise<IncomingMessage> => {
    try {
      const allows = (range: AddressRange): boolean => range === 'public' || (call.allowPrivate && range !== 'special')
      socket = (await connectTo(url, { allows, resolve: call.resolve }, signal)).socket
      const body = call.body === undefined ? undefined : JSON.stringify(call.body)
      return await unlessAborted(exchange(url, call, body, socket), signal)
    } catch (error) {
      throw failure(error)
    }
  }
  const failure = (error: unknown): EgressError => {
    if (error instanceof EgressError) return error
    if (signal.aborted)
      return new EgressError('timed_out', `${url.origin} did not answer within ${call.deadlineMs} ms`, error)
    return new EgressError('unreachable', `${url.origin} cannot be reached, or broke off`, error)
  }
  try {
    const answer = await unlessAborted(breakerOf(url.origin).execute(opened), signal)
    if (answer.statusCode !== 200) {
      const message = `${url.origin} answers with status ${answer.statusCode}`
      throw new RefusedError(message, answer.statusCode ?? 0, secondsOf(answer.headers['retry-after']))
    }
    if (!isEventStream(answer)) {
      yield { body: parsed(await unlessAborted(readBody(answer, url, call.maxBytes), signal), answer, url) }
      return
    }
    for await (const data of dataOf(answer, url, call, signal, deadline)) yield { data }
  } catch (error) {
    call.signal?.throwIfAborted()
    if (isBrokenCircuitError(error)) {
      throw new EgressError(
        'unreachable',
        `${url.origin} did not answer again and again, and is left alone for a while`,
      )
    }
    throw failure(error)
  } finally {
    deadline.stop()
    socket?.destroy()
  }
}

async function* dataOf(
  answer: IncomingMessage,
  url: URL,
  { maxBytes, eachSilence = false }: EventCall,
  signal: AbortSignal,
  deadline: Deadline,
): AsyncGenerator<string, void, undefined> {
  let arrived: string[] = []
  const parser = createParser({ onEvent: ({ data }) => void arrived.push(data) })
  const decoder = new TextDecoder()
  const parts = (answer as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  for (let total = 0; ; ) {
    const part = await unlessAborted(parts.next(), signal)
    if (part.done === true) return
    total += part.value.length
    if (total > maxBytes) throw new EgressError('too_large', `${url.origin} sends more than ${maxBytes} bytes`)
    parser.feed(decoder.decode(part.value, { stream: true }))
    if (eachSilence) deadline.stop()
    yield* arrived
    arrived = []
    signal.throwIfAborted()
    if (eachSilence) deadline.start()
  }
}

/** A time limit that can be stopped and begun again. */
class Deadline {
  readonly #ms: number
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(ms: number) {
    this.#ms = ms
    this.start()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  start(): void {
    const over = (): void => this.#controller.abort(new DOMException('the time is over', 'TimeoutError'))
    this.#timer = setTimeout(over, this.#ms)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

const isEventStream = ({ headers }: IncomingMessage): boolean =>
  /^text\/event-stream\b/i.test(headers['content-type'] ?? '') &&
  (headers['content-encoding'] ?? 'identity') === 'identity'

/** `Retry-After` in seconds; undefined for dates, which the clocks of two machines may read differently, and for what is none. */
const secondsOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^[0-9]{1,6}$/.test(text) ? Number(text) : undefined
