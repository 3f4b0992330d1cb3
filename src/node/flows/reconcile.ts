import { LIMITS } from '../../../protocol/limits.ts'
import { toHex } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import type { Answers } from '../../network/handlers.ts'
import { PeerError, Refusal } from '../../network/peer-error.ts'
import { SyncAnswerer } from '../../network/sync/answer-sync.ts'
import { openSync, type SyncReport } from '../../network/sync/open-sync.ts'
import type { RecordSet } from '../../network/sync/record-set.ts'
import { SetRoot } from '../../network/sync/set-root.ts'
import { Shunned } from '../../network/sync/shunned.ts'
import type { NodeParts } from '../parts.ts'
import { meetPeers } from './meet-peers.ts'
import { type OwnSet, SyncState } from './sync-state.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'logger' | 'events' | 'network' | 'log' | 'freshness'> {
  readonly config: Pick<NodeParts['config'], 'p2p' | 'sync'>
}

/** What reconciling is done with. */
export interface ReconcilerInit {
  /** Those that every node has, in the order in which they are reconciled. They are read in when the node starts. */
  readonly sets: readonly (RecordSet & { load(): void | Promise<void> })[]
  /** Asks a peer for all its announcements, page by page: the fastest way where this node has few of them. What it did not tell is reconciled. */
  readonly catchUp: (peer: string, signal: AbortSignal) => Promise<void>
}

/** Peers that are reconciled with at once, by this node's wish, and that wait for it. */
const AT_ONCE = 3
const MAX_WAITING = 1000
/** Milliseconds for everything with one peer. */
const PEER_MS = 60_000
/** Milliseconds for one answer about a peer's state, and peers that are asked in one round. */
const STATE_MS = 5000
const ASKED_PER_ROUND = 32
/** Milliseconds after which the side that was called begins too, and as many more at random. */
const CALLED_MS = 300
/** Milliseconds after which a newly met peer is asked once more: what it heard before gossip between the two had begun. */
const SETTLE_MS = 3000
/** Milliseconds after which a peer that had no time is asked again, and as many more at random; and how often. */
const BUSY_MS = 500
const BUSY_TRIES = 6
/** Milliseconds in which what was learnt is collected before other peers are told, and how many: so news spread like a rumour. */
const SPREAD_MS = 300
const SPREAD_PEERS = 3
/** A node with less than one in so many of a peer's announcements asks for all of them. */
const NEWCOMER_SHARE = 2
const NEWCOMER_LEAST = 16
/** How much more often rounds are while roots differ, and seconds between them at least. */
const DIFFERING_SPEED = 6
const LEAST_SECONDS = 2
/** Part of the time between rounds that chance adds or takes. */
const JITTER = 0.2

/**
 * Repairs what gossip missed: compares sets of signed records with a peer when it is met, with a random one on a timer, and with a few others after
 * something was learnt. Never more than once at a time with one peer.
 */
export class Reconciler implements Part {
  readonly name = 'reconciler'
  readonly state: SyncState
  /** How peers are answered. */
  readonly answers: Pick<Answers, 'state_request' | 'sync_request' | 'records_request' | 'records_offer'>
  readonly #parts: Parts
  readonly #init: ReconcilerInit
  readonly #answerer: SyncAnswerer
  /** By name, in the order in which they are reconciled: those that every node has, then those that come and go. */
  readonly #sets: Map<string, RecordSet>
  readonly #roots: Map<string, SetRoot>
  readonly #shunned: { readonly fetched: Shunned; readonly offered: Shunned }
  readonly #running = new Map<string, Promise<void>>()
  /** Peers that wait, with how often they may have no time. */
  readonly #waiting = new Map<string, number>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #stop = new AbortController()
  #unsubscribe: (() => void)[] = []
  #isLoaded = false
  #spreading = false
  /** Peers that know what was learnt, because it came from them. */
  readonly #sources = new Set<string>()

  constructor(parts: Parts, init: ReconcilerInit) {
    this.#parts = parts
    this.#init = init
    this.state = new SyncState({ now: () => parts.clock.now(), hasSeeds: parts.config.p2p.seeds.length > 0 })
    this.#shunned = { fetched: new Shunned(parts.clock), offered: new Shunned(parts.clock) }
    this.#roots = new Map(
      init.sets.filter(({ isPermanent }) => isPermanent).map((set) => [set.name, new SetRoot(set.ids)]),
    )
    this.#sets = new Map(init.sets.map((set) => [set.name, set]))
    this.#answerer = new SyncAnswerer({
      sets: this.#sets,
      onViolation: (peer, event, reason) => {
        parts.logger.warn({ peer, reason }, 'a peer broke the rules of reconciling')
        parts.network.scores.record(peer, event)
      },
      onAccepted: (peer) => this.#learnt(peer),
    })
    this.answers = {
      state_request: async () => ({ sets: this.#isLoaded ? await this.sets() : [], log: this.#log() }),
      sync_request: (request, from) => this.#ready(() => this.#answerer.sync(request, from)),
      records_request: (request, from) => this.#ready(() => this.#answerer.records(request, from)),
      records_offer: (request, from) => this.#ready(() => this.#answerer.offer(request, from)),
    }
  }

  start(): void {
    const { events, logger } = this.#parts
    this.#unsubscribe = [
      meetPeers(this.#parts, ({ providerId, direction }) => {
        this.state.connected(providerId)
        this.#later(direction === 'outbound' ? 0 : CALLED_MS * (1 + Math.random()), () => this.#wait(providerId))
        this.#later(SETTLE_MS * (1 + Math.random() * JITTER), () => this.#wait(providerId))
      }),
      events.on('peer_disconnected', ({ providerId }) => {
        this.state.disconnected(providerId)
        this.#waiting.delete(providerId)
      }),
    ]
    void this.#load().catch((error: unknown) => logger.error({ err: error }, 'sets of records could not be read in'))
    this.#nextRound()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the node is stopping'))
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const timer of this.#timers) clearTimeout(timer)
    this.#answerer.stop()
    await Promise.all(this.#running.values())
  }

  /** Reconciles a set from now on, which was read in already. Throws `RangeError` where there are as many as a node may tell of. */
  add(set: RecordSet): void {
    if (!this.#sets.has(set.name) && this.#sets.size >= LIMITS.setsPerState) {
      throw new RangeError(`the node reconciles ${this.#sets.size} sets, the most that are allowed`)
    }
    this.#sets.set(set.name, set)
    if (set.isPermanent) this.#roots.set(set.name, new SetRoot(set.ids))
    this.changed()
  }

  /** Does not reconcile that set any more. */
  remove(name: string): void {
    this.#sets.delete(name)
    this.#roots.delete(name)
  }

  /** Something came in here that peers may lack: some are reconciled with soon. */
  changed(): void {
    if (this.#isLoaded) this.#learnt()
  }

  async #load(): Promise<void> {
    for (const set of this.#init.sets) await set.load()
    this.#isLoaded = true
    this.#startWaiting()
  }

  #ready<Result>(answer: () => Promise<Result>): Promise<Result> {
    if (!this.#isLoaded) throw new Refusal('busy', 'the node is starting')
    return answer()
  }

  /** What this node has of each set, as peers are told. */
  async sets(): Promise<{ name: string; count: number; root?: string }[]> {
    const own = await this.#own()
    return own.map(({ name, count, root }) => ({ name, count, ...(root === undefined ? {} : { root }) }))
  }

  #own(): Promise<OwnSet[]> {
    return Promise.all(
      Array.from(this.#sets.values(), async ({ name, ids }) => {
        const root = await this.#roots.get(name)?.read()
        return { name, count: ids.size, root: root && toHex(root) }
      }),
    )
  }

  #log(): { size: number; root: string } {
    const { log } = this.#parts
    const { size } = log
    return { size, root: toHex(log.root(size)) }
  }

  #later(ms: number, work: () => void): void {
    if (this.#stop.signal.aborted) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      work()
    }, ms)
    this.#timers.add(timer)
  }

  /** Reconciles with a peer as soon as there is a place. */
  #wait(peer: string, tries = BUSY_TRIES): void {
    if (this.#waiting.has(peer) || this.#waiting.size >= MAX_WAITING) return
    this.#waiting.set(peer, tries)
    this.#startWaiting()
  }

  #startWaiting(): void {
    if (!this.#isLoaded || this.#stop.signal.aborted) return
    for (const [peer, tries] of this.#waiting) {
      if (this.#running.size >= AT_ONCE) return
      if (this.#running.has(peer)) continue
      this.#waiting.delete(peer)
      const work = this.#reconcile(peer, tries).finally(() => {
        this.#running.delete(peer)
        this.#startWaiting()
      })
      this.#running.set(peer, work)
    }
  }

  /** Never throws. */
  async #reconcile(peer: string, tries: number): Promise<void> {
    const { logger } = this.#parts
    if (!this.#isConnected(peer)) return
    if (this.#answerer.isOpen(peer)) return this.#again(peer, tries)
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(PEER_MS)])
    let taken = 0
    try {
      const theirs = await this.#ask(peer, signal)
      if (await this.#isNewcomer(theirs)) await this.#init.catchUp(peer, signal)
      for (const set of [...this.#sets.values()]) {
        const there = theirs.find(({ name }) => name === set.name)
        if (there === undefined) continue
        const report = await this.#reconcileSet(set, there.root, peer, signal)
        taken += report?.accepted ?? 0
        if (set.name === 'yanks' && report?.complete !== false) this.#parts.freshness.reconciled(peer)
      }
      this.state.ended(peer, { ok: true, taken })
      if (taken > 0) this.#parts.network.scores.record(peer, 'sync_success')
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.state.ended(peer, { ok: false, taken })
      if (error instanceof PeerError && error.code === 'busy') return this.#again(peer, tries)
      if (error instanceof PeerError && error.code === 'violation') {
        logger.warn({ peer, reason: error.message }, 'a peer broke the rules of reconciling')
        this.#parts.network.scores.record(peer, 'sync_failure')
      } else logger.debug({ peer, reason: errorMessage(error) }, 'a peer could not be reconciled with')
    } finally {
      if (taken > 0) this.#learnt(peer)
    }
  }

  /** Undefined where both have the same root. */
  async #reconcileSet(
    set: RecordSet,
    theirRoot: string | undefined,
    peer: string,
    signal: AbortSignal,
  ): Promise<SyncReport | undefined> {
    const { network, events } = this.#parts
    const root = await this.#roots.get(set.name)?.read()
    if (root !== undefined && toHex(root) === theirRoot) return undefined
    const report = await openSync(set, peer, {
      network,
      shunned: this.#shunned,
      signal,
      onLag: (count) => this.state.fetching(peer, count),
    })
    events.emit('set_reconciled', { peer, set: set.name, ...report })
    return report
  }

  #again(peer: string, tries: number): void {
    if (tries > 0) this.#later(BUSY_MS * (1 + Math.random()), () => this.#wait(peer, tries - 1))
  }

  /** Whether a peer has so many more announcements that asking for each by its id is a detour; and it is asked for all that tells of no set. */
  async #isNewcomer(theirs: readonly { readonly name: string; readonly count: number }[]): Promise<boolean> {
    const there = theirs.find(({ name }) => name === 'announcements')
    const here = this.#sets.get('announcements')
    if (there === undefined || here === undefined) return true
    return there.count >= NEWCOMER_LEAST && here.ids.size * NEWCOMER_SHARE < there.count
  }

  /** Asks a peer for its sets, and compares. */
  async #ask(peer: string, signal: AbortSignal) {
    const { sets } = await this.#parts.network.request(
      peer,
      'state_request',
      {},
      {
        signal: AbortSignal.any([signal, AbortSignal.timeout(STATE_MS)]),
      },
    )
    this.state.told(peer, sets, await this.#own())
    return sets
  }

  #nextRound(): void {
    const { interval_seconds: interval } = this.#parts.config.sync
    const seconds = this.state.isDiffering ? Math.max(LEAST_SECONDS, interval / DIFFERING_SPEED) : interval
    this.#later(seconds * 1000 * (1 + JITTER * (Math.random() - 0.5)), () => {
      void this.#round().finally(() => this.#nextRound())
    })
  }

  /**
   * Asks peers how they stand, and reconciles with the one that seems to be ahead, and always with another one: what is claimed is not proved, and
   * a peer that claims most would else keep the others out. Never throws.
   */
  async #round(): Promise<void> {
    if (!this.#isLoaded) return
    const peers = shuffled(this.#parts.network.connectedPeers().map(({ providerId }) => providerId))
    const asked = peers.slice(0, ASKED_PER_ROUND).map((peer) => this.#ask(peer, this.#stop.signal))
    await Promise.allSettled(asked)
    this.state.round()
    const { ahead } = this.state
    const other = peers.find((peer) => peer !== ahead)
    for (const peer of [ahead, other]) if (peer !== undefined) this.#wait(peer)
    const { freshness } = this.#parts
    const counted = peers.find((peer) => freshness.counts(peer))
    if (counted !== undefined && freshness.age > this.#parts.config.sync.interval_seconds * 1000) this.#wait(counted)
  }

  /** Something came, from a peer unless it is this node's own, that gossip had not brought: others may lack it too. */
  #learnt(from?: string): void {
    if (from !== undefined) this.#sources.add(from)
    if (this.#spreading) return
    this.#spreading = true
    this.#later(SPREAD_MS * (1 + Math.random()), () => {
      this.#spreading = false
      const peers = this.#parts.network.connectedPeers().map(({ providerId }) => providerId)
      const others = shuffled(peers.filter((peer) => !this.#sources.has(peer)))
      this.#sources.clear()
      for (const peer of others.slice(0, SPREAD_PEERS)) this.#wait(peer)
    })
  }

  #isConnected(peer: string): boolean {
    return this.#parts.network.connectedPeers().some(({ providerId }) => providerId === peer)
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  const all = [...items]
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
  return all
}
