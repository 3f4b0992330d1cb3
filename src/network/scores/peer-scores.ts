import { Counts } from '../../kernel/base/counts.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import type { Events } from '../../kernel/telemetry/events.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import {
  BAN_BELOW,
  BAN_MS,
  DISCONNECT_BELOW,
  decayed,
  HIGHEST_SCORE,
  LOWEST_SCORE,
  SCORE_OF,
  type ScoreEvent,
  START_SCORE,
  TRUSTED_FROM,
} from './score-events.ts'

/** How a peer stands. */
export interface Standing {
  /** 0 to 200. */
  readonly score: number
  readonly banned: boolean
  readonly trusted: boolean
}

/** A peer that this node has nothing to do with. */
export interface Ban {
  readonly peer: string
  /** In words, for the operator. */
  readonly reason: string
  /** Unix milliseconds. */
  readonly since: number
  /** Unix milliseconds; null: until it is lifted. */
  readonly until: number | null
  /** Groups of public addresses that the peer was connected from. */
  readonly groups: readonly string[]
}

/** What is kept of one peer. */
interface Entry {
  score: number
  /** When that was its score. */
  at: number
  ban?: Omit<Ban, 'peer'>
}

/** Runs in the transaction that makes a ban, or lifts it, durable. */
export type BanWitness = (tx: Transaction) => void

/** Peers that are remembered; identities cost nothing. With 200 bytes each, two megabytes. */
const REMEMBERED = 10_000
/** Peers that are forgotten at once when there are more, so that the choice among them is made rarely. */
const FORGOTTEN_AT_ONCE = 500
/** A score this near to the start says nothing any more, and is forgotten. */
const NOTHING = 0.5
/** Milliseconds between two writes of scores: what a crash takes back. Bans are durable at once. */
const WRITE_MS = 60_000
/** Characters of a reason. */
const REASON_LENGTH = 200

const entries = jsonKeyspace<Entry>(KEYSPACES.peerScores)

/** What scores are kept with. */
export interface PeerScoresInit {
  /** Absent: they do not outlive the process. */
  readonly store?: Pick<Store, 'scan' | 'transact'> | undefined
  readonly events: Pick<Events, 'emit'>
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly now?: () => number
  /** A peer is to be disconnected. */
  disconnect?(peer: string): void
  /** Groups of public addresses that a peer is connected from. */
  groupsOf?(peer: string): readonly string[]
  /** How many peers are remembered. */
  readonly capacity?: number
}

/**
 * What peers did, as a score, and who is banned. Peers are provider ids. A ban belongs to the identity: nothing on the wire tells of a
 * successor yet, and a new identity is a stranger.
 */
export class PeerScores {
  readonly #init: PeerScoresInit
  readonly #now: () => number
  readonly #capacity: number
  readonly #peers = new Map<string, Entry>()
  readonly #unwritten = new Set<string>()
  /** Group of addresses → banned peers that were connected from it. */
  readonly #bannedIn = new Counts()
  #writing: NodeJS.Timeout | undefined

  constructor(init: PeerScoresInit) {
    this.#init = init
    this.#now = init.now ?? Date.now
    this.#capacity = init.capacity ?? REMEMBERED
  }

  /** Reads what is known from before, and writes from now on. */
  async start(): Promise<void> {
    const { store } = this.#init
    if (store === undefined) return
    for await (const [peer, entry] of store.scan(entries)) {
      this.#forget(peer)
      this.#peers.set(peer, entry)
      this.#countGroups(entry.ban, 1)
    }
    this.#forgetSome()
    this.#writing = setInterval(() => void this.#write(), WRITE_MS)
    this.#writing.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#writing)
    await this.#write()
  }

  /** Something that a peer did. Disconnects and bans it as its score then says. */
  record(peer: string, event: ScoreEvent): void {
    const now = this.#now()
    const entry = this.#peers.get(peer) ?? { score: START_SCORE, at: now }
    const score = decayed(entry.score, now - entry.at) + SCORE_OF[event]
    entry.score = Math.min(HIGHEST_SCORE, Math.max(LOWEST_SCORE, score))
    entry.at = now
    this.#peers.set(peer, entry)
    this.#unwritten.add(peer)
    if (this.#peers.size > this.#capacity) this.#forgetSome()
    if (SCORE_OF[event] > 0 || entry.score >= DISCONNECT_BELOW || this.isBanned(peer)) return
    if (entry.score < BAN_BELOW) {
      this.ban(peer, `its score fell below ${BAN_BELOW}, last by ${event}`).catch((error: unknown) =>
        this.#init.logger.error({ peer, err: error }, 'a ban could not be stored'),
      )
    } else this.#init.disconnect?.(peer)
  }

  /**
   * Has nothing to do with a peer for `ms` milliseconds (`Infinity`: until it is lifted), from this call on. Durable when it resolves. A ban
   * that lasts longer stays as it is.
   */
  async ban(peer: string, reason: string, ms: number = BAN_MS, witness?: BanWitness): Promise<void> {
    const now = this.#now()
    const until = ms === Number.POSITIVE_INFINITY ? null : now + ms
    const entry = this.#peers.get(peer) ?? { score: START_SCORE, at: now }
    const before = this.#banOf(entry, now)
    const isLonger = before === undefined || (before.until !== null && (until === null || until > before.until))
    if (!isLonger && witness === undefined) return
    if (isLonger) {
      const groups = [...new Set([...(before?.groups ?? []), ...(this.#init.groupsOf?.(peer) ?? [])])]
      this.#countGroups(entry.ban, -1)
      entry.ban = { reason: reason.slice(0, REASON_LENGTH).toWellFormed(), since: now, until, groups }
      this.#countGroups(entry.ban, 1)
    }
    this.#peers.set(peer, entry)
    if (this.#peers.size > this.#capacity) this.#forgetSome()
    this.#init.logger.warn({ peer, reason, until: until === null ? null : new Date(until) }, 'a peer is banned')
    this.#init.events.emit('peer_banned', { providerId: peer, reason, until })
    this.#init.disconnect?.(peer)
    await this.#keep(peer, entry, witness)
  }

  /** Lifts a ban; the peer starts anew. Durable when it resolves, with whether there was one. */
  async unban(peer: string, witness?: BanWitness): Promise<boolean> {
    const entry = this.#peers.get(peer)
    if (entry === undefined || this.#banOf(entry, this.#now()) === undefined) return false
    this.#forget(peer)
    this.#unwritten.delete(peer)
    this.#init.logger.info({ peer }, 'a ban was lifted')
    this.#init.events.emit('peer_unbanned', { providerId: peer })
    await this.#init.store?.transact((tx) => {
      tx.delete(entries, peer)
      witness?.(tx)
    })
    return true
  }

  isBanned(peer: string): boolean {
    const entry = this.#peers.get(peer)
    return entry !== undefined && this.#banOf(entry, this.#now()) !== undefined
  }

  of(peer: string): Standing {
    const entry = this.#peers.get(peer)
    return entry === undefined
      ? { score: START_SCORE, banned: false, trusted: false }
      : this.#standing(entry, this.#now())
  }

  /** Every peer that is remembered. */
  list(): ({ readonly peer: string } & Standing)[] {
    const now = this.#now()
    return [...this.#peers].map(([peer, entry]) => ({ peer, ...this.#standing(entry, now) }))
  }

  /** Who is banned, the newest ban first. */
  banned(): Ban[] {
    const now = this.#now()
    const bans: Ban[] = []
    for (const [peer, entry] of this.#peers) {
      const ban = this.#banOf(entry, now)
      if (ban !== undefined) bans.push({ peer, ...ban })
    }
    return bans.sort((a, b) => b.since - a.since)
  }

  /** Banned peers that were connected from a group of addresses. */
  bannedIn(group: string): number {
    return this.#bannedIn.of(group)
  }

  #standing(entry: Entry, now: number): Standing {
    const banned = this.#banOf(entry, now) !== undefined
    const score = decayed(entry.score, now - entry.at)
    return { score: Math.round(score * 10) / 10, banned, trusted: !banned && score >= TRUSTED_FROM }
  }

  /** A ban that is over counts as none; it is forgotten with its entry, at the next write. */
  #banOf({ ban }: Entry, now: number): Entry['ban'] {
    return ban === undefined || (ban.until !== null && ban.until <= now) ? undefined : ban
  }

  #countGroups(ban: Entry['ban'], by: 1 | -1): void {
    for (const group of ban?.groups ?? []) this.#bannedIn.add(group, by)
  }

  #forget(peer: string): void {
    this.#countGroups(this.#peers.get(peer)?.ban, -1)
    this.#peers.delete(peer)
  }

  /** Makes room: of peers that are not banned those first whose score says least, of bans those that end first. */
  #forgetSome(): void {
    const tooMany = this.#peers.size - this.#capacity
    if (tooMany <= 0) return
    const now = this.#now()
    const worth = (entry: Entry): number => {
      const ban = this.#banOf(entry, now)
      if (ban === undefined) return Math.abs(decayed(entry.score, now - entry.at) - START_SCORE)
      return ban.until ?? Number.POSITIVE_INFINITY
    }
    const byWorth = [...this.#peers].map(([peer, entry]) => [peer, worth(entry)] as const).sort((a, b) => a[1] - b[1])
    const room = Math.min(FORGOTTEN_AT_ONCE, Math.floor(this.#capacity / 10))
    for (const [peer] of byWorth.slice(0, tooMany + room)) {
      this.#forget(peer)
      this.#unwritten.add(peer)
    }
  }

  async #keep(peer: string, entry: Entry, witness: BanWitness | undefined): Promise<void> {
    this.#unwritten.delete(peer)
    await this.#init.store?.transact((tx) => {
      tx.put(entries, peer, entry)
      witness?.(tx)
    })
  }

  /** Forgets what says nothing any more, and writes what changed. Never rejects. */
  async #write(): Promise<void> {
    const now = this.#now()
    for (const [peer, entry] of this.#peers) {
      const isOver = entry.ban !== undefined && this.#banOf(entry, now) === undefined
      if (isOver) {
        this.#countGroups(entry.ban, -1)
        delete entry.ban
        this.#unwritten.add(peer)
        this.#init.events.emit('peer_unbanned', { providerId: peer })
      }
      if (entry.ban !== undefined || Math.abs(decayed(entry.score, now - entry.at) - START_SCORE) > NOTHING) continue
      this.#forget(peer)
      this.#unwritten.add(peer)
    }
    const { store, logger } = this.#init
    if (store === undefined || this.#unwritten.size === 0) return
    const changed = [...this.#unwritten]
    this.#unwritten.clear()
    try {
      await store.transact((tx) => {
        for (const peer of changed) {
          const entry = this.#peers.get(peer)
          if (entry === undefined) tx.delete(entries, peer)
          else tx.put(entries, peer, entry)
        }
      })
    } catch (error) {
      for (const peer of changed) this.#unwritten.add(peer)
      logger.error({ reason: errorMessage(error) }, 'the scores of peers could not be stored, and are tried again')
    }
  }
}
