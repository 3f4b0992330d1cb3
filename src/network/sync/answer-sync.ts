import { randomBytes } from 'node:crypto'
import { LIMITS } from '../../../protocol/limits.ts'
import type { RecordsOffer, RecordsRequest, SyncRequest } from '../../../protocol/rpc.ts'
import { fromBase64Url, toBase64Url } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { AnswerTo } from '../handlers.ts'
import { Lanes } from '../lanes.ts'
import { Refusal } from '../peer-error.ts'
import { acceptAll } from './accept-records.ts'
import { compare, firstRanges } from './compare.ts'
import { KeyedIds, NONCE_BYTES, sessionKey } from './keyed-ids.ts'
import { readRanges } from './ranges.ts'
import type { RecordSet } from './record-set.ts'
import { Turns } from './turns.ts'

/** Sessions that are open at once, one per peer, and the ids in them: 48 bytes each, so 100 MB at the worst. */
const SESSIONS = 64
const SESSION_IDS = 2_000_000
/** Milliseconds after its last request in which a session is forgotten. */
const IDLE_MS = 15_000
/** Requests that are worked on at once, one per peer, and those that wait for them: each holds a frame at the worst. */
const AT_ONCE = 4
const WAITING = 32
/** Bytes of records in one answer: below the limit of a frame, with room for its envelope. */
const ANSWER_BYTES = LIMITS.frameBytes - 256

interface Session {
  readonly set: string
  /** The opening side's, in base64url: it names the session. */
  readonly nonce: string
  readonly own: KeyedIds
  rounds: number
  expiry: NodeJS.Timeout
}

/** What answering needs. */
export interface SyncAnswererInit {
  readonly sets: ReadonlyMap<string, RecordSet>
  /** Hears of a peer that did what no honest one does. */
  readonly onViolation: (peer: string, event: 'invalid_message' | 'sync_failure', reason: string) => void
  /** Hears of a peer that brought records which this node took. */
  readonly onAccepted: (peer: string) => void
}

/** The answering side of reconciliations. It compares with the ids as they were when a session began, and fetches nothing by itself. */
export class SyncAnswerer {
  readonly #init: SyncAnswererInit
  readonly #sessions = new Map<string, Session>()
  /** Peers of whom a request is worked on, or waits. */
  readonly #working = new Set<string>()
  readonly #places = new Lanes(AT_ONCE)
  readonly #stopped = new AbortController()

  constructor(init: SyncAnswererInit) {
    this.#init = init
  }

  stop(): void {
    this.#stopped.abort(new Refusal('busy', 'the node is stopping'))
    for (const peer of [...this.#sessions.keys()]) this.#forget(peer)
  }

  /** Whether a peer has a session open here. */
  isOpen(peer: string): boolean {
    return this.#sessions.has(peer)
  }

  sync(request: SyncRequest, from: string): Promise<AnswerTo<'sync_request'>> {
    return this.#work(from, () => (request.ranges === undefined ? this.#open(request, from) : this.#go(request, from)))
  }

  records({ set: name, ids }: RecordsRequest, from: string): Promise<AnswerTo<'records_request'>> {
    return this.#work(from, async () => {
      const set = this.#setOf(name)
      const turns = new Turns()
      const texts: string[] = []
      let room = ANSWER_BYTES
      for (const id of ids) {
        const text = set.text(id)
        if (text === undefined) continue
        room -= Buffer.byteLength(JSON.stringify(text)) + 1
        if (room < 0) break
        texts.push(text)
        await turns.next()
      }
      return { texts }
    })
  }

  offer({ set: name, texts }: RecordsOffer, from: string): Promise<AnswerTo<'records_offer'>> {
    return this.#work(from, async () => {
      const set = this.#setOf(name)
      const results = await acceptAll(set, texts, from)
      if (results.at(-1) === 'rejected') {
        this.#init.onViolation(from, 'invalid_message', `offered a record that does not hold (${name})`)
      }
      if (results.includes('accepted')) this.#init.onAccepted(from)
      return { results }
    })
  }

  async #open({ set: name, nonce }: SyncRequest, from: string): Promise<AnswerTo<'sync_request'>> {
    const set = this.#setOf(name)
    this.#forget(from)
    let ids = set.ids.size
    for (const { own } of this.#sessions.values()) ids += own.count
    if (this.#sessions.size >= SESSIONS || (this.#sessions.size > 0 && ids > SESSION_IDS)) {
      throw new Refusal('busy', `${this.#sessions.size} reconciliations are under way`)
    }
    const answer = randomBytes(NONCE_BYTES)
    const own = await KeyedIds.of(set.ids, sessionKey(name, fromBase64Url(nonce), answer))
    this.#stopped.signal.throwIfAborted()
    const first = firstRanges(own)
    if (first.asks) this.#sessions.set(from, { set: name, nonce, own, rounds: 0, expiry: this.#expire(from) })
    return { nonce: toBase64Url(answer), ranges: toBase64Url(first.ranges) }
  }

  async #go({ set, nonce, ranges = '' }: SyncRequest, from: string): Promise<AnswerTo<'sync_request'>> {
    const session = this.#sessions.get(from)
    if (session?.set !== set || session.nonce !== nonce) throw new Refusal('bad_request', 'no such session is open')
    if (ranges === '') {
      this.#forget(from)
      return { ranges: '' }
    }
    if (++session.rounds > LIMITS.syncRounds) {
      this.#forget(from)
      throw new Refusal('bad_request', `a session has at most ${LIMITS.syncRounds} rounds`)
    }
    clearTimeout(session.expiry)
    session.expiry = this.#expire(from)
    const answer = compare(session.own, this.#read(ranges, from), { answers: true })
    if (!answer.asks) this.#forget(from)
    return { ranges: toBase64Url(answer.ranges) }
  }

  #read(ranges: string, from: string) {
    try {
      return readRanges(fromBase64Url(ranges))
    } catch (error) {
      this.#forget(from)
      const reason = errorMessage(error)
      this.#init.onViolation(from, 'sync_failure', `sent ranges that cannot be read: ${reason}`)
      throw new Refusal('bad_request', `/ranges: ${reason}`)
    }
  }

  #setOf(name: string): RecordSet {
    const set = this.#init.sets.get(name)
    if (set === undefined) throw new Refusal('bad_request', `there is no set ${name} here`)
    return set
  }

  /** Peers that ask for more than one thing at a time are told to come later: comparing and verifying are work. */
  async #work<Result>(peer: string, work: () => Promise<Result>): Promise<Result> {
    if (this.#working.has(peer) || this.#working.size >= AT_ONCE + WAITING) {
      throw new Refusal('busy', `${this.#working.size} requests about sets of records are under way`)
    }
    this.#working.add(peer)
    try {
      const leave = await this.#places.enter('', this.#stopped.signal)
      try {
        return await work()
      } finally {
        leave()
      }
    } finally {
      this.#working.delete(peer)
    }
  }

  #expire(peer: string): NodeJS.Timeout {
    return setTimeout(() => this.#forget(peer), IDLE_MS)
  }

  #forget(peer: string): void {
    clearTimeout(this.#sessions.get(peer)?.expiry)
    this.#sessions.delete(peer)
  }
}
