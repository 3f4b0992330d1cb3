import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { errorMessage } from '../kernel/base/errors.ts'
import { jsonKeyspace, KEYSPACES } from '../kernel/storage/keyspaces.ts'
import type { Store } from '../kernel/storage/store.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { groupOf } from './address-group.ts'
import { waitAfter } from './redialler.ts'

/** Peers that are remembered: some twenty times as many as a node keeps connections to, so that a network of which most left is found again. */
const MOST_PEERS = 256
/** Of these, the ones that this node never reached itself: what others tell must not push out what was tried. */
const MOST_HEARD = 128
/** Peers of one public address group: whoever owns few addresses cannot fill the table. */
const MOST_PER_GROUP = 4
/** Addresses that are kept of a peer, the ones that worked first. */
const MOST_ADDRESSES = 8
/** Failed dials in a row after which a peer makes room for any other, and milliseconds between two dials at most. */
const LOST_AFTER = 8
const LONGEST_WAIT_MS = 3_600_000
/** Milliseconds in which changes are collected before they are written. */
const COLLECT_MS = 1000
/** Milliseconds for which a peer that was reached is told of. */
const FRESH_MS = 24 * 3_600_000

/** What is remembered of a peer. */
export interface KnownPeer {
  /** Multiaddrs that may be dialled: the one that worked, and those of its signed record. */
  readonly addresses: readonly string[]
  /** Its signed peer record, base64url. */
  readonly record?: string | undefined
  /** Unix milliseconds when this node last reached it; null: never, it came by itself or others told of it. */
  readonly reached: number | null
  /** When it was last heard of. */
  readonly heard: number
  /** Dials that failed since it was last reached, and when the last of them was. */
  readonly failures: number
  readonly tried: number
}

const space = jsonKeyspace<KnownPeer>(KEYSPACES.knownPeers)

/** Whom to dial beside the seeds: a bounded table that outlives the process where there is a store. */
export class KnownPeers {
  readonly #store: Pick<Store, 'scan' | 'transact'> | undefined
  readonly #logger: Logger
  readonly #now: () => number
  readonly #peers = new Map<string, KnownPeer>()
  /** Public address group of each, by its first address; private ones are not limited. */
  readonly #groups = new Map<string, string>()
  readonly #changed = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(store: Pick<Store, 'scan' | 'transact'> | undefined, logger: Logger, now: () => number = Date.now) {
    this.#store = store
    this.#logger = logger
    this.#now = now
  }

  async load(): Promise<void> {
    if (this.#store === undefined) return
    for await (const [peer, known] of this.#store.scan(space, { limit: MOST_PEERS })) this.#keep(peer, known)
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#write()
    await this.#writing
  }

  get size(): number {
    return this.#peers.size
  }

  get(peer: string): KnownPeer | undefined {
    return this.#peers.get(peer)
  }

  entries(): IterableIterator<[string, KnownPeer]> {
    return this.#peers.entries()
  }

  /** This node dialled the peer, and it spoke the protocol. */
  reached(peer: string, addresses: readonly Multiaddr[], record?: string): void {
    const now = this.#now()
    this.#put(peer, addresses, record, { reached: now, heard: now, failures: 0, tried: now })
  }

  /** The peer connected to this node, or another told of it. What was tried is not replaced. */
  heard(peer: string, addresses: readonly Multiaddr[], record?: string): void {
    const { reached = null, failures = 0, tried = 0, addresses: before = [] } = this.#peers.get(peer) ?? {}
    const all = [...(reached === null ? [] : before.map((address) => multiaddr(address))), ...addresses]
    this.#put(peer, all, record, { reached, heard: this.#now(), failures, tried })
  }

  /** A dial failed. */
  failed(peer: string): void {
    const known = this.#peers.get(peer)
    if (known === undefined) return
    this.#set(peer, { ...known, failures: known.failures + 1, tried: this.#now() })
  }

  /** Whom to dial next: those that were reached before the others, the latest first, and none again before its time. */
  candidates(limit: number, isExcluded: (peer: string) => boolean): [peer: string, known: KnownPeer][] {
    const now = this.#now()
    return [...this.#peers]
      .filter(
        ([peer, { failures, tried }]) =>
          !isExcluded(peer) && (failures === 0 || now - tried >= waitAfter(failures, LONGEST_WAIT_MS)),
      )
      .sort(([, a], [, b]) => worth(b) - worth(a))
      .slice(0, limit)
  }

  /**
   * Signed records to tell a peer, of different address groups as far as there are any. Half of the table at most, though always eight: nobody gets
   * the whole of it from one node.
   */
  recordsFor(asker: string, limit: number, isConnected: (peer: string) => boolean): string[] {
    const now = this.#now()
    const groups = new Map<string, string[]>()
    for (const [peer, { record, reached }] of shuffled([...this.#peers])) {
      if (record === undefined || peer === asker) continue
      if (!isConnected(peer) && now - (reached ?? 0) > FRESH_MS) continue
      const group = this.#groups.get(peer) ?? peer
      groups.set(group, [...(groups.get(group) ?? []), record])
    }
    const most = Math.min(limit, Math.max(8, Math.floor(this.#peers.size / 2)))
    const told: string[] = []
    for (let round = 0; told.length < most; round++) {
      const before = told.length
      for (const records of groups.values()) {
        const record = records[round]
        if (record !== undefined && told.length < most) told.push(record)
      }
      if (told.length === before) break
    }
    return told
  }

  #put(peer: string, addresses: readonly Multiaddr[], record: string | undefined, rest: Rest): void {
    const known = this.#peers.get(peer)
    const texts = [...new Set(addresses.map((address) => plain(address)))].slice(0, MOST_ADDRESSES)
    if (texts.length === 0) return
    const isReached = rest.reached !== null
    if (!this.#makeRoomIn(groupOfFirst(texts), peer, isReached)) return
    if (known === undefined && !this.#makeRoom(isReached)) return
    this.#set(peer, { addresses: texts, record: record ?? known?.record, ...rest })
  }

  /** Whether a group has room for a peer that is new to it: what a peer said of its addresses may turn out to be another group's. */
  #makeRoomIn(group: string | undefined, peer: string, isReached: boolean): boolean {
    if (group === undefined || group === this.#groups.get(peer)) return true
    const sameGroup = [...this.#peers].filter(([other]) => this.#groups.get(other) === group)
    return sameGroup.length < MOST_PER_GROUP || this.#dropLeast(sameGroup, isReached)
  }

  /** Whether there is room for one more, made by letting go of the one that is worth least where it is worth less. */
  #makeRoom(isReached: boolean): boolean {
    const all = [...this.#peers]
    const heard = all.filter(([, { reached }]) => reached === null)
    if (!isReached && heard.length >= MOST_HEARD) return this.#dropLeast(heard, isReached)
    return all.length < MOST_PEERS || this.#dropLeast(all, isReached)
  }

  /** What was only heard of displaces nothing but what was lost. */
  #dropLeast(peers: readonly [string, KnownPeer][], isReached: boolean): boolean {
    const least = peers.reduce((a, b) => (worth(b[1]) < worth(a[1]) ? b : a))
    if (!isReached && least[1].failures < LOST_AFTER) return false
    this.#set(least[0], undefined)
    return true
  }

  #set(peer: string, known: KnownPeer | undefined): void {
    this.#keep(peer, known)
    if (this.#store === undefined) return
    this.#changed.add(peer)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#write()
    }, COLLECT_MS)
  }

  #keep(peer: string, known: KnownPeer | undefined): void {
    const group = known && groupOfFirst(known.addresses)
    if (group === undefined) this.#groups.delete(peer)
    else this.#groups.set(peer, group)
    if (known === undefined) this.#peers.delete(peer)
    else this.#peers.set(peer, known)
  }

  /** Never rejects: what cannot be written now is written with the next change. */
  #write(): void {
    if (this.#store === undefined || this.#changed.size === 0) return
    const peers = [...this.#changed]
    this.#changed.clear()
    const written = this.#store.transact((tx) => {
      for (const peer of peers) {
        const known = this.#peers.get(peer)
        if (known === undefined) tx.delete(space, peer)
        else tx.put(space, peer, known)
      }
    })
    this.#writing = Promise.all([
      this.#writing,
      written.catch((error: unknown) => {
        for (const peer of peers) this.#changed.add(peer)
        this.#logger.warn({ reason: errorMessage(error) }, 'the table of known peers was not written')
      }),
    ]).then(() => undefined)
  }
}

type Rest = Pick<KnownPeer, 'reached' | 'heard' | 'failures' | 'tried'>

/** Reached ones before the others, lost ones last; then the latest. */
function worth({ reached, heard, failures }: KnownPeer): number {
  if (failures >= LOST_AFTER) return -failures
  return (reached === null ? 0 : 1e15) + Math.max(reached ?? 0, heard) / (1 + failures)
}

/** Without the peer id, which the key has. */
function plain(address: Multiaddr): string {
  const text = address.toString()
  const at = text.lastIndexOf('/p2p/')
  return at < 0 ? text : text.slice(0, at)
}

/** By the first of a peer's addresses. */
const groupOfFirst = ([first]: readonly string[]): string | undefined =>
  first === undefined ? undefined : groupOf(multiaddr(first))

function shuffled<T>(items: T[]): T[] {
  for (let at = items.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1))
    const item = items[at]!
    items[at] = items[other]!
    items[other] = item
  }
  return items
}
