import { lookup } from 'node:dns'
import { type IncomingMessage, request } from 'node:http'
import { connect, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { concatBytes } from '../base/bytes.ts'
import { errorMessage } from '../base/errors.ts'
import { unlessAborted } from '../base/racing.ts'
import { parseStrictJson } from '../base/strict-json.ts'
import { type AddressRange, rangeOfHost } from './address-range.ts'

/** Bytes of the headers of an answer. */
const MAX_HEADER_BYTES = 16 * 1024

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

/** Resolves a host name to all of its addresses. */
export type Resolver = (
  hostname: string,
  options: { readonly all: true },
  done: (error: NodeJS.ErrnoException | null, addresses: { address: string; family: number }[]) => void,
) => void

export interface OutboundAnswer {
  readonly status: number
  /** Parsed JSON that nobody has checked. */
  readonly body: unknown
  /** Where the address lies that answered. */
  readonly range: AddressRange
}

/** Why a call gave no answer. What an answer that is refused said is not in the message. */
export type EgressReason = 'address' | 'unreachable' | 'timed_out' | 'redirect' | 'too_large' | 'not_json'

export class EgressError extends Error {
  override readonly name = 'EgressError'
  readonly reason: EgressReason

  constructor(reason: EgressReason, message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
  }
}

/**
 * The one door for HTTP to addresses that somebody else chose (SECURITY 23). The address that the socket is connected to is checked before
 * a byte is sent; redirects are not followed; no proxy of the environment is used. Throws `EgressError`.
 */
export async function requestJson(call: OutboundRequest): Promise<OutboundAnswer> {
  const url = checkedUrl(call.url)
  const body = call.body === undefined ? undefined : JSON.stringify(call.body)
  const deadline = AbortSignal.timeout(call.deadlineMs)
  const signal = call.signal === undefined ? deadline : AbortSignal.any([call.signal, deadline])
  let socket: Socket | undefined
  try {
    const connected = await connectTo(url, call, signal)
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

function checkedUrl(text: string): URL {
  const url = URL.parse(text)
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (url === null || !isHttp || url.username !== '' || url.password !== '') {
    throw new EgressError('address', 'found an address that is no http or https URL without credentials')
  }
  return url
}

/** A socket whose other end may be talked to. */
async function connectTo(
  url: URL,
  { allowPrivate, resolve = lookup }: OutboundRequest,
  signal: AbortSignal,
): Promise<{ socket: Socket; range: AddressRange }> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const isSecure = url.protocol === 'https:'
  const refuse = (): EgressError =>
    new EgressError('address', `${url.origin} is at an address that this node does not call from here`)
  if (isIP(host) !== 0 && !isAllowed(host, allowPrivate)) throw refuse()
  const plain = connect({
    host,
    port: Number(url.port || (isSecure ? 443 : 80)),
    autoSelectFamily: true,
    lookup: filtered(resolve, allowPrivate, refuse),
  })
  try {
    await unlessAborted(happened(plain, 'connect'), signal)
    const { remoteAddress = '' } = plain
    if (!isAllowed(remoteAddress, allowPrivate)) throw refuse()
    const range = rangeOfHost(withoutZone(remoteAddress))
    if (!isSecure) return { socket: plain, range }
    const secure = connectTls({
      socket: plain,
      ALPNProtocols: ['http/1.1'],
      ...(isIP(host) === 0 ? { servername: host } : { host }),
    })
    // Destroying the one that is wrapped would leave errors of the other without a listener.
    secure.on('error', () => undefined)
    await unlessAborted(happened(secure, 'secureConnect'), signal)
    return { socket: secure, range }
  } catch (error) {
    plain.destroy()
    throw error
  }
}

/** Only the addresses that may be called; an error when none is left. */
const filtered =
  (resolve: Resolver, allowPrivate: boolean, refuse: () => EgressError): LookupFunction =>
  (hostname, _options, done) =>
    resolve(hostname, { all: true }, (error, addresses) => {
      if (error !== null) return done(error, [])
      const allowed = addresses.filter(({ address }) => isAllowed(address, allowPrivate))
      if (allowed.length === 0) done(refuse(), [])
      else done(null, allowed)
    })

function isAllowed(address: string, allowPrivate: boolean): boolean {
  const range = rangeOfHost(withoutZone(address))
  return range === 'public' || (allowPrivate && range !== 'special')
}

const withoutZone = (address: string): string => address.split('%', 1)[0]!

function happened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed')))
  })
}

function exchange(
  url: URL,
  { method, headers }: OutboundRequest,
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

async function readBody(answer: IncomingMessage, url: URL, maxBytes: number): Promise<Uint8Array> {
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

function parsed(bytes: Uint8Array, { headers }: IncomingMessage, url: URL): unknown {
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
