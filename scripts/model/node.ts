import { createHash } from 'node:crypto'
import type { AnnouncedCell, Announcement } from '../../protocol/announcement.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { CellLog } from '../../src/domain/cells/cell-log.ts'
import { Publishers } from '../../src/domain/cells/publishers.ts'
import { TrustPolicy } from '../../src/domain/cells/trust.ts'
import { Yanks } from '../../src/domain/cells/yanks.ts'
import { Directory } from '../../src/domain/federation/directory.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, type SigningKey } from '../../src/kernel/identity/keys.ts'
import { createPublisherKeys, type PublisherKeys, publisherKeys } from '../../src/kernel/identity/manifest-signer.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import type { Network, Verdict } from '../../src/network/network.ts'
import { Announcer } from '../../src/node/flows/announce.ts'
import { YankLane } from '../../src/node/flows/gossip-yanks.ts'
import { Learner } from '../../src/node/flows/learn.ts'
import { Reconciler } from '../../src/node/flows/reconcile.ts'
import type { ConsensusState } from '../../src/node/flows/sync-state.ts'
import { YankFreshness } from '../../src/node/flows/yank-freshness.ts'
import type { NodeParts } from '../../src/node/parts.ts'
import { AnnouncementSet } from '../../src/node/sets/announcement-set.ts'
import { YankSet } from '../../src/node/sets/yank-set.ts'
import type { Random } from '../simulate/random.ts'
import { Disk } from './disk.ts'
import type { ModelLinks, Reachable } from './links.ts'
import type { Owner, VirtualTime } from './virtual-time.ts'

export const NETWORK = 'model'
/** Unix milliseconds at which a run begins. */
const EPOCH = 1_800_000_000_000
/** Seconds that an announcement lasts: short, so that many expire in a run. */
const LIFETIME_SECONDS = 120
const INTERVAL_SECONDS = 15
const PAGES = 3
const PAGE_COUNT = 4

/** What is wrong when it happens. */
export type Failed = (reason: string) => void

/** What a node is made from. */
export interface ModelNodeInit {
  readonly name: string
  readonly time: VirtualTime
  readonly random: Random
  readonly links: ModelLinks
  readonly failed: Failed
  /** Hears what happens, in words. */
  readonly trace: (text: string) => void
  /** Whether a peer keeps the rules: then nobody may hold anything against it. */
  isHonest(providerId: string): boolean
  /** Hears of everything that nodes announce. */
  announced(announcement: Announcement): void
  /** Whether somebody announced this. */
  wasAnnounced(announcement: Announcement): boolean
}

/** A node of the model: the real directory, announcer, learner, yanks and reconciler, over a disk, links and a clock that are not. */
export class ModelNode {
  readonly name: string
  readonly providerId: string
  /** Milliseconds that its clock is ahead. */
  skewMs = 0
  /** Every announcement that it has taken, newest of each page: what it may never go back behind while it runs. */
  readonly #init: ModelNodeInit
  readonly #identity: SigningKey
  readonly #publisher: PublisherKeys
  readonly #disk: Disk
  readonly #pages = new Map<number, AnnouncedCell[]>()
  readonly #yankCounters = new Map<string, number>()
  #cells = 0
  running: Incarnation | undefined

  constructor(init: ModelNodeInit) {
    const { name, time, random } = init
    this.#init = init
    this.name = name
    this.#identity = ed25519FromSeed(seedOf(random))
    this.providerId = providerIdOf(this.#identity.publicKey)
    this.#publisher = publisherKeys(createPublisherKeys({ kind: 'provider', nextSeed: () => seedOf(random) }))
    this.#disk = new Disk(time, random)
  }

  start(): void {
    const owner: Owner = { name: this.name }
    const { time, links } = this.#init
    time.after(
      0,
      () => {
        const running = new Incarnation(this.#init, {
          owner,
          providerId: this.providerId,
          identity: this.#identity,
          disk: this.#disk,
          now: () => EPOCH + Math.floor(time.now) + this.skewMs,
          pages: this.#pages,
        })
        this.running = running
        this.#init.trace(`${this.name} starts`)
        void running.start().then(() => links.started(running))
      },
      owner,
    )
  }

  /** Ends it as `kill -9` does. */
  crash(): void {
    const { running } = this
    if (running === undefined) return
    this.#init.trace(`${this.name} ends`)
    this.running = undefined
    this.#init.time.forget(running.owner)
    this.#init.links.stopped(running)
  }

  /** Ends it as an operator does. */
  stop(): void {
    const { running } = this
    if (running === undefined) return
    const { time } = this.#init
    time.after(0, () => void running.stop().then(() => this.running === running && this.crash()), running.owner)
  }

  /** A cell comes, or goes. */
  change(): void {
    const { random } = this.#init
    const page = random.below(PAGES)
    const cells = this.#pages.get(page) ?? []
    if (cells.length > 0 && random.next() < 0.4) this.#pages.set(page, cells.slice(1))
    else this.#pages.set(page, [...cells, this.#newCell()])
    const { running } = this
    if (running !== undefined) this.#init.time.after(0, () => running.changed(page), running.owner)
  }

  /** Says something of one of a few cells, as their publisher. */
  yank(): void {
    const { running } = this
    if (running === undefined) return
    const { random, time } = this.#init
    const id = createHash('sha256')
      .update(`${this.name} ${random.below(4)}`)
      .digest('hex')
    const counter = (this.#yankCounters.get(id) ?? 0) + 1
    this.#yankCounters.set(id, counter)
    const yanked = random.next() < 0.6
    const token = this.#publisher.signYank(NETWORK, {
      format: 1,
      manifest_digest: id,
      publisher: this.#publisher.publisher,
      counter,
      yanked,
      reason: yanked && random.next() < 0.1 ? 'compromised' : 'broken',
      at: EPOCH + Math.floor(time.now),
    })
    time.after(0, () => void running.yanked(token), running.owner)
  }

  #newCell(): AnnouncedCell {
    const name = `${this.name}-${this.#cells++}`
    return {
      manifest_digest: createHash('sha256').update(name).digest('hex'),
      publisher: this.#publisher.publisher,
      cell_type: name,
      version: '1.0.0',
      capabilities: [{ name, version: '1.0.0' }],
    }
  }
}

interface IncarnationInit {
  readonly owner: Owner
  readonly providerId: string
  readonly identity: SigningKey
  readonly disk: Disk
  readonly now: () => number
  readonly pages: Map<number, AnnouncedCell[]>
}

/** A node from its start to its end. */
export class Incarnation implements Reachable {
  readonly owner: Owner
  readonly providerId: string
  readonly #init: ModelNodeInit
  readonly #now: () => number
  readonly #events: Events
  readonly #directory: Directory
  readonly #yanks: Yanks
  readonly #publishers: Publishers
  readonly #lane: YankLane
  readonly #learner: Learner
  readonly #announcer: Announcer
  readonly #reconciler: Reconciler
  readonly #sets: readonly [YankSet, AnnouncementSet]
  /** Newest sequence that was taken of each page of others. */
  readonly #taken = new Map<string, number>()

  constructor(init: ModelNodeInit, { owner, providerId, identity, disk, now, pages }: IncarnationInit) {
    this.#init = init
    this.owner = owner
    this.providerId = providerId
    this.#now = now
    const { links, failed, trace } = init
    const report = (_: unknown, text: string): void => failed(`${owner.name}: ${text}`)
    const tell = (what: object, text: string): void => trace(`${owner.name}: ${text} ${JSON.stringify(what)}`)
    const logger = {
      debug: tell,
      info: tell,
      warn: tell,
      error: report,
      fatal: report,
    } as unknown as NodeParts['logger']
    this.#events = new Events(logger)
    this.#events.on('set_reconciled', (report) => tell(report, 'reconciled'))
    const clock = { now }
    const store = disk.open()
    this.#directory = new Directory({
      store,
      clock,
      self: providerId,
      limits: { maxCells: 1_000_000, maxCellsPerProvider: 100_000 },
    })
    this.#publishers = new Publishers(store)
    const trust = new TrustPolicy({ pinned: [], accept: 'any', self: providerId })
    const none = { get: () => undefined, isUntrusted: () => false } as unknown as NodeParts['partners']
    this.#yanks = new Yanks({
      store,
      index: { get: () => undefined } as unknown as NodeParts['index'],
      log: new CellLog({ append: () => 0 } as never),
      publishers: this.#publishers,
      trust,
      network: NETWORK,
      verifier: nativeVerifier,
      clock,
    })
    const network = {
      addresses: [],
      connectedPeers: () => links.peersOf(this).map((peer) => ({ providerId: peer })),
      addAddresses: async () => undefined,
      publish: async (topic: string, bytes: Uint8Array) => links.publish(this, topic, bytes),
      request: (peer: string, method: string, body: object, options: { signal: AbortSignal }) =>
        links.request(this, peer, method, body, options.signal),
      scores: { record: (peer: string, event: string) => this.#scored(peer, event) },
    } as unknown as Network
    const config = {
      network: { name: NETWORK },
      announcements: { lifetime_seconds: LIFETIME_SECONDS },
      http: { public_url: null, open_reading: true },
      p2p: { seeds: ['somebody'] },
      sync: { interval_seconds: INTERVAL_SECONDS },
      receipts: { witnesses: [] },
    } as unknown as NodeParts['config']
    const parts = {
      config,
      clock,
      logger,
      events: this.#events,
      network,
      trust,
      directory: this.#directory,
      publishers: this.#publishers,
      yanks: this.#yanks,
      partners: none,
      freshness: new YankFreshness({ config, clock, partners: none }),
      log: { size: 0, root: () => new Uint8Array(32) } as unknown as NodeParts['log'],
      knownLogs: { standing: () => 'consistent' } as unknown as NodeParts['knownLogs'],
    }
    this.#lane = new YankLane(parts, () => undefined)
    this.#learner = new Learner(parts, (announcement, from) => this.#took(announcement, from))
    this.#sets = [
      new YankSet(parts, () => undefined),
      new AnnouncementSet(parts, (text, from) => this.#learner.brought(text, from)),
    ]
    this.#reconciler = new Reconciler(parts, {
      sets: this.#sets,
      catchUp: (peer, signal) => this.#learner.catchUp(peer, signal),
    })
    this.#announcer = new Announcer({
      ...parts,
      yanks: { announced: () => ({}) },
      catalogue: {
        lastPage: () => (pages.size === 0 ? undefined : Math.max(...pages.keys())),
        page: async (page: number) => pages.get(page) ?? [],
      },
      keys: { providerId, identity },
      directory: Object.assign(Object.create(null) as Directory, {
        kept: (provider: string, page: number) => this.#directory.kept(provider, page),
        keep: (...news: Announcement[]) => {
          for (const announcement of news) init.announced(announcement)
          return this.#directory.keep(...news)
        },
      }),
    })
  }

  async start(): Promise<void> {
    await Promise.all([this.#yanks.load(), this.#directory.load()])
    for await (const [key, { sequence }] of this.#directory.records())
      this.#taken.set(key.replace(/!0*/, '!'), sequence)
    this.#reconciler.start()
    this.#announcer.start()
  }

  async stop(): Promise<void> {
    await this.#announcer.stop()
    await this.#reconciler.stop()
  }

  changed(page: number): void {
    this.#announcer.changed(page)
  }

  async yanked(token: string): Promise<void> {
    if ((await this.#yanks.accept(token)) !== undefined) this.#lane.publish(token)
  }

  /** Drops what has expired, as housekeeping does. */
  sweep(): void {
    this.#init.time.after(0, () => void this.#directory.sweep(), this.owner)
  }

  connected(peer: string, direction: 'inbound' | 'outbound'): void {
    this.#events.emit('peer_connected', { providerId: peer, address: '', direction })
  }

  disconnected(peer: string): void {
    this.#events.emit('peer_disconnected', { providerId: peer })
  }

  gossiped(topic: string, bytes: Uint8Array, from: string, author: string): Verdict {
    const verdict = topic === 'yanks' ? this.#lane.gossiped(bytes, from) : this.#learner.gossiped(bytes, from, author)
    if (verdict === 'reject') this.#scored(from, 'invalid_message')
    return verdict
  }

  async answer(method: string, body: object, from: string): Promise<object> {
    if (method === 'announcements_request') {
      const limits = { maxBytes: LIMITS.frameBytes / 2, maxCount: PAGE_COUNT }
      const { json, next } = await this.#directory.page((body as { after?: string }).after, limits)
      return { announcements: JSON.parse(json), ...(next === undefined ? {} : { next }) }
    }
    const answers = this.#reconciler.answers as unknown as Record<
      string,
      ((body: object, from: string) => object) | undefined
    >
    return { ...(await answers[method]!(body, from)) }
  }

  /** What it knows of another node's pages, withdrawn and expired ones among it. */
  known(provider: string, page: number): Announcement | undefined {
    return this.#directory.kept(provider, page)
  }

  /** What it believes that another node's page offers now. */
  offered(provider: string, page: number): readonly AnnouncedCell[] {
    const known = this.known(provider, page)
    return known === undefined || known.expires_at <= this.#now() ? [] : known.cells
  }

  /** Names that a look-up finds here, with who offers them. */
  finds(name: string): string[] {
    return Array.from(this.#directory.find('capability', name), ({ provider }) => provider)
  }

  get yankIds(): string {
    return Buffer.from(this.#sets[0].ids.copy()).toString('hex')
  }

  get consensus(): ConsensusState {
    return this.#reconciler.state.consensus
  }

  get lag(): number {
    return this.#reconciler.state.lag
  }

  #scored(peer: string, event: string): void {
    if (event !== 'sync_success' && this.#init.isHonest(peer)) {
      this.#init.failed(`${this.owner.name} holds ${event} against ${peer}, which is honest`)
    }
  }

  #took(announcement: Announcement, from: string): void {
    const { failed, trace, wasAnnounced } = this.#init
    const { provider_id: provider, page, sequence, cells } = announcement
    trace(`${this.owner.name}: took ${sequence} of page ${page} of ${provider}, ${cells.length} cells, from ${from}`)
    if (!wasAnnounced(announcement)) failed(`${this.owner.name} took from ${from} what was never announced`)
    const key = `${provider}!${page.toString(16)}`
    const before = this.#taken.get(key) ?? 0
    if (sequence <= before) failed(`${this.owner.name} went back from ${before} to ${sequence} of ${key}`)
    this.#taken.set(key, sequence)
  }
}

function seedOf(random: Random): Uint8Array {
  return Uint8Array.from({ length: 32 }, () => random.below(256))
}
