import { join } from 'node:path'
import { pino } from 'pino'
import { type Clock, systemClock } from '../../src/kernel/base/clock.ts'
import { loadConfig } from '../../src/kernel/config/load.ts'
import { createMetrics } from '../../src/kernel/telemetry/metrics.ts'
import { type RunningNode, startNode } from '../../src/node/node.ts'
import type { Links } from './links.ts'

/** What a node has heard of another one. */
interface Heard {
  readonly sequence: number
  readonly cells: number
  /** Milliseconds of `performance.now()`. */
  readonly at: number
  /** Nodes that the announcement passed on its way here. */
  readonly hops: number
}

/** Connections of a node at most: with more, a simulated federation would be a full mesh, which real ones are not. Who serves the DHT has the default. */
const MAX_CONNECTIONS = 24

/** What a simulated node is made from. */
export interface SimulatedNodeInit {
  readonly name: string
  readonly folder: string
  readonly links: Links
  /** Milliseconds that its clock is ahead. */
  readonly skewMs: number
  /** Whether it keeps records for others in the DHT. */
  readonly servesDht: boolean
  /** The node of a provider id. */
  peer(providerId: string): SimulatedNode | undefined
}

/** A whole node in this process, as `cytoplex start` runs one, without HTTP. */
export class SimulatedNode {
  readonly name: string
  readonly #init: SimulatedNodeInit
  /** By provider id; survives restarts, as the directory does. */
  readonly #heard = new Map<string, Heard>()
  #node: RunningNode | undefined
  #registered = 0

  constructor(init: SimulatedNodeInit) {
    this.name = init.name
    this.#init = init
  }

  get running(): boolean {
    return this.#node !== undefined
  }

  get providerId(): string {
    return this.#started.providerId
  }

  get address(): string {
    return this.#started.addresses[0]!
  }

  /** Cells that were registered here. */
  get registered(): number {
    return this.#registered
  }

  get peers(): number {
    return this.#node?.peers().total ?? 0
  }

  heard(providerId: string): Heard | undefined {
    return this.#heard.get(providerId)
  }

  /** How many cells of another node a look-up finds here. What came while the node was starting is not among what it heard. */
  found(other: SimulatedNode): number {
    return this.#started.searchCapabilities({ capability: `read-${other.name}` }).capabilities[0]?.version_count ?? 0
  }

  async start(seeds: readonly string[]): Promise<void> {
    const { name, folder, links, skewMs, servesDht, peer } = this.#init
    const env = {
      CYTOPLEX_DATA_DIR: join(folder, name),
      CYTOPLEX_NETWORK_NAME: 'simulation',
      CYTOPLEX_P2P_DHT_MODE: servesDht ? 'server' : 'client',
      CYTOPLEX_P2P_SEEDS: seeds.join(','),
      ...(servesDht ? {} : { CYTOPLEX_P2P_MAX_CONNECTIONS: String(MAX_CONNECTIONS) }),
    }
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + skewMs }
    const logger = pino({ level: process.env.SIMULATE_LOG ?? 'silent' }, pino.destination(2))
    const { config } = loadConfig({ env })
    const node = await startNode({ config, logger, metrics: createMetrics(), clock, wiring: links.wiring(name) })
    this.#node = node
    node.events.on('announcement_received', ({ providerId, sequence, cells, from }) => {
      const teller = from === providerId ? undefined : peer(from)
      const hops = 1 + (teller?.heard(providerId)?.hops ?? 0)
      this.#heard.set(providerId, { sequence, cells, at: performance.now(), hops })
    })
  }

  /** Registers a small document; resolves when it is durable, and about to be announced. */
  async register(): Promise<void> {
    const number = this.#registered
    const node = this.#started
    const bytes = new TextEncoder().encode(`document ${number} of ${this.name}`)
    const staged = await node.stagePackage(oneOf(bytes))
    await node.registerCell({
      metadata: {
        cell_type: `${this.name}-document`,
        version: `1.${number}.0`,
        capabilities: [{ name: `read-${this.name}`, version: `1.${number}.0` }],
        packaging_format: 'document',
      },
      package: staged,
      credential: 'simulation',
    } as Parameters<RunningNode['registerCell']>[0])
    this.#registered++
  }

  async stop(): Promise<void> {
    const node = this.#node
    this.#node = undefined
    await node?.stop()
  }

  get #started(): RunningNode {
    if (this.#node === undefined) throw new Error(`${this.name} is not running`)
    return this.#node
  }
}

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
