import type { Announcement } from '../../protocol/announcement.ts'
import { utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { type Random, random } from '../simulate/random.ts'
import { type LinkQuality, ModelLinks } from './links.ts'
import { Mallory } from './mallory.ts'
import { ModelNode } from './node.ts'
import { VirtualTime } from './virtual-time.ts'

/** What one run showed. */
export interface RunResult {
  readonly seed: number
  /** What was wrong; empty when nothing was. */
  readonly failures: readonly string[]
  readonly nodes: number
  readonly acts: number
  readonly announcements: number
  /** Milliseconds of virtual time from the healing of everything until all nodes knew the same; undefined: not in time. */
  readonly convergedMs: number | undefined
  readonly messages: number
}

/** Milliseconds of virtual time in which everything happens that can, and after which all must know the same. */
const CHAOS_MS = 240_000
const CALM_MS = 180_000
/** Milliseconds after which nothing from before is on its way any more. */
const SETTLED_MS = 20_000
/** Milliseconds after which who was to stop has stopped. */
const STOP_MS = 3000
/** Milliseconds between two acts at most, and between two looks. */
const ACT_MS = 5000
const LOOK_MS = 500
/** Milliseconds that a clock is wrong at most: less than half of what is left of an announcement when it is renewed. */
const SKEW_MS = 10_000
/** Milliseconds in which a node that agrees with all others must have noticed it: everything is announced anew meanwhile. */
const NOTICE_MS = 150_000

/** Runs one federation from its seed: everything in it follows from that. */
export async function run(seed: number, trace: (text: string) => void = () => undefined): Promise<RunResult> {
  const source = random(seed)
  const time = new VirtualTime(source)
  const restore = time.install()
  try {
    return await new Scenario(seed, { source, time, trace }).run()
  } finally {
    restore()
  }
}

class Scenario {
  readonly #seed: number
  readonly #random: Random
  readonly #time: VirtualTime
  readonly #trace: (text: string) => void
  readonly #links: ModelLinks
  readonly #nodes: ModelNode[] = []
  readonly #mallory: Mallory | undefined
  readonly #failures: string[] = []
  /** The newest announcement of each page of each node, and every one that was ever made. */
  readonly #latest = new Map<string, Announcement>()
  readonly #made = new Set<string>()
  #acts = 0

  constructor(
    seed: number,
    { source, time, trace }: { source: Random; time: VirtualTime; trace: (text: string) => void },
  ) {
    this.#trace = (text) => trace(`${(time.now / 1000).toFixed(3)} s: ${text}`)
    this.#seed = seed
    this.#random = source
    this.#time = time
    const quality: LinkQuality = {
      delayMs: 5 + source.next() * 500,
      loss: source.next() * 0.3,
      gossipLoss: source.next() * 0.5,
    }
    this.#links = new ModelLinks(time, source, quality)
    const count = 3 + source.below(8)
    for (let i = 0; i < count; i++) {
      const node = new ModelNode({
        name: `node${i}`,
        time,
        random: source,
        links: this.#links,
        failed: (reason) => this.#failed(reason),
        trace: this.#trace,
        isHonest: (id) => this.#nodes.some(({ providerId }) => providerId === id),
        announced: (announcement) => this.#announced(announcement),
        wasAnnounced: (announcement) => this.#made.has(canonicalJson(announcement)),
      })
      if (source.next() < 0.3) node.skewMs = Math.round((source.next() * 2 - 1) * SKEW_MS)
      // A tree, so that all hang together, and a few links more.
      if (i > 0) this.#links.link(node.name, `node${source.below(i)}`)
      for (let more = source.below(3); more > 0; more--) {
        const other = source.below(count)
        if (other !== i) this.#links.link(node.name, `node${other}`)
      }
      this.#nodes.push(node)
    }
    if (source.next() < 0.5) {
      this.#mallory = new Mallory(time, source, this.#links)
      for (const { name } of source.some(this.#nodes, 1 + source.below(3))) this.#links.link(name, this.#mallory.name)
    }
  }

  async run(): Promise<RunResult> {
    this.#mallory?.start()
    for (const node of this.#nodes) {
      node.start()
      if (this.#random.next() < 0.7) node.change()
    }
    while (this.#time.now < CHAOS_MS) {
      await this.#time.pass(this.#random.next() * ACT_MS)
      this.#act()
    }
    this.#links.heal()
    // Who is stopping is started when it has ended.
    await this.#time.pass(STOP_MS)
    for (const node of this.#nodes) if (node.running === undefined) node.start()
    const convergedMs = await this.#converge()
    return {
      seed: this.#seed,
      failures: this.#failures,
      nodes: this.#nodes.length,
      acts: this.#acts,
      announcements: this.#made.size,
      convergedMs,
      messages: this.#links.messages,
    }
  }

  #act(): void {
    this.#acts++
    const node = this.#nodes[this.#random.below(this.#nodes.length)]!
    const die = this.#random.next()
    this.#trace(`act ${die.toFixed(2)} on ${node.name}`)
    if (node.running === undefined) {
      if (die < 0.5) node.start()
    } else if (die < 0.4) node.change()
    else if (die < 0.55) node.yank()
    else if (die < 0.65) node.crash()
    else if (die < 0.75) node.stop()
    else if (die < 0.85)
      this.#links.cut(this.#random.some(this.#nodes, this.#random.below(this.#nodes.length)).map(({ name }) => name))
    else if (die < 0.92) this.#links.heal()
    else if (die < 0.95) node.skewMs = Math.round((this.#random.next() * 2 - 1) * SKEW_MS)
    else node.running.sweep()
  }

  /** Resolves to how long it took until all knew the same, and nothing that was still on its way changed it. */
  async #converge(): Promise<number | undefined> {
    const begun = this.#time.now
    let since: number | undefined
    while (this.#time.now - begun < CALM_MS) {
      await this.#time.pass(LOOK_MS)
      since = this.#difference() === undefined ? (since ?? this.#time.now) : undefined
      if (since === undefined || this.#time.now - since < SETTLED_MS) continue
      await this.#stay()
      return since - begun
    }
    this.#failed(`three minutes after healing: ${this.#difference()}`)
    return undefined
  }

  /** What all know stays so, however often it is announced anew, and each node says so. */
  async #stay(): Promise<void> {
    const end = this.#time.now + NOTICE_MS
    const sure = new Set<ModelNode>()
    while (this.#time.now < end) {
      await this.#time.pass(LOOK_MS)
      const difference = this.#difference()
      if (difference !== undefined) this.#failed(`after all was known: ${difference}`)
      for (const node of this.#nodes) {
        if (node.running?.consensus === 'ACTIVE' && node.running.lag === 0) sure.add(node)
      }
    }
    for (const node of this.#nodes) {
      const { consensus, lag } = node.running!
      if (!sure.has(node)) this.#failed(`${node.name} knows all and says ${consensus}, lag ${lag}`)
    }
  }

  /** How two nodes differ; undefined when none do. */
  #difference(): string | undefined {
    const [first] = this.#nodes
    for (const { name, running } of this.#nodes) {
      if (running === undefined) return `${name} does not run`
      if (running.yankIds !== first?.running?.yankIds) return `${name} knows other yanks than ${first?.name}`
      for (const other of this.#nodes) {
        if (other.name === name) continue
        for (let page = 0; page < 3; page++) {
          const latest = this.#latest.get(`${other.providerId}!${page}`)?.cells ?? []
          const known = running.offered(other.providerId, page)
          if (canonicalJson(known) !== canonicalJson(latest)) {
            return `${name} knows ${known.length} other cells of page ${page} of ${other.name} than its ${latest.length}`
          }
          const lost = latest.find(({ cell_type: cell }) => !running.finds(cell).includes(other.providerId))
          if (lost !== undefined) return `${name} does not find ${lost.cell_type}`
        }
      }
    }
    return undefined
  }

  #announced(announcement: Announcement): void {
    const { provider_id: provider, page, sequence, cells } = announcement
    this.#trace(`${provider} announces ${sequence} of page ${page}, ${cells.length} cells`)
    this.#latest.set(`${provider}!${page}`, announcement)
    this.#made.add(canonicalJson(announcement))
    this.#mallory?.heard(utf8(JSON.stringify(announcement)), announcement)
  }

  #failed(reason: string): void {
    if (this.#failures.length < 10) this.#failures.push(`${(this.#time.now / 1000).toFixed(3)} s: ${reason}`)
  }
}
