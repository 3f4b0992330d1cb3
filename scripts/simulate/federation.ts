import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type LinkQuality, Links } from './links.ts'
import { type Random, random } from './random.ts'
import { SimulatedNode } from './simulated-node.ts'

/** What one federation showed. Times in milliseconds. */
export interface FederationResult {
  readonly nodes: number
  /** From the first start until every node had its peers. */
  readonly joinedMs: number
  /** Share of (node, announcement) that arrived, and how long that took. */
  readonly coverage: number
  readonly halfMs: number
  readonly lastMs: number
  readonly meanHops: number
  readonly mostHops: number
  /** Sent by a node for each announcement of the federation. */
  readonly messages: number
  readonly bytes: number
  /** Sent by a node in a second in which nothing happens. */
  readonly idleMessages: number
  readonly idleBytes: number
  /** From the healing of a partition until everybody knew everything; null: not within three minutes. */
  readonly healedMs: number | null
  /** The same after nodes went and came back. */
  readonly churnedMs: number | null
  /** From the start of one more node until it knew everything. */
  readonly joinerMs: number | null
  /** Anonymous memory of the whole process, in MB. */
  readonly memoryMb: number
}

/** Nodes that each knows before it starts. */
const SEEDS = 4
/** Nodes that have something to announce, one after the other. */
const ANNOUNCERS = 20
/** Nodes that serve the DHT: the first ones. The others could not be dialled in a real network, or are small. */
const DHT_SERVERS = 10
/** Share of nodes whose clocks are wrong, and by how much at most: less than what is refused. */
const SKEWED = 0.1
const SKEW_MS = 120_000
const IDLE_MS = 5000
/** Milliseconds from the last start until nodes have told each other everything, and are idle. */
const SETTLE_MS = 20_000
const PARTITION_MS = 10_000
const CHURNED = 0.1
const LIMIT_MS = 180_000
/** Milliseconds between two looks at who knows what. */
const LOOK_MS = 20

/** Runs a federation of whole nodes through joining, announcing, a partition, churn and a late joiner. */
export async function simulateFederation(
  size: number,
  seed: number,
  quality: LinkQuality,
  say: (text: string) => void,
): Promise<FederationResult> {
  const folder = await mkdtemp(join(tmpdir(), 'cytoplex-simulate-'))
  const federation = new Federation(folder, random(seed), quality, say)
  try {
    return await federation.run(size)
  } finally {
    await federation.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

class Federation {
  readonly #folder: string
  readonly #random: Random
  readonly #links: Links
  readonly #nodes: SimulatedNode[] = []
  readonly #byId = new Map<string, SimulatedNode>()
  readonly #ids = new Map<SimulatedNode, string>()
  readonly #say: (text: string) => void

  constructor(folder: string, source: Random, quality: LinkQuality, say: (text: string) => void) {
    this.#say = say
    this.#folder = folder
    this.#random = source
    this.#links = new Links(source, quality)
  }

  async run(size: number): Promise<FederationResult> {
    const begun = performance.now()
    for (let i = 0; i < size; i++) await this.#join()
    await this.#until(() => {
      const lonely = this.#nodes.find(({ peers }) => peers < Math.min(SEEDS, size - 1))
      return lonely && `${lonely.name} has ${lonely.peers} peers`
    })
    const joinedMs = performance.now() - begun
    this.#say('joined')

    await pause(SETTLE_MS)
    const idle = await this.#trafficOf(() => pause(IDLE_MS))
    const startedAt = performance.now()
    const registeredAt = new Map<string, number>()
    const busy = await this.#trafficOf(async () => {
      for (const node of this.#random.some(this.#nodes, ANNOUNCERS)) {
        await node.register()
        registeredAt.set(node.providerId, performance.now())
      }
      await this.#until(() => this.#missing())
    })
    const seconds = (performance.now() - startedAt) / 1000
    const arrivals = this.#arrivals(registeredAt)
    this.#say('announced')

    const healedMs = await this.#partition()
    this.#say('healed')
    const churnedMs = await this.#churn()
    this.#say('churned')
    const before = performance.now()
    await this.#join()
    const joinerMs = (await this.#until(() => this.#missing())) ? performance.now() - before : null
    const perSecond = 1000 / IDLE_MS
    const [idleMessages, idleBytes] = [idle.messages * perSecond, idle.bytes * perSecond]
    return {
      nodes: size,
      joinedMs,
      coverage: arrivals.delays.length / (registeredAt.size * (size - 1)),
      halfMs: arrivals.delays[Math.floor(arrivals.delays.length / 2)] ?? 0,
      lastMs: arrivals.delays.at(-1) ?? 0,
      meanHops: arrivals.hops.reduce((sum, hops) => sum + hops, 0) / Math.max(1, arrivals.hops.length),
      mostHops: arrivals.hops.reduce((most, hops) => Math.max(most, hops), 0),
      messages: Math.max(0, busy.messages - idleMessages * seconds) / registeredAt.size,
      bytes: Math.max(0, busy.bytes - idleBytes * seconds) / registeredAt.size,
      idleMessages,
      idleBytes,
      healedMs,
      churnedMs,
      joinerMs,
      memoryMb: process.memoryUsage().rss / 1e6,
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()))
  }

  async #join(): Promise<void> {
    const seeds = this.#seeds()
    const node = new SimulatedNode({
      name: `node${this.#nodes.length}`,
      folder: this.#folder,
      links: this.#links,
      skewMs: this.#random.next() < SKEWED ? Math.round((this.#random.next() * 2 - 1) * SKEW_MS) : 0,
      servesDht: this.#nodes.length < DHT_SERVERS,
      peer: (id) => this.#byId.get(id),
    })
    await node.start(seeds)
    this.#nodes.push(node)
    this.#byId.set(node.providerId, node)
    this.#ids.set(node, node.providerId)
  }

  #seeds(): string[] {
    const running = this.#nodes.filter(({ running }) => running)
    return this.#random.some(running, SEEDS).map(({ address }) => address)
  }

  /** What some node does not know of another one; undefined when all know everything. */
  #missing(): string | undefined {
    const running = this.#nodes.filter((node) => node.running)
    for (const node of running) {
      for (const other of running) {
        if (other === node || other.registered === 0) continue
        if (node.heard(this.#ids.get(other)!)?.cells === other.registered) continue
        const known = node.found(other)
        if (known === other.registered) continue
        return `${node.name} (${node.peers} peers) knows ${known} of the ${other.registered} cells of ${other.name} (${other.peers} peers)`
      }
    }
    return undefined
  }

  async #partition(): Promise<number | null> {
    const apart = new Set(this.#random.some(this.#nodes, Math.floor(this.#nodes.length / 2)))
    this.#links.cut(Array.from(apart, ({ name }) => name))
    const end = performance.now() + PARTITION_MS
    for (const node of this.#random.some(this.#nodes, 10)) await node.register()
    await pause(Math.max(0, end - performance.now()))
    this.#links.heal()
    const healedAt = performance.now()
    return (await this.#until(() => this.#missing())) ? performance.now() - healedAt : null
  }

  async #churn(): Promise<number | null> {
    const leaving = this.#random.some(this.#nodes, Math.ceil(this.#nodes.length * CHURNED))
    for (const node of leaving) {
      await node.stop()
      await this.#random
        .some(
          this.#nodes.filter(({ running }) => running),
          1,
        )[0]!
        .register()
    }
    for (const node of leaving) await node.start(this.#seeds())
    const backAt = performance.now()
    return (await this.#until(() => this.#missing())) ? performance.now() - backAt : null
  }

  /** Delays and hops of what arrived, the earliest first. */
  #arrivals(registeredAt: ReadonlyMap<string, number>): { delays: number[]; hops: number[] } {
    const delays: number[] = []
    const hops: number[] = []
    for (const node of this.#nodes) {
      for (const [id, at] of registeredAt) {
        const heard = node.heard(id)
        if (heard === undefined || heard.cells === 0) continue
        delays.push(heard.at - at)
        hops.push(heard.hops)
      }
    }
    return { delays: delays.sort((a, b) => a - b), hops }
  }

  /** What a node sent on average while `work` ran. */
  async #trafficOf(work: () => Promise<unknown>): Promise<{ messages: number; bytes: number }> {
    const sent = (): { messages: number; bytes: number } => {
      const sum = { messages: 0, bytes: 0 }
      for (const { name } of this.#nodes) {
        const { messages, bytes } = this.#links.sent(name)
        sum.messages += messages
        sum.bytes += bytes
      }
      return sum
    }
    const before = sent()
    await work()
    const after = sent()
    const count = this.#nodes.length
    return { messages: (after.messages - before.messages) / count, bytes: (after.bytes - before.bytes) / count }
  }

  /** Resolves with whether nothing was missing in time. */
  async #until(missing: () => string | undefined): Promise<boolean> {
    const end = performance.now() + LIMIT_MS
    for (let found = missing(); found !== undefined; found = missing()) {
      if (performance.now() > end) {
        this.#say(`not in time: ${found}`)
        return false
      }
      await pause(LOOK_MS)
    }
    return true
  }
}
