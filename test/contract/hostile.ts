import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { MEMORY_ERRORS } from '../../protocol/memory.ts'
import { ADMIN_KEY } from '../http/harness.ts'
import type { ContractServer } from './server.ts'

/** Milliseconds for an answer: what takes longer hangs. */
const DEADLINE_MS = 10_000

/** What came back over a connection of its own. */
export interface RawReply {
  readonly status: number
  readonly type: string
  readonly body: string
}

/** A request as bytes. */
export interface RawCall {
  readonly method: string
  readonly path: string
  /** The token of a session, in place of the administrator's key. */
  readonly token?: string
  /** Header lines; `Host`, the administrator's key and `Connection: close` are there already. */
  readonly headers?: readonly string[]
  readonly body?: string | Uint8Array
  /** What `Content-Length` says, where it is not the length of the body; null for none. */
  readonly length?: number | null
  /** Ends the own half of the connection after the request: nothing more comes. */
  readonly ends?: boolean
}

const bytesOf = (text: string | Uint8Array): Uint8Array => (typeof text === 'string' ? Buffer.from(text) : text)

function messageOf({ method, path, token, headers = [], body, length }: RawCall): Buffer {
  const bytes = bytesOf(body ?? '')
  const said = length === undefined ? bytes.length : length
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    token === undefined ? `X-API-Key: ${ADMIN_KEY}` : `Authorization: Bearer ${token}`,
    'Connection: close',
    ...headers,
    ...(said === null || (body === undefined && length === undefined) ? [] : [`Content-Length: ${said}`]),
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes])
}

/** Sends a request over a connection of its own, and resolves with the answer. Rejects when there is none in time. */
export function sendBytes(at: ContractServer, call: RawCall): Promise<RawReply> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(at.port, '127.0.0.1', () => {
      if (call.ends === true) socket.end(messageOf(call))
      else socket.write(messageOf(call))
    })
    const late = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no answer to ${call.method} ${call.path} within ${DEADLINE_MS} ms`))
    }, DEADLINE_MS)
    socket.on('data', (chunk) => chunks.push(chunk))
    // Whoever is refused early may learn it by a reset, after the answer.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(late)
      const bytes = Buffer.concat(chunks)
      const end = bytes.indexOf('\r\n\r\n')
      const head = bytes.subarray(0, end === -1 ? undefined : end).toString()
      const status = Number(/^HTTP\/1\.1 ([0-9]{3})/.exec(head)?.[1] ?? 0)
      const type = /^content-type: *(.*)$/im.exec(head)?.[1] ?? ''
      const length = Number(/^content-length: *([0-9]+)$/im.exec(head)?.[1] ?? bytes.length)
      // Bytes behind a body that is too short for them are a request of their own, and may be answered before the connection ends.
      const body = end === -1 ? '' : bytes.subarray(end + 4, end + 4 + length).toString()
      resolve({ status, type, body })
    })
  })
}

/** Sends the beginning of a request and breaks the connection off. */
export function breakOff(at: ContractServer, call: RawCall, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    const whole = messageOf(call)
    const head = whole.length - bytesOf(call.body ?? '').length
    const socket = connect(at.port, '127.0.0.1', () =>
      socket.write(whole.subarray(0, head + bytes), () => socket.resetAndDestroy()),
    )
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
  })
}

/** Asserts a status of 4xx and, in the body, an error of the table. */
export function assertRefused({ status, type, body }: RawReply, what: string): void {
  assert.ok(status >= 400 && status <= 499, `${what}: ${status} ${body.slice(0, 300)}`)
  assert.equal(type, 'application/json; charset=utf-8', what)
  const answer = JSON.parse(body) as {
    code?: unknown
    error?: string | { code?: unknown; message?: unknown }
    errors?: { code?: unknown; message?: unknown }[]
  }
  // The agent network has the message there, and the code beside it; assurance has a list, and HTTP's numbers as codes; chats have words.
  const error =
    typeof answer.error === 'string'
      ? { code: answer.code, message: answer.error }
      : (answer.error ?? answer.errors?.[0])
  const code = String(error?.code)
  assert.ok(
    /^(PROV_0[0-9]{2}|4[0-9]{2})$/.test(code) || code in MEMORY_ERRORS || /^[a-z_]+$/.test(code),
    `${what}: ${body.slice(0, 300)}`,
  )
  assert.ok(typeof error?.message === 'string' && error.message.length < 2000, what)
}

/** Lists of what a node keeps. The audit is in them twice: as entries, and as leaves of the log. */
const LISTS = [
  '/api/v1/repository/cells?limit=500',
  '/api/v1/repository/cells/held',
  '/api/v1/repository/vulnerabilities',
  '/api/v1/keys',
  '/api/v1/operators',
  '/api/v1/webhooks',
  '/api/v1/constraints',
  '/api/v1/assurance/approvals',
  '/api/v1/audit',
  '/api/v1/federation/status',
  '/api/v1/analytics/issues',
]
/** What changes with time alone; a start is measured some time after the registration. */
const CHANGING = new Set(['last_used', 'checkpoint', 'statistics', 'analysis', 'performance'])
const withoutChanging = (key: string, value: unknown): unknown => (CHANGING.has(key) ? undefined : value)

/** Everything that requests could have left behind: lists, the size of the log, and files other than the store's. */
export async function keptBy(at: ContractServer): Promise<Record<string, unknown>> {
  const kept: Record<string, unknown> = {}
  for (const path of LISTS) {
    const { text } = await at.admin({ path })
    kept[path] = JSON.parse(text, withoutChanging)
  }
  kept.log = (await at.send({ path: '/api/v1/log/checkpoint' })).text.split('\n', 3)[1]
  kept.reports = (await at.admin({ path: '/api/v1/analytics/overview?cell_type=held' })).json().cells
  kept.files = await filesOf(at)
  return kept
}

async function filesOf({ dataDir }: ContractServer): Promise<string[]> {
  const entries = await readdir(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : [])).sort()
}

/** Resolves when the node has noticed that uploads were broken off: nothing is half written any more. */
export async function settled(at: ContractServer): Promise<void> {
  const isIncoming = (path: string): boolean => path.includes('/incoming/')
  const end = performance.now() + DEADLINE_MS
  while ((await filesOf(at)).some(isIncoming)) {
    assert.ok(performance.now() < end, 'a temporary file stays')
    await at.send({ path: '/health' })
  }
}
