import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { ErrorBody } from '../../../protocol/cells.ts'
import { Digest } from '../../../protocol/fields.ts'
import type { PackageSource, ProviderNode } from '../../node/api.ts'
import { sendError } from '../errors.ts'
import { type ByteRange, noneMatch, parseRange, rangeApplies } from '../range.ts'
import { COMMON, finished, sendJson } from '../respond.ts'
import { type Answer, type HttpContext, type Route, route } from '../route.ts'

const ANSWERS: Readonly<Record<number, Answer>> = {
  200: { description: 'The whole package', mediaType: 'application/octet-stream' },
  206: { description: 'The part that Range asks for', mediaType: 'application/octet-stream' },
  304: { description: 'If-None-Match names this package' },
  404: {
    description: 'Neither this node nor a peer that it knows holds the package',
    schema: Type.Object({ request_id: Type.String(), status: Type.Literal('error'), error: ErrorBody }),
  },
  416: { description: 'The range starts after the end' },
}

const PATH = '/api/v1/cells/packages/:digest'
const shared = {
  path: PATH,
  access: 'reader',
  family: 'cells',
  bodyLimit: 0,
  params: Type.Object({ digest: Digest }),
} as const

/** Provider API, `download_url`: a package by its digest, on every node. */
export const packageRoutes: readonly Route[] = [
  route({
    ...shared,
    method: 'GET',
    summary: 'Download a package',
    headers: {
      Range: 'one range of bytes',
      'If-Range': 'the ETag for which Range counts',
      'If-None-Match': 'ETags that the client holds',
    },
    answers: ANSWERS,
    handler: (context) => (request, reply) =>
      inTurn(request.raw.socket, () => serve(context, request.params.digest, request, reply)),
  }),
  route({
    ...shared,
    method: 'HEAD',
    summary: 'Size and ETag of a package',
    headers: { 'If-None-Match': 'ETags that the client holds' },
    answers: {
      200: { description: 'Headers only' },
      304: ANSWERS[304]!,
      404: { description: ANSWERS[404]!.description },
    },
    handler: (context) => (request, reply) =>
      inTurn(request.raw.socket, () => serve(context, request.params.digest, request, reply)),
  }),
]

/** The last download of a connection; it never fails. */
const last = new WeakMap<Socket, Promise<void>>()

/**
 * Downloads of one connection, one after the other. Pipelined requests (RFC 9112 §9.3.2) are answered in their order anyway: until
 * then, the later ones hold neither a file nor a buffer.
 */
function inTurn(socket: Socket, download: () => Promise<void>): Promise<void> {
  const turn = (last.get(socket) ?? Promise.resolve()).then(download)
  last.set(
    socket,
    turn.catch(() => undefined),
  )
  return turn
}

async function serve(
  { node }: HttpContext,
  digest: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  // The connection, not the answer: one that is still behind another answer never learns that the client left.
  const { socket } = request.raw
  if (socket.destroyed) return finished(request, CLIENT_GONE)
  const gone = new AbortController()
  const stop = (): void => gone.abort()
  socket.once('close', stop)
  try {
    const source = await open(node, digest, gone.signal, request)
    if (source === undefined) return
    try {
      await answer(source, request, reply, gone)
    } finally {
      await source.close()
    }
  } finally {
    socket.off('close', stop)
  }
}

/** The package, or undefined when the client left while it was looked for. */
async function open(
  node: ProviderNode,
  digest: string,
  signal: AbortSignal,
  request: FastifyRequest,
): Promise<PackageSource | undefined> {
  try {
    return await node.openPackage(digest, signal)
  } catch (error) {
    if (!signal.aborted) throw error
    finished(request, CLIENT_GONE)
    return undefined
  }
}

/** The status by which logs and metrics know answers that nobody waited for. */
const CLIENT_GONE = 499

async function answer(
  source: PackageSource,
  request: FastifyRequest,
  reply: FastifyReply,
  gone: AbortController,
): Promise<void> {
  const { headers } = request.raw
  const { raw } = reply
  const etag = `"${source.digest}"`
  const fixed = packageHeaders(source.digest, etag, [...(request.exchange.cors ?? []), ...request.exchange.limits])
  if (noneMatch(headers['if-none-match'], etag)) return end(304, fixed)

  const wanted =
    request.raw.method === 'GET' && rangeApplies(headerText(headers['if-range']), etag)
      ? parseRange(headers.range, source.size)
      : 'whole'
  if (wanted === 'unsatisfiable') {
    const message = `Range: found ${JSON.stringify(headers.range)}, the package has ${source.size} bytes`
    const error = { code: 'PROV_001', message }
    const body = { request_id: '', status: 'error', error }
    return sendJson(request, reply, 416, body, ['Content-Range', `bytes */${source.size}`])
  }
  const range = wanted === 'whole' ? { start: 0, end: source.size - 1 } : wanted
  const length = range.end - range.start + 1
  fixed.push('Content-Type', 'application/octet-stream', 'Content-Length', String(length))
  if (wanted !== 'whole') fixed.push('Content-Range', `bytes ${range.start}-${range.end}/${source.size}`)
  const status = wanted === 'whole' ? 200 : 206
  if (request.raw.method === 'HEAD' || length === 0) return end(status, fixed)

  return stream(source, range, request, reply, gone, () => raw.writeHead(status, fixed))

  function end(code: number, lines: readonly string[]): undefined {
    raw.writeHead(code, [...lines])
    raw.end()
    finished(request, code)
  }
}

/**
 * Sends a part of a package chunk by chunk. A chunk is written out before the next one is asked for, because its buffer is used
 * again. A source that fails before its first byte is an ordinary error; later, the connection breaks, so that nobody takes a
 * part for the whole.
 */
async function stream(
  source: PackageSource,
  { start, end }: ByteRange,
  request: FastifyRequest,
  reply: FastifyReply,
  gone: AbortController,
  writeHead: () => ServerResponse,
): Promise<void> {
  const chunks = source.read(start, end, gone.signal)[Symbol.asyncIterator]()
  const left = new Promise<void>((resolve) => gone.signal.addEventListener('abort', () => resolve(), { once: true }))
  const stop = (): void => gone.abort()
  try {
    let chunk = await chunks.next()
    reply.hijack()
    const raw = writeHead()
    let missing = end - start + 1
    while (!chunk.done && !gone.signal.aborted) {
      missing -= chunk.value.length
      await Promise.race([written(raw, chunk.value, stop), left])
      chunk = await chunks.next()
    }
    if (missing !== 0 && !gone.signal.aborted)
      throw new Error(`${source.digest}: the source ended ${missing} bytes early`)
    raw.end()
    finished(request, gone.signal.aborted ? CLIENT_GONE : raw.statusCode)
  } catch (error) {
    if (gone.signal.aborted) finished(request, CLIENT_GONE)
    else sendError(error, request, reply)
  } finally {
    await chunks.return?.()
  }
}

/** Resolves when the connection has taken `chunk`; calls `failed` first when it cannot. */
const written = (response: ServerResponse, chunk: Uint8Array, failed: () => void): Promise<void> =>
  new Promise((resolve) => {
    response.write(chunk, (error) => {
      if (error) failed()
      resolve()
    })
  })

const headerText = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header.join(',') : header

/** SECURITY 19: whatever a package holds, a browser saves it and runs nothing. */
function packageHeaders(digest: string, etag: string, more: readonly string[]): string[] {
  const name = digest.slice('sha256:'.length, 'sha256:'.length + 16)
  return [
    ...COMMON,
    ...more,
    'ETag',
    etag,
    'Accept-Ranges',
    'bytes',
    'Cache-Control',
    'public, max-age=31536000, immutable',
    'Content-Disposition',
    `attachment; filename="${name}.bin"`,
    'Content-Security-Policy',
    'sandbox',
  ]
}
