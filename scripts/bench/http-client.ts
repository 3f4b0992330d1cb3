import { connect, type Socket } from 'node:net'

const HEAD_END = Buffer.from('\r\n\r\n')
const READ_BYTES = 512 * 1024

/** The head of an answer: its status, and the bytes of the whole answer. */
function readHead(bytes: Buffer): { status: number; length: number } | undefined {
  const end = bytes.indexOf(HEAD_END)
  if (end === -1) return undefined
  const head = bytes.toString('latin1', 0, end)
  const length = /\r\ncontent-length: *([0-9]+)/i.exec(head)
  if (length === null) throw new Error(`an answer without a length: ${head}`)
  return { status: Number(head.slice(9, 12)), length: end + HEAD_END.length + Number(length[1]) }
}

/** One request after the other over one connection. Only the head of an answer is looked at, the rest is counted. */
export class Client {
  readonly #socket: Socket
  #head: Buffer = Buffer.alloc(0)
  #expected = 0
  #received = 0
  #status = 0
  #done: ((answer: { status: number; length: number }) => void) | undefined
  #failed: ((error: Error) => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', (error) => this.#failed?.(error))
    socket.on('close', () => this.#failed?.(new Error('the server closed the connection')))
  }

  static async open(port: number): Promise<Client> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let client: Client | undefined
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
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

  ask(request: Buffer): Promise<{ status: number; length: number }> {
    return new Promise((resolve, reject) => {
      this.#done = resolve
      this.#failed = reject
      this.#socket.write(request)
    })
  }

  receive(bytes: Buffer): void {
    this.#received += bytes.length
    if (this.#expected === 0) {
      const start = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes])
      const head = readHead(start)
      if (head === undefined) {
        this.#head = Buffer.from(start)
        return
      }
      this.#expected = head.length
      this.#status = head.status
    }
    if (this.#received < this.#expected) return
    const answer = { status: this.#status, length: this.#received }
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
