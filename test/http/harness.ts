import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { type HttpOptions, type HttpServer, startHttp } from '../../src/http/server.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import type { Config } from '../../src/kernel/config/schema.ts'
import { createLogger } from '../../src/kernel/telemetry/logger.ts'
import { createMetrics } from '../../src/kernel/telemetry/metrics.ts'
import { FakeNode } from './fake-node.ts'

export const ADMIN_KEY = 'the-administrator-key'
export const ADMIN = { 'X-API-Key': ADMIN_KEY }
/** No limits of sessions. */
export const UNLIMITED_MEMORY = { session: 0, conversation: 0, context: 0, chat: 0, analytics: 0, total: 0 }
const UNLIMITED = { anonymous: 0, reader: 0, publisher: 0, admin: 0 }
/** Bytes of a package in these tests. */
export const MAX_PACKAGE = 300_000

export interface Harness {
  readonly node: FakeNode
  readonly server: HttpServer
  readonly port: number
  /** Parsed log lines. */
  readonly logs: Record<string, unknown>[]
  send(call: Call): Promise<Reply>
}

export interface Call {
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string>
  /** Objects are sent as JSON. */
  readonly body?: unknown
}

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  readonly text: string
  /** The body as JSON. */
  json(): Record<string, unknown>
}

/** A server on a fake node and a free port; it closes with the test. */
export async function start(
  t: TestContext,
  http: Partial<Config['http']> = {},
  level = 'info',
  more: Pick<HttpOptions, 'operators' | 'eventLimits' | 'deprecated' | 'memoryRates'> = {},
): Promise<Harness> {
  const node = new FakeNode()
  const logs: Record<string, unknown>[] = []
  const logger = createLogger({
    level,
    pretty: false,
    destination: { write: (line) => logs.push(JSON.parse(line)) },
  })
  const server = await startHttp(node, {
    config: {
      host: '127.0.0.1',
      port: 0,
      public_url: null,
      allowed_hosts: [],
      allowed_origins: [],
      trusted_proxies: [],
      open_reading: true,
      api_key: null,
      tls: null,
      ws_port: null,
      rate_per_minute: UNLIMITED,
      ...http,
    },
    cells: { max_package_bytes: MAX_PACKAGE, sign_uploads: true, validation_timeout_ms: 1000 },
    adminKey: ADMIN_KEY,
    logger,
    metrics: createMetrics(),
    clock: systemClock,
    memoryRates: UNLIMITED_MEMORY,
    ...more,
  })
  t.after(() => server.close())
  const port = Number(new URL(server.url).port)
  return { node, server, port, logs, send: (call) => send(port, call) }
}

export function send(port: number, { method = 'GET', path, headers = {}, body }: Call): Promise<Reply> {
  const raw = body === undefined || Buffer.isBuffer(body) || typeof body === 'string'
  const payload = raw ? body : JSON.stringify(body)
  const json: Record<string, string> = raw ? {} : { 'Content-Type': 'application/json' }
  return new Promise((resolve, reject) => {
    const outgoing = request({ port, host: '127.0.0.1', method, path, headers: { ...json, ...headers } }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const text = bytes.toString()
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, bytes, text, json: () => JSON.parse(text) })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(payload)
  })
}

/** Writes bytes to a connection of its own, and resolves with everything that came back when the server closed it. */
export function sendRaw(port: number, text: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

export const BOUNDARY = 'test-boundary'
export const MULTIPART = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` }

/** One part; `more` are further headers of it. */
export function part(name: string, value: string | Buffer, more = ''): Buffer {
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), Buffer.from(value as string), Buffer.from('\r\n')])
}

/** A whole multipart body. */
export const form = (...parts: Buffer[]): Buffer => Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)])

export const METADATA = { cell_type: 'adder', version: '1.0.0', capabilities: [{ name: 'add', version: '1.0.0' }] }
