import { readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { startHttp } from '../../src/http/server.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import type { Config } from '../../src/kernel/config/schema.ts'
import { createMetrics } from '../../src/kernel/telemetry/metrics.ts'
import type { RunningNode } from '../../src/node/node.ts'
import {
  ADMIN,
  ADMIN_KEY,
  type Call,
  form,
  MULTIPART,
  part,
  type Reply,
  send,
  UNLIMITED_MEMORY,
} from '../http/harness.ts'
import { silentLogger } from '../network/nodes.ts'
import { ScriptedAnswerer, scriptedProver } from '../support/assurance.ts'
import { manifestOf, newPublisher, signedCell, summaryOf, TestClock } from '../support/cells.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { knowsProviders, nodeInProcess, scriptedPeer } from '../support/node-pairs.ts'
import { sometimesAway } from './chat-cases.ts'

const small = await readFile(SMALL_MODULE)

/** A whole node with its HTTP facade, on a clock that the test moves. */
export interface ContractServer {
  readonly node: RunningNode
  /** Base URL. */
  readonly url: string
  readonly clock: TestClock
  /** Where it listens on 127.0.0.1. */
  readonly port: number
  readonly dataDir: string
  send(call: Call): Promise<Reply>
  /** Sends with the administrator's key. */
  admin(call: Call): Promise<Reply>
  /** A key that was given out. */
  key(role: 'reader' | 'publisher' | 'admin'): Promise<Record<string, string>>
  /** Registers the cell type at a version, as an upload, and answers with what came back. */
  register(cell: { cell_type: string; version: string } & Record<string, unknown>): Promise<Reply>
  /** The multipart body of an upload. */
  upload(metadata: unknown, package_?: Uint8Array | null): Pick<Call, 'headers' | 'body'>
}

const UNLIMITED = { anonymous: 0, reader: 0, publisher: 0, admin: 0 }

/** A capability and cell type that a peer announces, which never answers. */
export const SILENT = 'silent'

/** A peer that announces {@link SILENT} and answers nobody. */
export async function silentPeer(t: TestContext): Promise<string> {
  const publisher = newPublisher()
  const capabilities = [{ name: SILENT, version: '1.0.0' }]
  const manifest = manifestOf(publisher.publisher, summaryOf(small), { cell_type: SILENT, capabilities })
  const never = () => new Promise<never>(() => undefined)
  const peer = await scriptedPeer(t, signedCell(publisher, manifest), small, { onCellRequest: never })
  return peer.address
}

/** A server that a case needs beside the one that it asks. */
export type Another = () => Promise<ContractServer>

/** Starts one; it stops with the test. */
export async function contractServer(
  t: TestContext,
  options: {
    settings?: Readonly<Record<string, string>>
    http?: Partial<Config['http']>
    seeds?: readonly string[]
    peers?: number
    follow?: Config['follow']
  } = {},
): Promise<ContractServer> {
  const clock = new TestClock(Date.now())
  const { settings = {}, seeds = [], peers = 0, follow = [] } = options
  const scripted = { answerer: new ScriptedAnswerer(), prover: scriptedProver, llm: sometimesAway() }
  const { node, config, dataDir } = await nodeInProcess(t, {
    settings,
    seeds,
    clock,
    follow,
    ...scripted,
  })
  const server = await startHttp(node, {
    config: { ...config.http, port: 0, rate_per_minute: UNLIMITED, ...options.http },
    cells: config.cells,
    adminKey: ADMIN_KEY,
    logger: silentLogger,
    metrics: createMetrics(),
    clock: systemClock,
    memoryRates: UNLIMITED_MEMORY,
  })
  t.after(() => server.close())
  await knowsProviders(node, peers)
  const port = Number(new URL(server.url).port)
  const admin = ({ headers, ...call }: Call): Promise<Reply> =>
    send(port, { ...call, headers: { ...ADMIN, ...headers } })
  const upload = (metadata: unknown, package_: Uint8Array | null = small): Pick<Call, 'headers' | 'body'> => ({
    headers: MULTIPART,
    body: form(
      part('metadata', typeof metadata === 'string' ? metadata : JSON.stringify(metadata)),
      ...(package_ === null ? [] : [part('cell_package', Buffer.from(package_), '; filename="package.wasm"')]),
    ),
  })
  return {
    node,
    url: server.url,
    clock,
    port,
    dataDir,
    send: (call) => send(port, call),
    admin,
    upload,
    async key(role) {
      const made = await admin({ method: 'POST', path: '/api/v1/keys', body: { role, name: `a ${role}` } })
      return { 'X-API-Key': String(made.json().key) }
    },
    register(cell) {
      const metadata = { capabilities: [{ name: `use-${cell.cell_type}`, version: cell.version }], ...cell }
      return admin({ method: 'POST', path: '/api/v1/repository/cells', ...upload(metadata) })
    },
  }
}
