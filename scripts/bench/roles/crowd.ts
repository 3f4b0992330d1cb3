import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ed25519FromSeed, newSeed } from '../../../src/kernel/identity/keys.ts'
import { signRequest } from '../../../src/kernel/identity/quantum-signature.ts'
import { capabilityName, cellName } from '../cells.ts'
import { type Answer, Client, jsonPost } from '../http-client.ts'
import { ADMIN_KEY, UPLOAD_TYPE, uploadHead } from '../upload-body.ts'

const REQUEST = '/api/v1/cells/request'
const SPECIFIC = '/api/v1/cells/request/specific'
/** Hundreds of clients share this process. */
const READ_BYTES = 64 * 1024
/** Bytes that a slow upload says it has, and sends every so many milliseconds. */
const SLOW_BYTES = 10 * 1024 * 1024
const DRIBBLE_BYTES = 200
const DRIBBLE_MS = 500

/** Milliseconds between an answer and the next request, at most. */
const MOST_PAUSE_MS = 500

/** Share of the time in which the clients come. */
const ARRIVING = 1 / 30

/** Whom a crowd asks, and for what. */
export interface Asked {
  readonly port: number
  readonly providerId: string
  /** Of a small package, with its `sha256:`. */
  readonly digest: string
  readonly cells: number
  readonly capabilities: number
}

/** What became of a crowd's requests. */
export interface Outcome {
  /** Milliseconds of each answer. */
  readonly durations: Float64Array
  /** How many answers of each class: `2xx`, `4xx`, and `closed` for connections that ended without one. */
  readonly classes: Readonly<Record<string, number>>
}

/** What one client asks for next. */
type Act = (client: Asking) => Buffer

interface Asking extends Asked {
  readonly name: string
  /** Counts its requests. */
  number: number
  /** Where its last request can be asked for. */
  last: { readonly id: string; readonly token: string } | undefined
}

const chosen = (count: number): number => Math.floor(Math.random() * count)
const get = (port: number, path: string, fields = '', method = 'GET'): Buffer =>
  Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${fields}\r\n`)
const bodyOf = (client: Asking, more: object): Record<string, unknown> => ({
  request_id: `${client.name}-${client.number}`,
  context: { device_info: { platform: 'linux', memory_gb: 16, cpu_cores: 8, gpu_available: false } },
  ...more,
})
const post = (client: Asking, path: string, body: object): Buffer => jsonPost(client.port, path, JSON.stringify(body))

const pair = { ed25519: ed25519FromSeed(newSeed()) }

/** What clients do, and how often of a hundred times. */
const ACTS: readonly (readonly [share: number, act: Act])[] = [
  [34, (client) => post(client, REQUEST, bodyOf(client, { capability: capabilityName(chosen(client.capabilities)) }))],
  [8, (client) => post(client, REQUEST, bodyOf(client, { capability: `bench.nobody-has-${chosen(1000)}` }))],
  [10, (client) => post(client, SPECIFIC, bodyOf(client, { cell_type: cellName(chosen(client.cells)) }))],
  [10, (client) => get(client.port, `/api/v1/repository/cells/${cellName(chosen(client.cells))}`)],
  [5, (client) => get(client.port, `/api/v1/repository/cells?limit=20&offset=${chosen(100)}`)],
  [10, (client) => get(client.port, `/api/v1/cells/packages/${client.digest}`)],
  [6, (client) => get(client.port, `/api/v1/cells/packages/${client.digest}`, '', 'HEAD')],
  [8, poll],
  [5, signed],
  // Not JSON, and a range that is none.
  [2, (client) => jsonPost(client.port, REQUEST, '{"request_id":')],
  [
    2,
    (client) =>
      post(
        client,
        REQUEST,
        bodyOf(client, { capability: capabilityName(0), preferences: { version_constraints: 'newest' } }),
      ),
  ],
]

function poll(client: Asking): Buffer {
  const { last, port } = client
  if (last === undefined) return get(port, `${REQUEST}/never-made`)
  return get(port, `${REQUEST}/${last.id}`, `Request-Token: ${last.token}\r\n`)
}

function signed(client: Asking): Buffer {
  const body = bodyOf(client, { capability: capabilityName(chosen(client.capabilities)) })
  const target = { audience: client.providerId, method: 'POST', path: REQUEST, body }
  return post(client, REQUEST, { ...body, quantum_signature: signRequest(pair, 'main', target, Date.now()) })
}

function nextAct(): Act {
  let at = chosen(100)
  for (const [share, act] of ACTS) {
    if (at < share) return act
    at -= share
  }
  throw new Error('the shares do not add up to a hundred')
}

/** `clients` clients, each with a connection of its own and a pause after every answer, for `ms` milliseconds. */
async function ask({
  clients,
  ms,
  name,
  ...asked
}: Asked & { clients: number; ms: number; name: string }): Promise<Outcome> {
  const durations: number[] = []
  const classes: Record<string, number> = {}
  const until = performance.now() + ms
  await Promise.all(
    Array.from({ length: clients }, async (_, number) => {
      const asking: Asking = { ...asked, name: `${name}-${number}`, number: 0, last: undefined }
      await sleep(Math.random() * ARRIVING * ms)
      let client = await Client.open(asked.port, READ_BYTES)
      while (performance.now() < until) {
        const request = nextAct()(asking)
        const since = performance.now()
        let answer: Answer | undefined
        try {
          answer = await client.ask(request)
        } catch {
          client.close()
          client = await Client.open(asked.port, READ_BYTES)
        }
        durations.push(performance.now() - since)
        const kind = answer === undefined ? 'closed' : `${Math.floor(answer.status / 100)}xx`
        classes[kind] = (classes[kind] ?? 0) + 1
        const token = answer && /\r\nrequest-token: *(\S+)/i.exec(answer.head)?.[1]
        if (token !== undefined) asking.last = { id: `${asking.name}-${asking.number}`, token }
        asking.number++
        await sleep(Math.random() * MOST_PAUSE_MS)
      }
      client.close()
    }),
  )
  return { durations: Float64Array.from(durations), classes }
}

/** `clients` uploads that send next to nothing for `ms` milliseconds. Returns how many the node closed. */
async function hangOn({ port, clients, ms }: { port: number; clients: number; ms: number }): Promise<number> {
  const until = performance.now() + ms
  let closed = 0
  await Promise.all(
    Array.from({ length: clients }, async (_, number) => {
      const socket = connect(port, '127.0.0.1')
      let isOpen = true
      socket.on('error', () => undefined)
      socket.on('close', () => {
        isOpen = false
      })
      socket.resume()
      const metadata = { cell_type: `bench-slow-${number}`, version: '1.0.0', capabilities: [] }
      const fields = `X-API-Key: ${ADMIN_KEY}\r\nContent-Type: ${UPLOAD_TYPE}\r\nContent-Length: ${SLOW_BYTES}\r\n`
      socket.write(get(port, '/api/v1/repository/cells', fields, 'POST'))
      socket.write(uploadHead(metadata))
      while (isOpen && performance.now() < until) {
        socket.write(Buffer.alloc(DRIBBLE_BYTES))
        await sleep(DRIBBLE_MS)
      }
      if (!isOpen) closed++
      socket.destroy()
    }),
  )
  return closed
}

export const commands = { ask, hangOn }
