import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { within } from '../kernel/base/racing.ts'

/** Milliseconds of silence after which a comment is sent: proxies take connections for dead that say nothing for half a minute. */
const HEARTBEAT_MS = 15_000

/** How values become an answer of server-sent events. */
export interface EventSending {
  readonly raw: ServerResponse
  /** Names and values in turn. */
  readonly headers: readonly string[]
  /** Data of the last event. */
  readonly end: string
  /** Data of the event `error` that tells of a failure, once the answer has begun. */
  readonly failure: (error: unknown) => string
  readonly heartbeatMs?: number
  /** Fires when nobody listens any more. */
  readonly signal: AbortSignal
}

/**
 * Sends values as server-sent events, JSON each, no faster than they are read, with comments while there is nothing to say. What fails before anything
 * was sent is thrown; then the answer can still be an error.
 */
export async function sendEvents(values: AsyncIterable<unknown>, sending: EventSending): Promise<void> {
  const { raw, headers, end, failure, heartbeatMs = HEARTBEAT_MS, signal } = sending
  const iterator = values[Symbol.asyncIterator]()
  const write = async (text: string): Promise<void> => {
    if (!raw.headersSent) raw.writeHead(200, [...headers])
    if (!raw.write(text)) await once(raw, 'drain', { signal })
  }
  try {
    for (;;) {
      const next = iterator.next()
      let result = await within(next, heartbeatMs, () => undefined)
      while (result === undefined) {
        await write(': waiting\n\n')
        result = await within(next, heartbeatMs, () => undefined)
      }
      if (result.done === true) break
      await write(`data: ${JSON.stringify(result.value)}\n\n`)
    }
    await write(`data: ${end}\n\n`)
  } catch (error) {
    signal.throwIfAborted()
    if (!raw.headersSent) throw error
    await write(`event: error\ndata: ${failure(error)}\n\n`)
  } finally {
    if (raw.headersSent) raw.end()
    // Whoever makes the values stops, when it was not they that ended.
    void Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
}
