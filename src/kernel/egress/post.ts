import type { Socket } from 'node:net'
import { errorMessage } from '../base/errors.ts'
import { unlessAborted } from '../base/racing.ts'
import { type Allows, CertificateError, checkedUrl, connectTo, EgressError, type Resolver } from './connect.ts'
import { exchange, readBody } from './request-json.ts'

/** Text that is sent to an address that somebody else chose. */
export interface OutboundPost {
  /** http or https, without credentials. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON, sent as it is. */
  readonly body: string
  readonly allows: Allows
  /** Milliseconds for everything, from the name's resolution to the last byte that is read. */
  readonly deadlineMs: number
  /** Bytes of the answer's body at most; 0: only the status is waited for, and nothing of the body is read. */
  readonly maxBytes: number
  readonly signal: AbortSignal
  /** Instead of the system's resolver. */
  readonly resolve?: Resolver | undefined
}

/**
 * Posts text under the rules of `requestJson`, but remembers nothing of origins that do not answer: the caller tries again in its own time. Throws
 * `EgressError`.
 */
export async function post(call: OutboundPost): Promise<{ readonly status: number; readonly body: Uint8Array }> {
  const url = checkedUrl(call.url)
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(call.deadlineMs)])
  let socket: Socket | undefined
  try {
    signal.throwIfAborted()
    socket = (await connectTo(url, call, signal)).socket
    const answer = await unlessAborted(
      exchange(url, { method: 'POST', headers: call.headers }, call.body, socket),
      signal,
    )
    const status = answer.statusCode ?? 0
    if (status >= 300 && status < 400) {
      throw new EgressError('redirect', `${url.origin} answers with a redirect (${status}), which is not followed`)
    }
    if (call.maxBytes === 0) return { status, body: new Uint8Array() }
    return { status, body: await unlessAborted(readBody(answer, url, call.maxBytes), signal) }
  } catch (error) {
    if (error instanceof EgressError) throw error
    if (error instanceof CertificateError) {
      throw new EgressError('certificate', `the certificate of ${url.origin} does not hold: ${error.message}`, error)
    }
    if (signal.aborted) {
      throw new EgressError('timed_out', `${url.origin} did not answer within ${call.deadlineMs} ms`, error)
    }
    throw new EgressError('unreachable', `${url.origin} cannot be reached: ${errorMessage(error)}`, error)
  } finally {
    socket?.destroy()
  }
}
