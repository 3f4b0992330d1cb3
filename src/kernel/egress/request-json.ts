import { type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import { concatBytes } from '../base/bytes.ts'
import { errorMessage } from '../base/errors.ts'
import { unlessAborted } from '../base/racing.ts'
import { parseStrictJson } from '../base/strict-json.ts'
import type { AddressRange } from './address-range.ts'
import { breakerOf, isBrokenCircuitError } from './breaker.ts'
import { checkedUrl, connectTo, EgressError, MAX_HEADER_BYTES, type Resolver } from './connect.ts'

export { EgressError, type EgressReason, type Resolver } from './connect.ts'

/** One call to an address that somebody else chose. */
export interface OutboundRequest {
  /** http or https, without credentials. */
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: object
  /** Whether private and loopback addresses are called: only where the operator chose the address. */
  readonly allowPrivate: boolean
  /** Milliseconds for everything, from the name's resolution to the last byte. */
  readonly deadlineMs: number
  /** Bytes of the answer's body at most. */
  readonly maxBytes: number
  readonly signal?: AbortSignal
  /** Instead of the system's resolver. */
  readonly resolve?: Resolver
}

export interface OutboundAnswer {
  readonly status: number
  /** Parsed JSON that nobody has checked. */
  readonly body: unknown
  /** Where the address lies that answered. */
  readonly range: AddressRange
}

/**
 * The one door for HTTP to addresses that somebody else chose (SECURITY 23). The address that the socket is connected to is checked before
 * a byte is sent; redirects are not followed; no proxy of the environment is used. An origin that did not answer several times in a row is
 * left alone for a while. Throws `EgressError`.
 */
export async function requestJson(call: OutboundRequest): Promise<OutboundAnswer> {
  const url = checkedUrl(call.url)
  const deadline = AbortSignal.timeout(call.deadlineMs)
  const signal = call.signal === undefined ? deadline : AbortSignal.any([call.signal, deadline])
  try {
    return await unlessAborted(
      breakerOf(url.origin).execute(() => attempt(url, call, signal)),
      signal,
    )
  } catch (error) {
    if (error instanceof EgressError) throw error
    if (isBrokenCircuitError(error)) {
      throw new EgressError(
        'unreachable',
        `${url.origin} did not answer again and again, and is left alone for a while`,
      )
    }
    throw new EgressError('timed_out', `${url.origin} did not answer within ${call.deadlineMs} ms`, error)
  }
}

async function attempt(url: URL, call: OutboundRequest, signal: AbortSignal): Promise<OutboundAnswer> {
  const body = call.body === undefined ? undefined : JSON.stringify(call.body)
  let socket: Socket | undefined
  try {
    const allows = (range: AddressRange): boolean => range === 'public' || (call.allowPrivate && range !== 'special')
    const connected = await connectTo(url, { allows, resolve: call.resolve }, signal)
    socket = connected.socket
    const answer = await unlessAborted(exchange(url, call, body, socket), signal)
    const status = answer.statusCode ?? 0
    if (status >= 300 && status < 400) {
      throw new EgressError('redirect', `${url.origin} answers with a redirect (${status}), which is not followed`)
    }
    const bytes = await unlessAborted(readBody(answer, url, call.maxBytes), signal)
    return { status, body: parsed(bytes, answer, url), range: connected.range }
  } catch (error) {
    if (error instanceof EgressError) throw error
    if (signal.aborted) {
      throw new EgressError('timed_out', `${url.origin} did not answer within ${call.deadlineMs} ms`, error)
    }
    throw new EgressError('unreachable', `${url.origin} cannot be reached: ${errorMessage(error)}`, error)
  } finally {
    socket?.destroy()
  }
}

/** Sends a request over a socket that was checked; resolves with the head of the answer. */
export function exchange(
  url: URL,
  { method, headers }: Pick<OutboundRequest, 'method' | 'headers'>,
  body: string | undefined,
  socket: Socket,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      method,
      path: url.pathname + url.search,
      headers: {
        Host: url.host,
        Accept: 'application/json',
        'Accept-Encoding': 'identity',
        Connection: 'close',
        ...(body === undefined
          ? {}
          : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }),
        ...headers,
      },
      createConnection: () => socket,
      maxHeaderSize: MAX_HEADER_BYTES,
    })
    outgoing.on('response', resolve)
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** The body of an answer. Throws `EgressError` when it is longer. */
export async function readBody(answer: IncomingMessage, url: URL, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let total = 0
  for await (const part of answer as AsyncIterable<Uint8Array>) {
    total += part.length
    if (total > maxBytes) {
      throw new EgressError('too_large', `${url.origin} sends more than ${maxBytes} bytes`)
    }
    parts.push(part)
  }
  return concatBytes(parts)
}

/** JSON of an answer. Throws `EgressError` for what is none. */
export function parsed(bytes: Uint8Array, { headers }: IncomingMessage, url: URL): unknown {
  const isJson = /^application\/(?:[a-z.+-]+\+)?json\b/i.test(headers['content-type'] ?? '')
  if (!isJson || (headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new EgressError('not_json', `${url.origin} does not answer with JSON`)
  }
  try {
    return parseStrictJson(bytes)
  } catch (error) {
    throw new EgressError('not_json', `${url.origin} answers with JSON that cannot be read`, error)
  }
}
