import { connect, type Socket } from 'node:net'
import { unlessAborted } from '../base/racing.ts'

/** Milliseconds of silence after which the system looks whether the other end is still there. */
const KEEP_ALIVE_MS = 60_000

export interface LineClientOptions {
  readonly host: string
  readonly port: number
  /** Bytes of an answer, without its line feed. */
  readonly maxBytes: number
}

/**
 * Asks a service over TCP, line by line: one question, one answer, then the next question, all over one connection. It is opened when
 * there is something to ask, and closed when an answer is late, too long, or not what was asked for: then nobody knows what would come
 * next. The operator chooses the address.
 */
export class LineClient {
  readonly #options: LineClientOptions
  #connection: Connection | undefined
  #last: Promise<unknown> = Promise.resolve()
  #isClosed = false

  constructor(options: LineClientOptions) {
    this.#options = options
  }

  /**
   * Sends `line` (without a line feed) and resolves with what `read` makes of the answer; when `read` throws, the connection is closed. A
   * question that a connection which had waited could not carry is asked once more over a new one, so it must be one that may be asked
   * twice. Questions wait for each other.
   */
  ask<Answer>(line: string, read: (answer: string) => Answer, signal: AbortSignal): Promise<Answer> {
    const answer = this.#last.then(() => this.#ask(line, read, signal))
    this.#last = answer.catch(() => undefined)
    return unlessAborted(answer, signal)
  }

  /** Closes the connection; whoever waits for an answer gets none. */
  close(): void {
    this.#isClosed = true
    this.#connection?.socket.destroy()
  }

  async #ask<Answer>(line: string, read: (answer: string) => Answer, signal: AbortSignal): Promise<Answer> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#isClosed) throw new Error('the connection is closed for good')
      const waiting = this.#connection
      const connection = waiting ?? (await this.#connect(signal))
      try {
        return read(await unlessAborted(connection.exchange(line), signal))
      } catch (error) {
        const wasLost = connection.isOver && !connection.hasAnswered
        connection.socket.destroy()
        this.#forget(connection)
        if (waiting === undefined || !wasLost || signal.aborted) throw error
      }
    }
  }

  async #connect(signal: AbortSignal): Promise<Connection> {
    const { host, port, maxBytes } = this.#options
    const socket = connect({
      host,
      port,
      autoSelectFamily: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    })
    const connection = new Connection(socket, maxBytes, () => this.#forget(connection))
    this.#connection = connection
    try {
      await unlessAborted(connection.opened, signal)
      return connection
    } catch (error) {
      socket.destroy()
      this.#forget(connection)
      throw error
    }
  }

  #forget(connection: Connection): void {
    if (this.#connection === connection) this.#connection = undefined
  }
}

class Connection {
  readonly socket: Socket
  readonly opened: Promise<void>
  readonly #maxBytes: number
  #parts: Buffer[] = []
  #bytes = 0
  #waiting: PromiseWithResolvers<string> | undefined
  #failure: Error | undefined
  /** Whether anything came since the last question. */
  hasAnswered = false

  constructor(socket: Socket, maxBytes: number, over: () => void) {
    this.socket = socket
    this.#maxBytes = maxBytes
    this.opened = new Promise((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('close', () => reject(this.#failure ?? new Error('the connection was closed')))
    })
    // Whoever asks hears of it.
    this.opened.catch(() => undefined)
    socket.on('data', (data: Buffer) => this.#take(data))
    socket.on('error', (error) => {
      this.#failure ??= error
    })
    socket.on('close', () => {
      over()
      this.#fail(new Error('the connection was closed before there was an answer'))
    })
  }

  get isOver(): boolean {
    return this.socket.destroyed || this.socket.readyState !== 'open'
  }

  /** The answer to a line. */
  exchange(line: string): Promise<string> {
    if (this.#failure !== undefined || this.isOver) {
      return Promise.reject(this.#failure ?? new Error('the connection was closed'))
    }
    this.hasAnswered = false
    this.#waiting = Promise.withResolvers()
    this.socket.write(`${line}\n`)
    return this.#waiting.promise
  }

  #take(data: Buffer): void {
    const waiting = this.#waiting
    if (waiting === undefined) {
      this.#fail(new Error('it spoke without being asked'))
      return
    }
    this.hasAnswered = true
    const end = data.indexOf(0x0a)
    const part = end === -1 ? data : data.subarray(0, end)
    this.#bytes += part.length
    if (this.#bytes > this.#maxBytes) {
      this.#fail(new Error(`its answer is longer than ${this.#maxBytes} bytes`))
      return
    }
    this.#parts.push(part)
    if (end === -1) return
    if (end < data.length - 1) {
      this.#fail(new Error('it sent more than one answer'))
      return
    }
    const bytes = Buffer.concat(this.#parts)
    this.#parts = []
    this.#bytes = 0
    this.#waiting = undefined
    try {
      waiting.resolve(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    } catch {
      waiting.reject(new Error('its answer is not UTF-8'))
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#waiting?.reject(this.#failure)
    this.#waiting = undefined
    this.socket.destroy()
  }
}
