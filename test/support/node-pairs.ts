import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { AnnouncedCell, Announcement } from '../../protocol/announcement.ts'
import type { CellAnswer } from '../../protocol/cells.ts'
import { LIMITS } from '../../protocol/limits.ts'
import type { OfferedCell } from '../../protocol/rpc.ts'
import type { VerifiedCell } from '../../src/domain/cells/repository.ts'
import { signAnnouncement } from '../../src/domain/federation/announcement.ts'
import { concatBytes, toBase64Url } from '../../src/kernel/base/bytes.ts'
import { type Clock, systemClock } from '../../src/kernel/base/clock.ts'
import { loadConfig } from '../../src/kernel/config/load.ts'
import type { Config } from '../../src/kernel/config/schema.ts'
import type { Evaluator } from '../../src/kernel/plugins/packages/evaluators.ts'
import type { Llm } from '../../src/kernel/plugins/packages/llms.ts'
import type { EventMap, EventName } from '../../src/kernel/telemetry/events.ts'
import { createMetrics } from '../../src/kernel/telemetry/metrics.ts'
import type { Wiring } from '../../src/network/network.ts'
import type { CellAnswerText, ProviderNode, Registered, Registration } from '../../src/node/api.ts'
import type { Answerer, Prover } from '../../src/node/assurance-api.ts'
import type { Memory } from '../../src/node/memory-api.ts'
import { type RunningNode, startNode } from '../../src/node/node.ts'
import type { NodeOptions } from '../../src/node/open-parts.ts'
import type { VerifyProof } from '../../src/node/proof-verifiers.ts'
import { newIdentity, silentLogger, startNode as startNetwork, type TestHandlers } from '../network/nodes.ts'
import { NETWORK, summaryOf } from './cells.ts'

/** A whole node in this process, without HTTP. */
export interface NodeInProcess {
  readonly node: RunningNode
  readonly config: Config
  readonly dataDir: string
  /** Once, early or at the end of the test. */
  stop(): Promise<void>
}

/** How the nodes of each data directory are stopped. */
const stops = new Map<string, (() => Promise<void>)[]>()

/** A node on a free port of 127.0.0.1, stopped when the test ends. */
export async function nodeInProcess(
  t: TestContext,
  options: {
    seeds?: readonly string[]
    dataDir?: string
    /** More keys of the configuration, as the environment would have them. */
    settings?: Readonly<Record<string, string>>
    clock?: Clock
    /** What the configuration file follows. */
    follow?: Config['follow']
    wiring?: Wiring
    evaluator?: Evaluator
    llm?: Llm
    proofs?: ReadonlyMap<string, VerifyProof>
    answerer?: Answerer
    prover?: Prover
    memory?: NodeOptions['memory']
    sessions?: Memory
    /** What the configuration file says of operators' tiers. */
    tiers?: Config['assurance']['tiers']
  } = {},
): Promise<NodeInProcess> {
  const folder = options.dataDir === undefined ? await mkdtemp(join(tmpdir(), 'cytoplex-test-')) : undefined
  const dataDir = options.dataDir ?? join(folder!, 'data')
  const settings = {
    data_dir: dataDir,
    'network.name': NETWORK,
    'p2p.host': '127.0.0.1',
    'p2p.port': '0',
    'p2p.inbound_per_second': '1000',
    'p2p.seeds': options.seeds?.join(',') ?? '',
    ...options.settings,
  }
  const env = Object.entries(settings).map(([key, value]) => [`CYTOPLEX_${key.replace('.', '_').toUpperCase()}`, value])
  const loaded = loadConfig({ env: Object.fromEntries(env) }).config
  const { clock = systemClock, follow = loaded.follow, wiring, evaluator, llm, proofs } = options
  const { answerer, prover, memory, sessions, tiers = loaded.assurance.tiers } = options
  const config: Config = { ...loaded, follow, assurance: { ...loaded.assurance, tiers } }
  const node = await startNode({
    config,
    logger: silentLogger,
    metrics: createMetrics(),
    clock,
    ...(wiring === undefined ? {} : { wiring }),
    ...(evaluator === undefined ? {} : { evaluator }),
    ...(llm === undefined ? {} : { llm }),
    ...(memory === undefined ? {} : { memory }),
    ...(proofs === undefined ? {} : { proofs }),
    ...(answerer === undefined ? {} : { answerer }),
    ...(prover === undefined ? {} : { prover }),
    ...(sessions === undefined ? {} : { sessions }),
  })
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= node.stop()
    return stopping
  }
  stops.set(dataDir, [...(stops.get(dataDir) ?? []), stop])
  t.after(async () => {
    // What a test started first ends first. A later node on the same folder has to end before that goes: a running node writes.
    if (folder === undefined) return stop()
    await Promise.all(stops.get(dataDir)!.map((end) => end()))
    stops.delete(dataDir)
    await rm(folder, { recursive: true, force: true })
  })
  return { node, config, dataDir, stop }
}

/** Milliseconds after which an event that did not come is told to whoever waits for it. */
const EVENT_MS = 120_000

/** The next event for which `wanted` holds. */
export function nextEvent<Name extends EventName>(
  { events }: Pick<RunningNode, 'events'>,
  name: Name,
  wanted: (event: EventMap[Name]) => boolean = () => true,
): Promise<EventMap[Name]> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      off()
      reject(new Error(`no such ${name} within ${EVENT_MS} ms`))
    }, EVENT_MS)
    late.unref()
    const off = events.on(name, (event) => {
      if (!wanted(event)) return
      clearTimeout(late)
      off()
      resolve(event)
    })
  })
}

/** Resolves when the node's directory holds cells of so many providers. */
export async function knowsProviders(node: RunningNode, count: number): Promise<void> {
  while (node.peers().known_providers < count) await nextEvent(node, 'announcement_received')
}

/** Resolves when the node is connected to so many peers. */
export async function hasPeers(node: RunningNode, count: number): Promise<void> {
  while (node.peers().total < count) await nextEvent(node, 'peer_connected')
}

/** What an answer says, for a client at `http://node`. */
export const answerOf = ({ before, after }: CellAnswerText): CellAnswer =>
  JSON.parse(`${before}http://node${after}`) as CellAnswer

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

/** Uploads and registers. */
export async function registerBytes(
  node: ProviderNode,
  bytes: Uint8Array,
  registration: Omit<Registration, 'package' | 'credential'>,
): Promise<Registered> {
  const staged = await node.stagePackage(pieces(bytes))
  return node.registerCell({ ...registration, package: staged, credential: 'test' })
}

/** Reads a whole package. */
export async function download(node: ProviderNode, digest: string): Promise<Uint8Array> {
  const source = await node.openPackage(digest)
  const parts: Uint8Array[] = []
  try {
    for await (const piece of source.read(0, source.size - 1)) parts.push(new Uint8Array(piece))
  } finally {
    await source.close()
  }
  return concatBytes(parts)
}

/** A cell as a peer describes it. */
export const offerOf = ({ manifest, signature, annotations }: VerifiedCell): OfferedCell => ({
  manifest,
  signature,
  status: 'active',
  created_at: '2026-01-01T00:00:00.000Z',
  annotations,
})

/** A peer that speaks the wire correctly and announces one cell, and whose answers a test decides. */
export interface ScriptedPeer {
  readonly providerId: string
  readonly address: string
  stop(): Promise<void>
}

/**
 * Starts a scripted peer for `cell`; unless told otherwise it holds the cell and serves `bytes` as its package. `announced` is what it says
 * of the cell that is not so.
 */
export async function scriptedPeer(
  t: TestContext,
  cell: VerifiedCell,
  bytes: Uint8Array,
  handlers: TestHandlers = {},
  announced: Partial<AnnouncedCell> = {},
): Promise<ScriptedPeer> {
  const identity = newIdentity(NETWORK)
  const offer = offerOf(cell)
  const peer = await startNetwork(t, {
    identity,
    networkName: NETWORK,
    handlers: {
      onCellRequest: () => [offer],
      onPackageRequest: async () => ({ cell: offer, chunks: toBase64Url(summaryOf(bytes).chunks) }),
      openPackage: async () => scriptedPackage(bytes),
      onAnnouncementsRequest: async () => ({ announcements: [announcement()] }),
      ...handlers,
    },
  })
  const announcement = (): Announcement => {
    const { cell_type, version, publisher, capabilities } = cell.manifest
    return signAnnouncement(identity.identity, NETWORK, {
      provider_id: identity.providerId,
      page: 0,
      sequence: Date.now(),
      expires_at: Date.now() + 600_000,
      addresses: [...peer.network.addresses],
      cells: [
        {
          manifest_digest: cell.id,
          publisher,
          cell_type,
          version,
          capabilities: capabilities.map(({ name, version }) => ({ name, version })),
          ...announced,
        },
      ],
    })
  }
  return {
    providerId: identity.providerId,
    address: peer.network.addresses[0]!,
    stop: () => peer.network.stop(),
  }
}

/** A package that is served whole, or breaks off after `breakAfter` chunks. `asked` hears from which chunk on. */
export function scriptedPackage(
  bytes: Uint8Array,
  options: { breakAfter?: number; asked?: (fromChunk: number) => void } = {},
) {
  return {
    size: bytes.length,
    chunkSize: LIMITS.chunkBytes,
    async *read(fromChunk: number, toChunk: number) {
      options.asked?.(fromChunk)
      for (let chunk = fromChunk; chunk < toChunk; chunk++) {
        if (chunk === options.breakAfter) throw new Error('the disk broke')
        yield bytes.subarray(chunk * LIMITS.chunkBytes, (chunk + 1) * LIMITS.chunkBytes)
      }
    },
    close: async () => undefined,
  }
}
