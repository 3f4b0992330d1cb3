import { once } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { utf8 } from '../kernel/base/bytes.ts'
import { within } from '../kernel/base/racing.ts'
import { sendError } from './errors.ts'
import { COMMON, finished } from './respond.ts'
import { CLIENT_GONE } from './until-gone.ts'

export const LINES_TYPE = 'application/jsonl'
/** Milliseconds of silence after which an empty line is sent: connections on which nothing moves are taken for dead. */
const HEARTBEAT_MS = 30_000
const HEARTBEAT = utf8('\n')

/**
 * Sends pieces as they come, no faster than the client reads; with `heartbeat`, empty lines while there are none. A failure before the first piece is an ordinary error; later, the connection
 * breaks, so that nobody takes a part for the whole.
 */
export async function sendStream(
  request: FastifyRequest,
  reply: FastifyReply,
  { type, name, heartbeat = false }: { readonly type: string; readonly name?: string; readonly heartbeat?: boolean },
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
    const write = async (bytes: Uint8Array): Promise<void> => {
      signal.throwIfAborted()
      if (!raw.write(bytes)) await once(raw, 'drain', { signal })
    }
    while (!piece.done) {
      await write(piece.value)
      const next = iterator.next()
      let known = heartbeat ? await within(next, HEARTBEAT_MS, () => undefined) : await next
      while (known === undefined) {
        await write(HEARTBEAT)
        known = await within(next, HEARTBEAT_MS, () => undefined)
      }
      piece = known
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
