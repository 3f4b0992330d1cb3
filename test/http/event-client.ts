import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { type ClientOptions, WebSocket } from 'ws'

type Message = Readonly<Record<string, unknown>>

/** A client of the event stream that sees every message. */
export class EventClient {
  readonly socket: WebSocket
  /** Code and reason with which the connection ended. */
  readonly closed: Promise<readonly [number, string]>
  readonly #messages: Message[] = []
  #wake: () => void = () => undefined

  private constructor(socket: WebSocket) {
    this.socket = socket
    this.closed = once(socket, 'close').then(([code, reason]) => {
      this.#wake()
      return [code as number, String(reason)] as const
    })
    socket.on('message', (data) => {
      this.#messages.push(JSON.parse(String(data)))
      this.#wake()
    })
    socket.on('error', () => undefined)
  }

  /** Connects, and takes the welcome. */
  static async open(
    t: TestContext,
    port: number,
    { path = '/subscribe', protocols = [], ...options }: ClientOptions & { path?: string; protocols?: string[] } = {},
  ): Promise<EventClient & { readonly welcome: Message }> {
    const client = new EventClient(new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options))
    t.after(() => client.socket.terminate())
    const welcome = await client.next()
    assert.equal(welcome.type, 'welcome')
    return Object.assign(client, { welcome })
  }

  /** The next message. Fails when the connection ends first. */
  async next(): Promise<Message> {
    while (true) {
      const message = this.#messages.shift()
      if (message !== undefined) return message
      assert.notEqual(this.socket.readyState, WebSocket.CLOSED, 'the connection ended')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  say(message: object | string): void {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message))
  }

  /** Says something, and returns the next message. */
  ask(message: object | string): Promise<Message> {
    this.say(message)
    return this.next()
  }

  /** Subscribes, and returns the cursor of the newest event. */
  async subscribe(channels: string[], more: object = {}): Promise<string> {
    const answer = await this.ask({ type: 'subscribe', channels, ...more })
    assert.equal(answer.type, 'subscribed', JSON.stringify(answer))
    return String(answer.cursor)
  }
}

/** Status and body of the answer to an upgrade that is refused. */
export async function refusal(
  port: number,
  { path = '/subscribe', protocols = [], ...options }: ClientOptions & { path?: string; protocols?: string[] } = {},
): Promise<{ status: number; code: string; message: string; retryAfter: string | undefined }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options)
  socket.on('error', () => undefined)
  const refused = once(socket, 'unexpected-response')
  const opened = once(socket, 'open').then(() => assert.fail('the connection was opened'))
  const [, response] = await Promise.race([refused, opened])
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part)
  const { error } = JSON.parse(Buffer.concat(parts).toString())
  return { status: response.statusCode, ...error, retryAfter: response.headers['retry-after'] }
}
