import { capabilityName } from '../cells.ts'
import { expectStatus, jsonPost, withClients } from '../http-client.ts'
import { quantile } from '../measure.ts'
import { uploadRequest } from '../upload-body.ts'
import { renumber, wasmOf } from '../wasm.ts'

function capabilityRequest(port: number, path: string, number: number): Buffer {
  const body = JSON.stringify({
    request_id: `bench-${String(number).padStart(6, '0')}`,
    capability: capabilityName(number),
    context: { device_info: { platform: 'linux', memory_gb: 16, cpu_cores: 8, gpu_available: false } },
    preferences: { version_constraints: '^1.0.0' },
  })
  return jsonPost(port, path, body)
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

/** Asks for capabilities chosen by chance over `connections` for `ms` milliseconds. Returns how long the answers took, in milliseconds. */
function latencies({
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
}): Promise<{ p50: number; p99: number; perSecond: number }> {
  return withClients(port, connections, async (clients) => {
    const durations: number[] = []
    const since = performance.now()
    await Promise.all(
      clients.map(async (client) => {
        while (performance.now() - since < ms) {
          const request = capabilityRequest(port, path, Math.floor(Math.random() * capabilities))
          const asked = performance.now()
          const { status } = await client.ask(request)
          durations.push(performance.now() - asked)
          expectStatus(status, 200)
        }
      }),
    )
    const perSecond = (durations.length * 1000) / (performance.now() - since)
    return { p50: quantile(durations, 0.5), p99: quantile(durations, 0.99), perSecond }
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

export const commands = { request, latencies, answerLength, download, upload }
