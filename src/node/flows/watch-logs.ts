import { LIMITS } from '../../../protocol/limits.ts'
import type { ConsistencyProof } from '../../../protocol/log.ts'
import type { LogRecordsRequest } from '../../../protocol/rpc.ts'
import type { EquivocationRecord, LogRecord } from '../../../protocol/transparency.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { logOrigin } from '../../kernel/log/checkpoint.ts'
import { parseLogRecord } from '../../kernel/log/log-record.ts'
import type { Verdict } from '../../network/network.ts'
import type { NodeParts } from '../parts.ts'
import type { Taken } from './known-log.ts'
import { goalOf } from './known-logs.ts'
import { meetPeers } from './meet-peers.ts'
import { publishStatement } from './show-log.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'logger' | 'events' | 'knownLogs'> {
  readonly keys: Pick<NodeParts['keys'], 'providerId'>
  readonly network: Pick<NodeParts['network'], 'request' | 'publish' | 'connectedPeers'>
}

/** What a watcher does with what it finds. */
export interface WatcherHooks {
  /** A statement about this node's logs, by whoever keeps it. Nothing of it is verified. */
  own(record: LogRecord): void
  /** Digests of the goals whose logs are watched: those that are joined. */
  goals(): readonly string[]
  /** Evidence bans. */
  ban(provider: string, reason: string): Promise<void>
}

/** Milliseconds for one answer. */
const ANSWER_MS = 10_000
/** Pages that are asked of one peer. */
const MAX_PAGES = 1000
/** Milliseconds after which a newly met peer is asked once more: what it heard before gossip between the two had begun. */
const SETTLE_MS = 3000
/** Milliseconds between two rounds in which one peer, by chance, is asked what it knows, and the nodes that owe a proof for it. */
const ROUND_MS = 60_000
/** Nodes that are asked for proofs at once, and that wait to be asked: the others come with the next round. */
const AT_ONCE = 4
const MAX_WAITING = 1000

/**
 * Follows the logs of other nodes: takes in statements from gossip and from peers that were just met, asks for the proofs that are missing, and
 * passes on what it finds.
 */
export class LogWatcher implements Part {
  readonly name = 'log watcher'
  readonly #parts: Parts
  readonly #hooks: WatcherHooks
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #catchingUp = new Set<string>()
  readonly #waiting = new Set<string>()
  readonly #asking = new Set<string>()
  readonly #stop = new AbortController()
  #round: NodeJS.Timeout | undefined
  #unsubscribe: (() => void) | undefined

  constructor(parts: Parts, hooks: WatcherHooks) {
    this.#parts = parts
    this.#hooks = hooks
  }

  start(): void {
    this.#unsubscribe = meetPeers(this.#parts, ({ providerId }) => this.#met(providerId))
    this.#round = setInterval(() => this.#goRound(), ROUND_MS)
  }

  stop(): void {
    this.#stop.abort(new Error('the node is stopping'))
    this.#unsubscribe?.()
    clearInterval(this.#round)
    for (const timer of this.#timers) clearTimeout(timer)
    this.#waiting.clear()
  }

  /**
   * Judges a gossiped statement before it is relayed, and takes it in when it is good. Checkpoints of goals' logs travel with their `goal` alone, and
   * nothing else about logs does.
   */
  gossiped(bytes: Uint8Array, goal?: string): Verdict {
    let record: LogRecord
    try {
      record = parseLogRecord(bytes)
    } catch {
      return 'reject'
    }
    const of = record.type === 'checkpoint' ? goalOf(record) : undefined
    return of === goal ? this.#take(record).verdict : 'reject'
  }

  /** Takes in a statement of a peer. What concerns the peer itself, or is evidence, is passed on: others may have been told something else. */
  told(text: string, from: string): Verdict {
    let record: LogRecord
    try {
      record = parseLogRecord(text)
    } catch (error) {
      this.#parts.logger.debug(
        { peer: from, reason: errorMessage(error) },
        'a peer told something that is no statement',
      )
      return 'reject'
    }
    const { verdict, news } = this.#take(record)
    const concerns = record.provider_id === from || record.type === 'equivocation'
    if (news && concerns && verdict === 'accept') this.#publish(record)
    return verdict
  }

  /** Takes in that two checkpoints contradict each other, when they do. */
  accuse(...evidence: Parameters<NodeParts['knownLogs']['accuse']>): void {
    this.#follow(evidence[0], this.#parts.knownLogs.accuse(...evidence))
  }

  /**
   * Asks a node whose log is followed to prove that it grew as it must; nothing is verified. Throws `PROV_001` with status 404 where it does not,
   * or does not answer: nobody else is asked, so that strangers cannot send this node anywhere.
   */
  async consistency(provider: string, from: number, to: number, epoch = 1): Promise<ConsistencyProof> {
    const origin = logOrigin(provider, undefined, epoch)
    const absent = (why: string): ProviderError => new ProviderError('PROV_001', why, { status: 404 })
    if (this.#parts.knownLogs.newest(provider) === undefined) throw absent(`the log of ${provider} is not known here`)
    let hashes: string[] | undefined
    try {
      hashes = (await this.#ask(provider, origin, from, to)).hashes
    } catch (error) {
      throw absent(`${provider} does not answer: ${errorMessage(error)}`)
    }
    if (hashes === undefined) throw absent(`${origin} has no proof from ${from} to ${to}`)
    return { from, to, hashes }
  }

  /** Asks a peer for every statement that it holds of nodes' own logs, and of those of the goals that are joined here. Never throws. */
  async catchUp(peer: string): Promise<void> {
    if (this.#catchingUp.has(peer)) return
    this.#catchingUp.add(peer)
    try {
      if (!(await this.#read(peer, {}))) return
      for (const goal of this.#hooks.goals()) if (!(await this.#read(peer, { goal }))) return
    } catch (error) {
      this.#parts.logger.debug({ peer, reason: errorMessage(error) }, 'a peer did not tell what it knows of logs')
    } finally {
      this.#catchingUp.delete(peer)
    }
  }

  /** All pages of what a peer tells of nodes' own logs, or of those of a goal. False where it told something that nobody would take. */
  async #read(peer: string, about: { readonly goal?: string }): Promise<boolean> {
    let after: string | undefined
    for (let page = 0; page < MAX_PAGES; page++) {
      const body = after === undefined ? about : { ...about, after }
      const answer = await this.#parts.network.request(peer, 'log_records_request', body, { signal: this.#signal() })
      for (const text of answer.records) if (this.told(text, peer) === 'reject') return false
      if (answer.next === undefined || answer.next === after) return true
      after = answer.next
    }
    return true
  }

  async #met(peer: string): Promise<void> {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      void this.catchUp(peer)
    }, SETTLE_MS)
    this.#timers.add(timer)
    this.#demand(peer)
    await this.catchUp(peer)
  }

  #goRound(): void {
    const peers = this.#parts.network.connectedPeers()
    const peer = peers[Math.floor(Math.random() * peers.length)]
    if (peer !== undefined) void this.catchUp(peer.providerId)
    for (const provider of this.#parts.knownLogs.doubtful()) this.#demand(provider)
  }

  #take(record: LogRecord): Taken {
    const { keys, knownLogs, logger } = this.#parts
    const { provider_id: provider } = record
    if (provider === keys.providerId) {
      this.#hooks.own(record)
      return { verdict: 'ignore', news: false }
    }
    const taken = knownLogs.take(record)
    if (taken.verdict === 'reject') logger.debug({ provider, type: record.type }, 'a statement about a log was refused')
    this.#follow(provider, taken, record)
    return taken
  }

  /** What follows from news. `heard` is what brought them; evidence in it travels on by itself. */
  #follow(provider: string, { news, equivocation }: Taken, heard?: LogRecord): void {
    if (equivocation === undefined) {
      if (news) this.#demand(provider)
      return
    }
    if (heard?.type !== 'equivocation') this.#publish(equivocation)
    this.#found(equivocation)
  }

  #found({ provider_id: provider }: EquivocationRecord): void {
    const { events, logger } = this.#parts
    logger.warn({ provider }, 'a node has signed two histories of its log; it is banned, and the evidence is kept')
    events.emit('equivocation_found', { providerId: provider })
    this.#hooks
      .ban(provider, 'it signed two histories of its log')
      .catch((error: unknown) => logger.error({ err: error, provider }, 'a node could not be banned'))
  }

  /** Asks a node for the proofs that it owes, some nodes at once. */
  #demand(provider: string): void {
    if (this.#waiting.size >= MAX_WAITING || this.#parts.knownLogs.questions(provider).length === 0) return
    this.#waiting.add(provider)
    this.#askNext()
  }

  #askNext(): void {
    for (const provider of this.#waiting) {
      if (this.#asking.size >= AT_ONCE || this.#stop.signal.aborted) return
      if (this.#asking.has(provider)) continue
      this.#waiting.delete(provider)
      this.#asking.add(provider)
      void this.#settle(provider).finally(() => {
        this.#asking.delete(provider)
        this.#askNext()
      })
    }
  }

  /** Never throws: who cannot be reached is asked again with the next round, or when it is met. */
  async #settle(provider: string): Promise<void> {
    const { knownLogs, events, logger } = this.#parts
    try {
      // What one answer proves may answer the next question, or change it.
      for (let asked = 0; asked < knownLogs.questions(provider).length; ) {
        const question = knownLogs.questions(provider)[asked]!
        const { older, newer } = question
        const answer = await this.#ask(provider, newer.origin, older.size, newer.size)
        const before = knownLogs.standing(provider)
        const taken = knownLogs.settle(question, answer)
        this.#follow(provider, { ...taken, news: false })
        const standing = knownLogs.standing(provider)
        if (standing !== before && standing !== 'equivocated')
          events.emit('log_standing', { providerId: provider, standing })
        if (!taken.news) asked++
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        logger.debug({ provider, reason: errorMessage(error) }, 'a node was not asked for a proof')
      }
    }
  }

  #ask(provider: string, origin: string, from: number, to: number) {
    const body = { origin, from, to }
    return this.#parts.network.request(provider, 'consistency_request', body, { signal: this.#signal() })
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MS)])
  }

  #publish(record: LogRecord): void {
    void publishStatement(this.#parts, record, record.type === 'checkpoint' ? goalOf(record) : undefined)
  }
}

/** Bytes and statements of one answer: below a frame, whatever escaping adds. */
const PAGE_BYTES = LIMITS.frameBytes / 2
const PAGE_COUNT = LIMITS.logRecordsPerAnswer

/** What this node says of its logs: of all, or of the one that it has of a goal. */
export interface OwnStatements {
  records(): readonly string[]
  recordsOfGoal(goal: string): readonly string[]
}

/** What this node tells of logs: its own first, then those that it knows. */
export async function logRecords(
  { knownLogs, keys }: Pick<Parts, 'knownLogs' | 'keys'>,
  own: OwnStatements,
  request: Pick<LogRecordsRequest, 'provider_id' | 'goal' | 'after'>,
): Promise<{ records: string[]; next?: string }> {
  const { provider_id: wanted, goal, after } = request
  if (wanted === keys.providerId) return { records: own.records().slice(-PAGE_COUNT) }
  if (wanted !== undefined) return { records: knownLogs.recordsOf(wanted).slice(-PAGE_COUNT) }
  const { records, next } = await knownLogs.page({ goal, after }, PAGE_BYTES, PAGE_COUNT / 2)
  const ours = after !== undefined ? [] : goal === undefined ? own.records() : own.recordsOfGoal(goal)
  return { records: [...ours.slice(-PAGE_COUNT / 2), ...records], ...(next === undefined ? {} : { next }) }
}
