import type { TestContext } from 'node:test'
import { type HttpServer, startHttp } from '../../src/http/server.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { createMetrics } from '../../src/kernel/telemetry/metrics.ts'
import { silentLogger } from '../network/nodes.ts'
import { type NodeInProcess, nodeInProcess } from './node-pairs.ts'

/** A whole node in this process, with HTTP. */
export interface NodeWithServer extends NodeInProcess {
  readonly url: string
  /** As the administrator, unless told otherwise. */
  send(
    method: string,
    path: string,
    body?: object,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }>
}

const ADMIN_KEY = 'the-administrator-key'
const RATES = { anonymous: 0, reader: 0, publisher: 0, admin: 0 }

/** A node that is asked over HTTP, on a free port unless one is given. */
export async function nodeWithServer(
  t: TestContext,
  options: Parameters<typeof nodeInProcess>[1] & {
    port?: number
    operators?: readonly string[]
    /** Requests per minute, where they are limited. */
    rates?: Partial<typeof RATES>
  } = {},
): Promise<NodeWithServer> {
  const started = await nodeInProcess(t, options)
  const server = await serve(started, options.port ?? 0, options.operators ?? [], options.rates ?? {})
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= server.close()
    return closing
  }
  t.after(close)
  return {
    ...started,
    url: server.url,
    async stop() {
      await close()
      await started.stop()
    },
    async send(method, path, body, headers = { 'X-API-Key': ADMIN_KEY }) {
      const response = await fetch(`${server.url}${path}`, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const json = (await response.json()) as Record<string, unknown>
      return { status: response.status, body: json, headers: response.headers }
    },
  }
}

const serve = (
  { node }: NodeInProcess,
  port: number,
  operators: readonly string[],
  rates: Partial<typeof RATES>,
): Promise<HttpServer> =>
  startHttp(node, {
    config: {
      host: '127.0.0.1',
      port,
      public_url: null,
      allowed_hosts: [],
      allowed_origins: [],
      trusted_proxies: [],
      open_reading: true,
      api_key: null,
      tls: null,
      ws_port: null,
      rate_per_minute: { ...RATES, ...rates },
    },
    cells: { max_package_bytes: 1_000_000, sign_uploads: true, validation_timeout_ms: 10_000 },
    adminKey: ADMIN_KEY,
    logger: silentLogger,
    metrics: createMetrics(),
    clock: systemClock,
    operators,
  })
