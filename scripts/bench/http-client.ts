import { connect, type Socket } from 'node:net'

/** No other method that is used here starts with an H. */
const LETTER_OF_HEAD = 0x48
const HEAD_END = Buffer.from('\r\n\r\n')
const READ_BYTES = 512 * 1024

/** An answer as far as it is looked at. */
export interface Answer {
  readonly status: number
  /** Bytes, head included. */
  readonly length: number
  /** The status line and the header fields. */
  readonly head: string
}

/** The head of an answer, and the bytes of the whole answer. */
function readHead(bytes: Buffer, hasBody: boolean): Answer | undefined {
  const end = bytes.indexOf(HEAD_END)
  if (end === -1) return undefined
  const head = bytes.toString('latin1', 0, end)
  const length = /\r\ncontent-length: *([0-9]+)/i.exec(head)
  if (length === null) throw new Error(`an answer without a length: ${head}`)
  const bodyLength = hasBody ? Number(length[1]) : 0
  return { status: Number(head.slice(9, 12)), length: end + HEAD_END.length + bodyLength, head }
}

/** One request after the other over one connection. Only the head of an answer is looked at, the rest is counted. */
export class Client {
  readonly #socket: Socket
  #head: Buffer = Buffer.alloc(0)
  #expected = 0
  #received = 0
  #answer: Answer | undefined
  #hasBody = true
  #done: ((answer: Answer) => void) | undefined
  #failed: ((error: Error) => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', (error) => this.#failed?.(error))
    socket.on('close', () => this.#failed?.(new Error('the server closed the connection')))
  }

  static async open(port: number, readBytes: number = READ_BYTES): Promise<Client> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let client: Client | undefined
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    const socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer,
        callback: (length) => {
          client?.receive(buffer.subarray(0, length))
          return true
        },
      },
    })
    socket.once('connect', resolve)
    socket.once('error', reject)
    await promise
    client = new Client(socket)
    return client
  }

  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#hasBody = request[0] !== LETTER_OF_HEAD
      this.#done = resolve
      this.#failed = reject
      this.#socket.write(request)
    })
  }

  receive(bytes: Buffer): void {
    this.#received += bytes.length
    if (this.#expected === 0) {
      const start = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes])
      this.#answer = readHead(start, this.#hasBody)
      if (this.#answer === undefined) {
        this.#head = Buffer.from(start)
        return
      }
      this.#expected = this.#answer.length
    }
    if (this.#received < this.#expected) return
    const answer = this.#answer!
    this.#head = Buffer.alloc(0)
    this.#expected = 0
    this.#received = 0
    this.#done?.(answer)
  }

  close(): void {
    this.#failed = undefined
    this.#socket.destroy()
  }
}

/** Connections for as long as they are used. */
export async function withClients<T>(port: number, count: number, use: (clients: Client[]) => Promise<T>): Promise<T> {
  const clients = await Promise.all(Array.from({ length: count }, () => Client.open(port)))
  try {
    return await use(clients)
  } finally {
    for (const client of clients) client.close()
  }
}

export function expectStatus(found: number, allowed: number): void {
  if (found !== allowed) throw new Error(`an answer with status ${found}, expected ${allowed}`)
}

/** The whole HTTP request of a JSON body in ASCII. */
export function jsonPost(port: number, path: string, body: string): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  return Buffer.from(head + body)
}
