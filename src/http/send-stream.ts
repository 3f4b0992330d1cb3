import { once } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { utf8 } from '../kernel/base/bytes.ts'
import { sendError } from './errors.ts'
import { COMMON, finished } from './respond.ts'
import { CLIENT_GONE } from './until-gone.ts'

export const LINES_TYPE = 'application/jsonl'

/**
 * Sends pieces as they come, no faster than the client reads. A failure before the first piece is an ordinary error; later, the connection
 * breaks, so that nobody takes a part for the whole.
 */
export async function sendStream(
  request: FastifyRequest,
  reply: FastifyReply,
  { type, name }: { readonly type: string; readonly name?: string },
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const { raw } = reply
  const iterator = pieces[Symbol.asyncIterator]()
  try {
    let piece = await iterator.next()
    const { cors, limits } = request.exchange
    const save = name === undefined ? [] : ['Content-Disposition', `attachment; filename="${name}"`]
    const headers = ['Content-Type', type, 'Cache-Control', 'no-store', 'Content-Security-Policy', 'sandbox']
    reply.hijack()
    raw.writeHead(200, [...headers, ...save, ...COMMON, ...(cors ?? []), ...limits])
    raw.flushHeaders()
    while (!piece.done) {
      signal.throwIfAborted()
      if (!raw.write(piece.value)) await once(raw, 'drain', { signal })
      piece = await iterator.next()
    }
    raw.end()
    finished(request, 200)
  } catch (error) {
    if (signal.aborted) finished(request, CLIENT_GONE)
    else sendError(error, request, reply)
  } finally {
    await iterator.return?.()
  }
}

/** Values as lines of JSON. */
export async function* asLines(values: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const value of values) yield utf8(`${JSON.stringify(value)}\n`)
}
