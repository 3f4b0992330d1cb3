import { Agent, type IncomingMessage, request } from 'node:http'
import { errorMessage } from '../base/errors.ts'
import { unlessAborted } from '../base/racing.ts'
import { type Allows, checkedUrl, connectTo, EgressError, MAX_HEADER_BYTES, type Resolver } from './connect.ts'

/** Reads parts of what a URL holds, one after the other over one connection, under the rules of `requestJson`. */
export class RangeReader {
  readonly #url: URL
  readonly #options: { readonly allows: Allows; readonly resolve?: Resolver }
  #agent: Agent | undefined

  /** Throws `EgressError` for what is no http or https URL. */
  constructor(url: string, options: { readonly allows: Allows; readonly resolve?: Resolver }) {
    this.#url = checkedUrl(url)
    this.#options = options
  }

  /**
   * The bytes from `start` to `end` (inclusive), as they arrive, neither fewer nor more. Throws `EgressError`, or the reason of `signal`, which
   * also bounds the waiting.
   */
  async *read(start: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const answer = await this.#ask(`bytes=${start}-${end}`, signal)
    const stop = (): void => void answer.destroy()
    signal.addEventListener('abort', stop, { once: true })
    let left = end - start + 1
    try {
      this.#check(answer, `bytes ${start}-${end}/`)
      for await (const part of answer as AsyncIterable<Uint8Array>) {
        left -= part.length
        if (left < 0) throw new EgressError('too_large', `${this.#url.origin} sends more than it was asked for`)
        yield part
      }
      if (left > 0) throw new EgressError('unreachable', `${this.#url.origin} sent ${left} bytes too few`)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof EgressError) throw error
      throw new EgressError('unreachable', `${this.#url.origin} broke off: ${errorMessage(error)}`, error)
    } finally {
      signal.removeEventListener('abort', stop)
      if (left !== 0) this.close()
    }
  }

  /** Closes the connection; a later `read` makes another one. */
  close(): void {
    this.#agent?.destroy()
    this.#agent = undefined
  }

  async #ask(range: string, signal: AbortSignal): Promise<IncomingMessage> {
    try {
      this.#agent ??= await this.#connected(signal)
      return await unlessAborted(this.#request(this.#agent, range), signal)
    } catch (error) {
      this.close()
      signal.throwIfAborted()
      if (error instanceof EgressError) throw error
      throw new EgressError('unreachable', `${this.#url.origin} cannot be reached: ${errorMessage(error)}`, error)
    }
  }

  async #connected(signal: AbortSignal): Promise<Agent> {
    const { socket } = await connectTo(this.#url, this.#options, signal)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    // It has no other socket: one that was closed fails the request instead of being replaced by one that nobody checked.
    agent.createConnection = () => socket
    return agent
  }

  #request(agent: Agent, range: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { pathname, search, host } = this.#url
      const headers = { Host: host, Range: range, 'Accept-Encoding': 'identity' }
      const outgoing = request({ agent, path: pathname + search, headers, maxHeaderSize: MAX_HEADER_BYTES })
      outgoing.on('response', resolve)
      outgoing.on('error', reject)
      outgoing.end()
    })
  }

  #check({ statusCode = 0, headers }: IncomingMessage, range: string): void {
    if (statusCode >= 300 && statusCode < 400) {
      throw new EgressError('redirect', `${this.#url.origin} answers with a redirect, which is not followed`)
    }
    const isPart = statusCode === 206 && headers['content-range']?.startsWith(range) === true
    if (!isPart || (headers['content-encoding'] ?? 'identity') !== 'identity') {
      throw new EgressError('refused', `${this.#url.origin} does not answer with the part that was asked for`)
    }
  }
}
