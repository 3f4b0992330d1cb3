import { connect, type Socket } from 'node:net'
import { capabilityName } from '../cells.ts'
import { uploadRequest } from '../upload-body.ts'
import { renumber, wasmOf } from '../wasm.ts'

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
class Client {
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

async function withClients<T>(port: number, count: number, use: (clients: Client[]) => Promise<T>): Promise<T> {
  const clients = await Promise.all(Array.from({ length: count }, () => Client.open(port)))
  try {
    return await use(clients)
  } finally {
    for (const client of clients) client.close()
  }
}

function expectStatus(found: number, allowed: number): void {
  if (found !== allowed) throw new Error(`an answer with status ${found}, expected ${allowed}`)
}

function capabilityRequest(port: number, path: string, number: number): Buffer {
  const body = JSON.stringify({
    request_id: `bench-${String(number).padStart(6, '0')}`,
    capability: capabilityName(number),
    context: { device_info: { platform: 'linux', memory_gb: 16, cpu_cores: 8, gpu_available: false } },
    preferences: { version_constraints: '^1.0.0' },
  })
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  return Buffer.from(head + body)
}

/** Asks for capabilities in turn over `connections` for `ms` milliseconds. Returns the answers per second. */
function request({
  port,
  path,
  capabilities,
  connections,
  ms,
}: {
  port: number
  path: string
  capabilities: number
  connections: number
  ms: number
}): Promise<number> {
  const requests = Array.from({ length: capabilities }, (_, number) => capabilityRequest(port, path, number))
  return withClients(port, connections, async (clients) => {
    let next = 0
    let answered = 0
    const since = performance.now()
    await Promise.all(
      clients.map(async (client) => {
        while (performance.now() - since < ms) {
          const { status } = await client.ask(requests[next++ % requests.length]!)
          expectStatus(status, 200)
          answered++
        }
      }),
    )
    return (answered * 1000) / (performance.now() - since)
  })
}

/** Bytes of the body of the answer to a capability request. */
async function answerLength({ port, path }: { port: number; path: string }): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ request_id: 'bench-000000', capability: capabilityName(0) }),
  })
  expectStatus(response.status, 200)
  return (await response.arrayBuffer()).byteLength
}

/** Downloads `path` `count` times over one connection. Returns megabytes per second. */
function download({ port, path, count }: { port: number; path: string; count: number }): Promise<number> {
  const get = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  return withClients(port, 1, async ([client]) => {
    let bytes = 0
    const since = performance.now()
    for (let i = 0; i < count; i++) {
      const { status, length } = await client!.ask(get)
      expectStatus(status, 200)
      bytes += length
    }
    return bytes / 1000 / (performance.now() - since)
  })
}

/** Registers `count` packages over `connections`. Returns how many per second. */
function upload({
  port,
  count,
  connections,
  first,
  size,
}: {
  port: number
  count: number
  connections: number
  first: number
  size: number
}): Promise<number> {
  return withClients(port, connections, async (clients) => {
    let next = first
    const module = wasmOf(size, 0)
    const since = performance.now()
    await Promise.all(
      clients.map(async (client) => {
        while (next < first + count) {
          const number = next++
          renumber(module, number)
          const { status } = await client.ask(uploadRequest(port, number, module))
          expectStatus(status, 201)
        }
      }),
    )
    return (count * 1000) / (performance.now() - since)
  })
}

export const commands = { request, answerLength, download, upload }
