import type { ProviderHealth } from '../../../protocol/discovery.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { EventLoopDelay } from '../../kernel/telemetry/event-loop-delay.ts'
import type { Maintenance } from '../maintenance.ts'
import type { NodeParts } from '../parts.ts'
import {
  type Component,
  checkEventLoop,
  checkLog,
  checkNetwork,
  DiskProbe,
  type FileSystemState,
  StoreProbe,
} from './component-probes.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'logger' | 'store'> {
  readonly config: Pick<NodeParts['config'], 'data_dir'>
  readonly network: Pick<NodeParts['network'], 'addresses' | 'connectedPeers' | 'seeds'>
  readonly log: Pick<NodeParts['log'], 'size' | 'leaf'>
}

/** What stands in for the machine, so that a test can make it fail. */
export interface Machine {
  readonly fileSystem?: FileSystemState
  readonly delay?: Pick<EventLoopDelay, 'start' | 'stop' | 'read'>
}

/** Milliseconds that a result is good for: callers, however many, make no more work than this. */
const FRESH_MS = 5000

/** Provider API, "Get Health Status", as far as the node itself knows it: what was asked of each component, and what is scheduled. */
export class ComponentHealth implements Part {
  readonly name = 'health'
  readonly #parts: Parts
  readonly #maintenance: Maintenance
  readonly #delay: Pick<EventLoopDelay, 'start' | 'stop' | 'read'>
  readonly #store: StoreProbe
  readonly #disk: DiskProbe
  /** What was found of all but the network. */
  #probed: readonly Component[] = []
  /** Unix milliseconds of those. */
  #checkedAt = Number.NEGATIVE_INFINITY
  #checking: Promise<void> | undefined

  constructor(parts: Parts, maintenance: Maintenance, { fileSystem, delay = new EventLoopDelay() }: Machine = {}) {
    this.#parts = parts
    this.#maintenance = maintenance
    this.#delay = delay
    this.#store = new StoreProbe(parts)
    this.#disk = new DiskProbe(parts.config.data_dir, fileSystem)
  }

  async start(): Promise<void> {
    this.#delay.start()
    await this.#refresh()
  }

  async stop(): Promise<void> {
    this.#delay.stop()
    await this.#checking
  }

  async report(): Promise<Omit<ProviderHealth, 'metrics'>> {
    await this.#refresh()
    const now = this.#parts.clock.now()
    const current = this.#maintenance.current(now)
    const components = this.#components()
    const problems = problemsOf(components)
    const trouble = problems.length === 0 ? 'All components are healthy' : problems.join('; ')
    return {
      status: current === undefined ? statusOf(components) : 'maintenance',
      message: current === undefined ? trouble : `${current.description}. ${trouble}`,
      components,
      scheduled_maintenance: this.#maintenance.scheduled(now),
      timestamp: new Date(now).toISOString(),
    }
  }

  /** What is wrong, as far as it is known without waiting; asks again for the next caller. */
  problems(): string[] {
    this.#refresh()
    return problemsOf(this.#components())
  }

  /** Never rejects. */
  #refresh(): Promise<void> {
    if (Math.abs(this.#parts.clock.now() - this.#checkedAt) < FRESH_MS) return Promise.resolve()
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined
    })
    return this.#checking
  }

  /** The network is looked at each time: that costs nothing, and a node that has just met a peer is not said to have none. */
  #components(): Component[] {
    return this.#probed.toSpliced(2, 0, { name: 'network', ...checkNetwork(this.#parts) })
  }

  async #check(): Promise<void> {
    this.#probed = await Promise.all([
      this.#ask('store', () => this.#store.check()),
      this.#ask('disk', () => this.#disk.check()),
      this.#ask('log', () => checkLog(this.#parts)),
      this.#ask('event_loop', () => checkEventLoop(this.#delay)),
    ])
    this.#checkedAt = this.#parts.clock.now()
  }

  /** The reason of a failure may name files of this machine: it is for the operator's log, not for everybody. */
  async #ask(
    name: string,
    check: () => Omit<Component, 'name'> | Promise<Omit<Component, 'name'>>,
  ): Promise<Component> {
    try {
      return { name, ...(await check()) }
    } catch (error) {
      this.#parts.logger.warn({ component: name, err: error }, 'a component failed its probe')
      return { name, status: 'offline', message: 'failed its probe; the log of the node says why' }
    }
  }
}

const problemsOf = (components: readonly Component[]): string[] =>
  components.filter(({ status }) => status !== 'healthy').map(({ name, message }) => `${name}: ${message}`)

/** Without its store a node is of no use; without anything else it can still do a part of its work. */
function statusOf(components: readonly Component[]): Component['status'] {
  if (components.some(({ name, status }) => name === 'store' && status === 'offline')) return 'offline'
  return components.every(({ status }) => status === 'healthy') ? 'healthy' : 'degraded'
}
