import { randomBytes } from 'node:crypto'
import { LIMITS } from '../../../protocol/limits.ts'
import { fromBase64Url, toBase64Url } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import type { Network } from '../api.ts'
import { PeerError } from '../peer-error.ts'
import { acceptAll } from './accept-records.ts'
import { compare } from './compare.ts'
import { KeyedIds, NONCE_BYTES, sessionKey } from './keyed-ids.ts'
import { type Range, readRanges } from './ranges.ts'
import type { RecordSet } from './record-set.ts'
import type { Shunned } from './shunned.ts'
import { Turns } from './turns.ts'

/** Milliseconds for one answer. */
const ANSWER_MS = 10_000
/** Records that one session finds out to be lacking, or to be offered: a hundred thousand ids are 20 MB. The next session goes on. */
const MOST_RECORDS = 100_000
/** Characters of the records in one offer: with what JSON escapes, they fit a frame. */
const OFFER_CHARACTERS = LIMITS.frameBytes / 3
/** Answers without any record, in a row, after which the rest of what a peer listed is not asked for. */
const EMPTY_ANSWERS = 2

/** What reconciling one set with one peer came to. */
export interface SyncReport {
  /** Whether nothing is left to be fetched or offered. */
  complete: boolean
  /** Requests of this side that compared. */
  rounds: number
  /** Characters of the ranges, in both directions. */
  characters: number
  /** Ids that the peer had and this node did not. */
  lacking: number
  accepted: number
  ignored: number
  /** Records that the peer took. */
  given: number
}

/** What opening a session needs. */
export interface SyncOptions {
  readonly network: Pick<Network, 'request'>
  /** Records that are neither fetched nor offered, and those that are found to be such. */
  readonly shunned: { readonly fetched: Shunned; readonly offered: Shunned }
  readonly signal: AbortSignal
  /** Hears how many records that the peer listed are still to be fetched, once one of the session's was taken. */
  readonly onLag?: (count: number) => void
}

/**
 * Reconciles a set with a peer: afterwards both have what either had, as far as each takes it. Throws `PeerError`: `violation` where the peer
 * did what no honest one does; and the reason of the signal.
 */
export async function openSync(set: RecordSet, peer: string, options: SyncOptions): Promise<SyncReport> {
  return new OpenSync(set, peer, options).run()
}

class OpenSync {
  readonly #set: RecordSet
  readonly #peer: string
  readonly #options: SyncOptions
  readonly #nonce = randomBytes(NONCE_BYTES)
  readonly #turns = new Turns()
  readonly #surplus: string[] = []
  readonly #report: SyncReport = {
    complete: true,
    rounds: 0,
    characters: 0,
    lacking: 0,
    accepted: 0,
    ignored: 0,
    given: 0,
  }
  /** Ids that one side has and the other has not. */
  #found = 0
  /** Answers without any record since the last one with some. */
  #empty = 0

  constructor(set: RecordSet, peer: string, options: SyncOptions) {
    this.#set = set
    this.#peer = peer
    this.#options = options
  }

  async run(): Promise<SyncReport> {
    const first = await this.#ask()
    if (first.nonce === undefined) throw this.#violation('opened a reconciliation without a nonce')
    const key = sessionKey(this.#set.name, this.#nonce, fromBase64Url(first.nonce))
    const own = await KeyedIds.of(this.#set.ids, key)
    await this.#compare(own, first.ranges)
    await this.#offer()
    return this.#report
  }

  async #compare(own: KeyedIds, first: string): Promise<void> {
    let said = this.#read(first)
    while (said.length > 0) {
      const { ranges, asks, lacking, surplus } = compare(own, said, { answers: false })
      await this.#turns.next()
      this.#found += lacking.length + surplus.length
      for (const id of surplus) this.#surplus.push(id)
      await this.#fetchAll(lacking)
      if (asks && (this.#report.rounds >= LIMITS.syncRounds || this.#found >= MOST_RECORDS)) {
        this.#report.complete = false
        if (this.#found === 0) throw this.#violation('did not come to an end')
        break
      }
      if (!asks) break
      said = this.#read((await this.#ask(ranges)).ranges)
    }
    // The peer waits for an answer to fingerprints: it need not keep the session until it is too old.
    if (said.some(({ kind }) => kind === 'fingerprint')) await this.#ask(new Uint8Array())
  }

  async #ask(ranges?: Uint8Array): Promise<{ nonce?: string; ranges: string }> {
    const body = {
      set: this.#set.name,
      nonce: toBase64Url(this.#nonce),
      ...(ranges === undefined ? {} : { ranges: toBase64Url(ranges) }),
    }
    const answer = await this.#options.network.request(this.#peer, 'sync_request', body, { signal: this.#signal() })
    this.#report.rounds++
    this.#report.characters += (body.ranges?.length ?? 0) + answer.ranges.length
    return answer
  }

  #read(said: string): Range[] {
    try {
      return readRanges(fromBase64Url(said))
    } catch (error) {
      throw this.#violation(`sent ranges that cannot be read: ${errorMessage(error)}`)
    }
  }

  /** Fetches what is lacking, in the order of the ids. */
  async #fetchAll(lacking: readonly string[]): Promise<void> {
    const { shunned } = this.#options
    const { name, ids } = this.#set
    const wanted = lacking.filter(
      (id) => !ids.has(Buffer.from(id, 'hex')) && !shunned.fetched.has(this.#peer, name, id),
    )
    const room = MOST_RECORDS - this.#report.lacking
    if (wanted.length > room) {
      wanted.length = room
      this.#report.complete = false
    }
    this.#report.lacking += wanted.length
    for (let at = 0; at < wanted.length && this.#empty < EMPTY_ANSWERS; ) {
      at += await this.#fetchSome(wanted.slice(at, at + LIMITS.recordsPerRequest))
      if (this.#report.accepted > 0) this.#options.onLag?.(wanted.length - at)
    }
  }

  /** Resolves to how many of the ids the peer has answered for. */
  async #fetchSome(asked: readonly string[]): Promise<number> {
    const { network, shunned } = this.#options
    const body = { set: this.#set.name, ids: [...asked] }
    const { texts } = await network.request(this.#peer, 'records_request', body, { signal: this.#signal() })
    this.#empty = texts.length === 0 ? this.#empty + 1 : 0
    if (texts.length === 0) {
      // It may have replaced them all meanwhile, or never had them.
      for (const id of asked) shunned.fetched.add(this.#peer, this.#set.name, id)
      this.#report.complete = false
      return asked.length
    }
    let next = 0
    const places = texts.map((text) => {
      const at = asked.indexOf(sha256Hex(text), next)
      if (at === -1) throw this.#violation('answered with a record that it was not asked for')
      next = at + 1
      return at
    })
    const results = await acceptAll(this.#set, texts, this.#peer)
    results.forEach((result, i) => {
      if (result === 'rejected') throw this.#violation('brought a record that does not hold')
      this.#report[result]++
      if (result === 'ignored') shunned.fetched.add(this.#peer, this.#set.name, asked[places[i]!]!)
    })
    return next
  }

  /** Offers what the peer lacks and this node still has. */
  async #offer(): Promise<void> {
    const { shunned } = this.#options
    let batch: { id: string; text: string }[] = []
    let characters = 0
    for (const id of this.#surplus) {
      if (shunned.offered.has(this.#peer, this.#set.name, id)) continue
      const text = this.#set.text(id)
      if (text === undefined) continue
      const isFull = characters + text.length > OFFER_CHARACTERS || batch.length === LIMITS.recordsPerRequest
      if (batch.length > 0 && isFull) {
        await this.#offerBatch(batch)
        batch = []
        characters = 0
      }
      batch.push({ id, text })
      characters += text.length
      await this.#turns.next()
    }
    if (batch.length > 0) await this.#offerBatch(batch)
  }

  async #offerBatch(batch: readonly { readonly id: string; readonly text: string }[]): Promise<void> {
    const { network, shunned } = this.#options
    const body = { set: this.#set.name, texts: batch.map(({ text }) => text) }
    const { results } = await network.request(this.#peer, 'records_offer', body, { signal: this.#signal() })
    batch.forEach(({ id }, i) => {
      if (results[i] === 'accepted') this.#report.given++
      else shunned.offered.add(this.#peer, this.#set.name, id)
    })
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#options.signal, AbortSignal.timeout(ANSWER_MS)])
  }

  #violation(what: string): PeerError {
    return new PeerError('violation', `${this.#peer} ${what} (${this.#set.name})`)
  }
}
