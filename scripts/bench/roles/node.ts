import type { CellAnswer } from '../../../protocol/cells.ts'
import { type HttpServer, startHttp } from '../../../src/http/server.ts'
import { systemClock } from '../../../src/kernel/base/clock.ts'
import { loadConfig } from '../../../src/kernel/config/load.ts'
import { createLogger } from '../../../src/kernel/telemetry/logger.ts'
import { createMetrics } from '../../../src/kernel/telemetry/metrics.ts'
import { type RunningNode, startNode } from '../../../src/node/node.ts'
import { capabilityName, cellName } from '../cells.ts'
import { type Amount, type Asked, doAll, doFor } from '../concurrent.ts'
import { ADMIN_KEY } from '../upload-body.ts'
import { renumber, wasmOf } from '../wasm.ts'

/** The node that this process runs, once it was started. */
export let node: RunningNode
let http: HttpServer | undefined

/** Where a node of a benchmark listens. */
export interface Started {
  readonly providerId: string
  readonly addresses: readonly string[]
  /** Of the HTTP facade; 0 without one. */
  readonly httpPort: number
}

async function start({
  dataDir,
  seeds,
  withHttp,
  uploadBytesPerSecond = 0,
}: {
  dataDir: string
  seeds?: readonly string[]
  withHttp?: boolean
  uploadBytesPerSecond?: number
}): Promise<Started> {
  const { config } = loadConfig({
    env: {
      CYTOPLEX_P2P_UPLOAD_BYTES_PER_SECOND: String(uploadBytesPerSecond),
      CYTOPLEX_GOALS_CONTRIBUTIONS_PER_MINUTE: '0',
    },
    flags: {
      data_dir: dataDir,
      'p2p.host': '127.0.0.1',
      'p2p.port': '0',
      'http.port': '0',
      'p2p.seeds': seeds,
      'log.level': 'warn',
    },
  })
  const logger = createLogger({ level: config.log.level })
  const metrics = createMetrics()
  node = await startNode({ config, logger, metrics })
  if (withHttp === true) {
    // As high as the configuration allows: the limits are counted, and nobody reaches them.
    const rate_per_minute = { ...config.http.rate_per_minute, anonymous: 1_000_000_000 }
    const httpConfig = { ...config.http, rate_per_minute }
    const options = {
      config: httpConfig,
      cells: config.cells,
      adminKey: ADMIN_KEY,
      logger,
      metrics,
      clock: systemClock,
    }
    http = await startHttp(node, options)
  }
  const { providerId, addresses } = node
  return { providerId, addresses, httpPort: http === undefined ? 0 : Number(new URL(http.url).port) }
}

async function end(): Promise<void> {
  await http?.close()
  await node?.stop()
}

/** Registers a package of `size` bytes, and returns its digest. */
async function register({ size, number }: { size: number; number: number }): Promise<string> {
  return await registerBytes(wasmOf(size, number), number)
}

export async function registerBytes(bytes: Uint8Array, number: number): Promise<string> {
  const staged = await node.stagePackage(once(bytes))
  const { manifest } = await node.registerCell({
    metadata: {
      cell_type: cellName(number),
      version: '1.0.0',
      capabilities: [{ name: capabilityName(number), version: '1.0.0' }],
    },
    package: staged,
    credential: 'admin',
  })
  return manifest.package.digest
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

/** Registers `count` packages, `concurrency` at a time, without HTTP, and returns how many per second. */
async function registerMany({ size, ...amount }: Amount & { size: number }): Promise<number> {
  return await doAll(amount, () => {
    const bytes = wasmOf(size, 0)
    return (number) => {
      renumber(bytes, number)
      return registerBytes(bytes, number)
    }
  })
}

/**
 * Asks for one capability after the other, `concurrency` at a time, for `ms` milliseconds; `elsewhere` says how many did not
 * come from a peer that the directory named.
 */
async function ask({
  capabilities,
  concurrency,
  ms,
}: {
  capabilities: number
  concurrency: number
  ms: number
}): Promise<Asked & { elsewhere: number }> {
  let elsewhere = 0
  const asked = await doFor({ ms, concurrency }, async (number) => {
    const query = { by: 'capability', name: capabilityName(number % capabilities), range: '^1.0.0' } as const
    const outcome = await node.requestCell(query, 10_000)
    if (outcome.status !== 'success' || outcome.source !== 'directory') elsewhere++
  })
  return { ...asked, elsewhere }
}

/** Resolves when `peers` peers are connected that announce `cells` cells each. */
async function connected({ cells, peers = 1 }: { cells: number; peers?: number }): Promise<void> {
  const until = performance.now() + 120_000
  while (node.peers().peers.filter((peer) => (peer.cells ?? 0) >= cells).length < peers) {
    if (performance.now() > until) throw new Error(`no ${peers} peers announce ${cells} cells after two minutes`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A request and the answer of the only peer, as they travel between nodes but for their ids. */
async function sample(): Promise<{ request: object; answer: string }> {
  const outcome = await node.requestCell({ by: 'capability', name: capabilityName(0), range: '^1.0.0' }, 10_000)
  if (outcome.status !== 'success') throw new Error(`${capabilityName(0)}: ${outcome.status}`)
  const { cell } = JSON.parse(`{"cell":${outcome.cell.before}${outcome.cell.after}}`) as { cell: CellAnswer }
  const { manifest, signature, metadata } = cell
  const { created_at, description } = metadata
  const request = {
    by: 'capability',
    name: capabilityName(0),
    range: '^1.0.0',
    deadline_ms: 30_000,
    budget: 0,
    limit: 8,
    type: 'cell_request',
  }
  return {
    request,
    answer: JSON.stringify({ manifest, signature, status: 'active', created_at, annotations: { description } }),
  }
}

/** Reads a package to its last byte, and returns the milliseconds that took. */
async function fetchPackage({ digest }: { digest: string }): Promise<number> {
  const since = performance.now()
  const source = await node.openPackage(digest)
  if (source.complete) throw new Error(`${digest} is here already`)
  let left = source.size
  for await (const piece of source.read(0, source.size - 1)) left -= piece.length
  const ms = performance.now() - since
  await source.close()
  if (left !== 0) throw new Error(`${left} bytes of ${digest} are missing`)
  return ms
}

export const commands = { start, end, register, registerMany, ask, sample, connected, fetchPackage }
