import { randomBytes } from 'node:crypto'
import { LIMITS } from '../../../protocol/limits.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import type { Requester, RequestOutcome, RequestRecord } from '../api.ts'

/** Milliseconds that a pending request is remembered. */
const PENDING_MS = 10 * 60_000
/** Pending requests of all owners, and of one. */
const MAX_PENDING = 10_000
const MAX_PENDING_PER_OWNER = 100
/** Those of clients without a key, who can have as many names as they want: the rest is for those that this node knows. */
const MAX_PENDING_OF_STRANGERS = 8_000
/**
 * Answers given at once that are remembered: of owners, and of clients who have only a token. Few enough that under load most are forgotten
 * before the garbage collector moves them to the old generation.
 */
const WINDOW = 256
/** Milliseconds that the search for a pending request may take from its last start. */
const SEARCH_MS = LIMITS.maxWaitSeconds * 1000
/** Bytes of a token, and its characters: in base64url, three bytes are four of them. */
const TOKEN_BYTES = 18
const TOKEN_LENGTH = 24
/** Tokens that are drawn at a time. */
const TOKENS_AT_ONCE = 256

/** How far a request is looked for, where that is not the whole federation. */
export type SearchWay =
  /** A partner asks it. */
  | { readonly kind: 'for_partner' }
  /** A partner was asked, and calls it `requestId`. */
  | { readonly kind: 'at_partner'; readonly partner: string; readonly requestId: string }

type Search = (query: CellQuery, waitMs: number, way?: SearchWay) => Promise<RequestOutcome>

/** A pending request of an owner, as it survives a restart. */
interface StoredRequest {
  readonly query: CellQuery
  readonly way?: SearchWay | undefined
  readonly body: Said
  readonly expires_at: number
}

/** What tells a body from others: itself, or its digest where it is large. */
type Said = object | string

interface Held extends RequestRecord {
  readonly owner: string
  readonly body: Said
  /** Undefined while nobody has answered. */
  outcome: RequestOutcome | undefined
  readonly expiresAt: number
}

const pendingRequests = jsonKeyspace<StoredRequest>(KEYSPACES.pendingRequests)
const keyOf = (owner: string, requestId: string): string => `${owner}\n${requestId}`

/**
 * Requests and what became of them, by whom they belong to (readings, "Request ownership"). What was answered at once is remembered for a
 * while in memory; what is pending goes on, and that of a known owner survives a restart.
 */
export class RequestRecords {
  readonly #store: Store
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #search: Search
  readonly #pending = new Map<string, Held>()
  readonly #pendingOf = new Map<string, number>()
  #pendingOfStrangers = 0
  readonly #answered = new Map<string, Held>()
  /** Answered requests without an owner, the oldest overwritten. A token says in which place its request is. */
  readonly #ring: (Held | undefined)[] = new Array<Held | undefined>(WINDOW)
  #next = 0
  /** Secrets of tokens, one behind the other. */
  #secrets = ''
  #drawn = 0
  #stopped = false

  constructor(parts: {
    store: Store
    clock: Clock
    logger: Logger
    search: Search
  }) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#search = parts.search
  }

  /** Goes on with what was pending when the node stopped. */
  async load(): Promise<void> {
    for await (const [key, stored] of this.#store.scan(pendingRequests)) {
      // A request id may hold anything, an owner's name no line break.
      const end = key.indexOf('\n')
      const [owner, requestId] = [key.slice(0, end), key.slice(end + 1)]
      this.#hold({
        owner,
        requestId,
        token: undefined,
        outcome: undefined,
        body: stored.body,
        expiresAt: stored.expires_at,
      })
      if (stored.expires_at > this.#clock.now()) this.#follow(key, stored.query, stored.way)
    }
  }

  stop(): void {
    this.#stopped = true
  }

  /** The same request, asked before; undefined for a new one. Throws `PROV_007` (409) when the id was used for another one. */
  same(requester: Requester, requestId: string, body: object): RequestRecord | undefined {
    const found = this.#find(requester, requestId)
    if (found === undefined || isSaid(body, found.body)) return found
    throw new ProviderError('PROV_007', `the request_id ${JSON.stringify(requestId)} was used for another request`)
  }

  /** Remembers an answer that was given at once; returns its token where nobody owns it. */
  answered(requester: Requester, requestId: string, whole: object, outcome: RequestOutcome): string | undefined {
    const { owner } = requester
    const body = saidBy(whole)
    const expiresAt = Number.POSITIVE_INFINITY
    if (owner === undefined) {
      const place = this.#next
      this.#next = (place + 1) % WINDOW
      const token = `${place.toString(36)}.${this.#secret()}`
      this.#ring[place] = { owner: '', requestId, token, body, outcome, expiresAt }
      return token
    }
    const key = keyOf(owner, requestId)
    this.#answered.set(key, { owner, requestId, token: undefined, body, outcome, expiresAt })
    if (this.#answered.size > WINDOW) this.#answered.delete(this.#answered.keys().next().value!)
    return undefined
  }

  /**
   * Remembers a request that goes on, and follows it; durable when this resolves, where somebody owns it. Returns its token where nobody does.
   * Throws `PROV_013` when there are too many.
   */
  async pending(
    requester: Requester,
    requestId: string,
    whole: object,
    query: CellQuery,
    way?: SearchWay,
  ): Promise<string | undefined> {
    const owner = requester.owner ?? ''
    const body = saidBy(whole)
    this.#sweep()
    // Asked twice at the same time: one of the two is followed.
    if (requester.owner !== undefined && this.#pending.has(keyOf(owner, requestId))) {
      this.same(requester, requestId, whole)
      return undefined
    }
    const own = this.#pendingOf.get(owner) ?? 0
    const full = this.#pending.size >= MAX_PENDING || this.#isFullFor(owner)
    if (full || (owner !== '' && own >= MAX_PENDING_PER_OWNER)) {
      const whose = full ? `${this.#pending.size} requests of all clients` : `${own} of your requests`
      throw new ProviderError('PROV_013', `${whose} are pending, the most that this node remembers`)
    }
    const token = requester.owner === undefined ? `p.${this.#secret()}` : undefined
    const key = token ?? keyOf(owner, requestId)
    const expiresAt = this.#clock.now() + PENDING_MS
    this.#hold({ owner, requestId, token, body, outcome: undefined, expiresAt })
    if (token === undefined) {
      await this.#store.transact((tx) => tx.put(pendingRequests, key, { query, way, body, expires_at: expiresAt }))
    }
    this.#follow(key, query, way)
    return token
  }

  /** What became of a request; undefined when there is none of that id that the requester may see. Throws `PROV_006` when its time was over. */
  read(requester: Requester, requestId: string): RequestRecord | undefined {
    const found = this.#find(requester, requestId)
    if (found !== undefined && found.outcome === undefined && found.expiresAt <= this.#clock.now()) {
      throw new ProviderError('PROV_006', `nobody answered the request within ${PENDING_MS / 60_000} minutes`)
    }
    return found
  }

  /** Ends a pending request. */
  async cancel(requester: Requester, requestId: string): Promise<'cancelled' | 'already_delivered' | 'not_found'> {
    const found = this.#find(requester, requestId)
    if (found === undefined) return 'not_found'
    if (found.outcome !== undefined) return 'already_delivered'
    const key = found.token ?? keyOf(found.owner, requestId)
    this.#forget(key)
    if (found.token === undefined) await this.#store.transact((tx) => tx.delete(pendingRequests, key))
    return 'cancelled'
  }

  #find({ owner, token, isAdmin }: Requester, requestId: string): Held | undefined {
    if (owner !== undefined) {
      const key = keyOf(owner, requestId)
      const own = this.#pending.get(key) ?? this.#answered.get(key)
      if (own !== undefined || !isAdmin) return own
      for (const held of [...this.#pending.values(), ...this.#answered.values()]) {
        if (held.requestId === requestId && held.owner !== '') return held
      }
      return undefined
    }
    if (token === undefined) return undefined
    const place = Number.parseInt(token, 36)
    const held = token.startsWith('p.') ? this.#pending.get(token) : this.#ring[place]
    return held?.token === token && held.requestId === requestId ? held : undefined
  }

  #hold(held: Held): void {
    this.#pending.set(held.token ?? keyOf(held.owner, held.requestId), held)
    this.#pendingOf.set(held.owner, (this.#pendingOf.get(held.owner) ?? 0) + 1)
    if (isStranger(held.owner)) this.#pendingOfStrangers++
  }

  #isFullFor(owner: string): boolean {
    return isStranger(owner) && this.#pendingOfStrangers >= MAX_PENDING_OF_STRANGERS
  }

  #forget(key: string): void {
    const held = this.#pending.get(key)
    if (held === undefined) return
    this.#pending.delete(key)
    if (isStranger(held.owner)) this.#pendingOfStrangers--
    const left = (this.#pendingOf.get(held.owner) ?? 1) - 1
    if (left === 0) this.#pendingOf.delete(held.owner)
    else this.#pendingOf.set(held.owner, left)
  }

  /** Waits for the search, which goes on whether or not somebody polls. */
  #follow(key: string, query: CellQuery, way: SearchWay | undefined): void {
    const follow = async (): Promise<void> => {
      const outcome = await this.#search(query, SEARCH_MS, way)
      const held = this.#pending.get(key)
      if (held === undefined || this.#stopped || outcome.status === 'pending') return
      held.outcome = outcome
      if (held.token === undefined) await this.#store.transact((tx) => tx.delete(pendingRequests, key))
    }
    follow().catch((error: unknown) => this.#logger.error({ err: error }, 'a pending request could not be followed'))
  }

  /** Forgets what has expired: pending requests stand in the order of their ends. */
  #sweep(): void {
    const now = this.#clock.now()
    const over: string[] = []
    for (const [key, held] of this.#pending) {
      if (held.expiresAt > now) break
      over.push(key)
    }
    if (over.length === 0) return
    for (const key of over) this.#forget(key)
    this.#store
      .transact((tx) => {
        for (const key of over) tx.delete(pendingRequests, key)
      })
      .catch((error: unknown) => this.#logger.error({ err: error }, 'expired requests could not be forgotten'))
  }

  #secret(): string {
    if (this.#drawn === this.#secrets.length) {
      this.#secrets = randomBytes(TOKENS_AT_ONCE * TOKEN_BYTES).toString('base64url')
      this.#drawn = 0
    }
    const start = this.#drawn
    this.#drawn += TOKEN_LENGTH
    return this.#secrets.slice(start, this.#drawn)
  }
}

/** Whether an owner is nobody, or a key that signed a request and that anybody could have made. */
const isStranger = (owner: string): boolean => owner === '' || owner.startsWith('ed25519')

const bodyText = (body: object): string => JSON.stringify({ ...body, quantum_signature: undefined })
const bodyDigest = (body: object): string => sha256Hex(bodyText(body))

/** Up to which size a body is remembered as it is: bytes, about. A digest of each would cost more than the answer. */
const SMALL = 4096

const saidBy = (body: object): Said => (room(body, SMALL) < 0 ? bodyDigest(body) : body)

function isSaid(body: object, said: Said): boolean {
  return typeof said === 'string' ? bodyDigest(body) === said : bodyText(body) === bodyText(said)
}

/** What is left of `bytes` beside a value; below 0, counting stops. */
function room(value: unknown, bytes: number): number {
  if (typeof value === 'string') return bytes - value.length
  if (typeof value !== 'object' || value === null) return bytes - 8
  let left = bytes - 32
  for (const key in value) {
    if (left < 0) break
    left = room((value as Record<string, unknown>)[key], left - key.length - 8)
  }
  return left
}
