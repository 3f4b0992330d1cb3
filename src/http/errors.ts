import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { INTERNAL_ERROR } from '../../protocol/errors.ts'
import { errorMessage, hasCode, ProviderError } from '../kernel/base/errors.ts'
import { chatFailure } from './chat-failure.ts'
import { memoryFailure, retryAfterOf } from './memory-failure.ts'
import { COMMON, finished, loggedUrl, sendJson } from './respond.ts'
import type { Family } from './route.ts'
import { endWaiting } from './write-together.ts'

/** Seconds after which a client may ask again for what there was no room for. */
const FULL_SECONDS = 60

/** The words of the agent network's document; `Retry-After` has the rest. */
const RATE_LIMITED = 'Rate limited'

/** Answers with an error in the shape that the route's family documents. What nobody expected is logged, not shown. */
export function sendError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  more?: readonly string[],
): undefined {
  const { raw } = reply
  if (raw.destroyed) return finished(request, 499)
  if (raw.headersSent) {
    // Too late for an answer: a broken connection cannot be taken for a whole one.
    raw.destroy()
    logFailure(error, request)
    return finished(request, 500)
  }
  const { status, body, retryAfter } = failureAnswer(error, request)
  // Where a client is not too fast, and something of the node is full, it says nothing of when there will be room.
  const isFull = status === 429 && !request.exchange.limits.includes('Retry-After')
  const seconds = retryAfter ?? (isFull ? FULL_SECONDS : undefined)
  const headers = seconds === undefined ? more : [...(more ?? []), 'Retry-After', String(seconds)]
  return sendJson(request, reply, status, body, headers)
}

/** What a failure is answered with; what nobody expected is logged. */
export function failureAnswer(error: unknown, request: FastifyRequest): ErrorAnswer {
  const known = asProviderError(error, request)
  // The operator has to mend a full disk too.
  if (known === undefined || (known !== error && known.status >= 500)) logFailure(error, request)
  return known === undefined ? unexpected(request) : expected(known, request)
}

function logFailure(error: unknown, request: FastifyRequest): void {
  const fields = { request_id: request.id, method: request.method, url: loggedUrl(request), err: error }
  request.exchange.route.logger.error(fields, 'request failed')
}

/** What the framework refuses, in our terms; undefined for what nobody expected. */
function asProviderError(error: unknown, request: FastifyRequest): ProviderError | undefined {
  if (error instanceof ProviderError) return error
  if (hasCode(error, 'ECONNRESET'))
    return new ProviderError('PROV_001', 'the request ended before its body was complete')
  if (isDiskFull(error))
    return new ProviderError('PROV_014', 'the disk of this node has no room left', { cause: error })
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined
  const { statusCode } = error
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined
  const message = statusCode === 415 ? wrongType(request) : errorMessage(error)
  return new ProviderError('PROV_001', message, { status: statusCode })
}

function wrongType({ headers, server }: FastifyRequest): string {
  const found = JSON.stringify(headers['content-type'] ?? 'nothing').slice(0, 128)
  const allowed =
    ['multipart/form-data', 'application/x-tar'].find((type) => server.hasContentTypeParser(type)) ?? 'application/json'
  return `Content-Type: found ${found}, allowed is ${allowed}`
}

/** True when this error, or one that it was caused by, says that the disk or the quota is full. */
function isDiskFull(error: unknown): boolean {
  if (hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT')) return true
  return error instanceof Error && error.cause !== undefined && isDiskFull(error.cause)
}

interface ErrorAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  /** Seconds after which a client may ask again, where the failure says so. */
  readonly retryAfter?: number | undefined
}

function expected(error: ProviderError, request: FastifyRequest): ErrorAnswer {
  const { code, message, status, details } = error
  const { family } = request.exchange.route
  if (family === 'memory') return { status, body: memoryFailure(request, error), retryAfter: retryAfterOf(error) }
  if (family === 'chat') return { status, body: chatFailure(status, message, details), retryAfter: retryAfterOf(error) }
  if (family === 'assurance') return { status, body: failedAnswer(request, status, message, details) }
  const invalid = 'validation_results' in details
  const body = errorBody(request, code, message)
  return { status, body: { ...body, ...(invalid ? { status: 'validation_error' } : {}), ...details } }
}

/** The shape of assurance: errors have the document's codes, which are HTTP's where a failure does not name its own. */
function failedAnswer(
  request: FastifyRequest,
  status: number,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const severity = status >= 500 ? 'critical' : 'error'
  return {
    request_id: requestIdOf(request.body ?? request.params),
    status: 'failed',
    payload: null,
    errors: [{ code: String(status), message, severity }],
    ...details,
  }
}

function unexpected(request: FastifyRequest): ErrorAnswer {
  const { family } = request.exchange.route
  const message = `Internal error (request ${request.id})`
  if (family === 'memory') return { status: 500, body: memoryFailure(request, undefined) }
  if (family === 'chat') return { status: 500, body: chatFailure(500, message) }
  if (family === 'assurance') return { status: 500, body: failedAnswer(request, 500, message) }
  return { status: 500, body: errorBody(request, INTERNAL_ERROR, message) }
}

function errorBody(request: FastifyRequest, code: string, message: string): Readonly<Record<string, unknown>> {
  return shape(request.exchange.route.family, code, message, request.body ?? request.params)
}

function shape(family: Family, code: string, message: string, body: unknown): Readonly<Record<string, unknown>> {
  if (family === 'goals') {
    const words = code === 'PROV_013' ? RATE_LIMITED : message
    return { success: false, data: null, error: words, code, timestamp: Date.now() }
  }
  const error = { code, message }
  return family === 'cells'
    ? { request_id: requestIdOf(body), status: 'error', error }
    : { status: 'error', message, error }
}

/** The client's `request_id`, from the path, or where the body was read far enough to know it. */
function requestIdOf(body: unknown): string {
  if (typeof body !== 'object' || body === null || !('request_id' in body)) return ''
  return typeof body.request_id === 'string' ? body.request_id.slice(0, 128) : ''
}

const CLIENT_ERRORS: Readonly<Record<string, { status: number; message: string }>> = {
  HPE_HEADER_OVERFLOW: { status: 431, message: 'the headers are larger than this node accepts' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, message: 'the request took too long to arrive' },
}

/** Milliseconds that the sender of no HTTP gets to read why it is refused. */
const LINGER_MS = 1000

/**
 * Answers what is not even HTTP, and closes the connection: the own half at once, the other one after a second, whether the
 * sender closes it or not.
 */
export function refuseConnection(error: Error, socket: Socket): void {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  // The answers to what came before.
  endWaiting()
  const { status, message } = CLIENT_ERRORS[code] ?? { status: 400, message: 'this is not an HTTP request' }
  const body = JSON.stringify(shape('system', 'PROV_001', message, undefined))
  const headers = ['Content-Type: application/json; charset=utf-8', `Content-Length: ${Buffer.byteLength(body)}`]
  for (let i = 0; i < COMMON.length; i += 2) headers.push(`${COMMON[i]}: ${COMMON[i + 1]}`)
  const lingering = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(lingering))
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`,
  )
}
