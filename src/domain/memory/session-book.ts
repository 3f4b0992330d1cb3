import { randomBytes } from 'node:crypto'
import { DEFAULT_PREFERENCES, type UserPreferences } from '../../../protocol/memory.ts'
import { toHex } from '../../kernel/base/bytes.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { AES_KEY_BYTES } from '../../kernel/identity/aes-gcm.ts'
import type { SecretSeal } from '../../kernel/identity/sealed-secret.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import { memoryError } from './errors.ts'
import { OpenSession, SessionChange } from './open-session.ts'
import { OF_A_SESSION, type SessionRecord, sessionKeys, sessions, turns, turnsOf, vectors } from './session-records.ts'
import { SessionSeal } from './session-seal.ts'

/** Records that one transaction deletes: others need not wait for more. */
const DELETED_PER_WRITE = 1000
/** Seconds after which there may be room for what this node has none for. */
const FULL_SECONDS = 3600

export interface SessionLimits {
  /** Bytes of one session, and of all of them. */
  readonly sessionBytes: number
  readonly maxBytes: number
  readonly maxSessions: number
}

export interface SessionBookParts {
  readonly store: Store
  readonly clock: Clock
  /** Wraps the keys of sessions. */
  readonly seal: SecretSeal
  readonly limits: SessionLimits
}

/** How a session is changed. */
export interface ChangeOptions {
  /** Whether one that is archived may be changed; false unless given. */
  readonly archived?: boolean
  /** Whether it counts as activity; true unless given. */
  readonly touches?: boolean
}

/**
 * The sessions of this node. Each has a random key, wrapped in the store, with which everything of it is sealed. Changes of a session run one after the
 * other, in the store's transactions, and keep its counts.
 */
export class SessionBook {
  readonly #store: Store
  readonly #clock: Clock
  readonly #seal: SecretSeal
  readonly #limits: SessionLimits
  /** Those that are there or on their way, and the bytes of all. */
  #count = 0
  #bytes = 0
  #purge: Promise<void> | undefined
  #nextPurge: Promise<void> | undefined

  constructor({ store, clock, seal, limits }: SessionBookParts) {
    this.#store = store
    this.#clock = clock
    this.#seal = seal
    this.#limits = limits
  }

  /** Counts what there is, and goes on with deletions that a crash interrupted. To be awaited before the first use. */
  async load(): Promise<void> {
    const unfinished: string[] = []
    for await (const [id, record] of this.#store.scan(sessions)) {
      if (isHidden(record)) {
        unfinished.push(id)
        continue
      }
      this.#count++
      this.#bytes += record.bytes
      for (const conversationId of record.leaving) await this.finishLeaving(id, conversationId)
    }
    for (const id of unfinished) {
      await this.#store.transact((tx) => tx.delete(sessionKeys, id))
      await this.#finishRemoval(id)
    }
    if (unfinished.length > 0) await this.#purgeKeys()
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Durable when it resolves. `also` runs in the transaction that makes it. Rejects with `MEMORY_SERVICE_ERROR` where there is no room. */
  async create(
    preferences: Partial<UserPreferences> = {},
    also?: (session: SessionChange) => void,
  ): Promise<{ readonly id: string; readonly record: SessionRecord }> {
    const { maxSessions } = this.#limits
    if (this.#count >= maxSessions) {
      const message = `found ${this.#count} sessions on this node, allowed are ${maxSessions}`
      throw memoryError('MEMORY_SERVICE_ERROR', message, { retryAfter: FULL_SECONDS })
    }
    this.#count++
    const id = `sess_${toHex(randomBytes(16))}`
    const key = randomBytes(AES_KEY_BYTES)
    const now = this.#clock.now()
    const empty: SessionRecord = {
      created_at: now,
      last_active: now,
      status: 'active',
      archived_at: null,
      conversations: 0,
      started: 0,
      turns: 0,
      bytes: 0,
      agents: 0,
      summaries: 0,
      lookups: 0,
      hits: 0,
      completions: 0,
      completions_with_context: 0,
      preferences: '',
      leaving: [],
    }
    try {
      const record = await this.#write((tx, save) => {
        tx.put(sessionKeys, id, this.#seal.seal(key, purposeOf(id)))
        const session = new SessionChange(tx, id, empty, new SessionSeal(key))
        session.setPreferences({ ...DEFAULT_PREFERENCES, ...preferences })
        also?.(session)
        save(session, empty)
        return session.record
      })
      return { id, record }
    } catch (error) {
      this.#count--
      throw error
    }
  }

  /**
   * Makes a session in steps, each of which is a transaction. Nobody finds it before all of them are durable; when one fails, it is as if it never
   * was. `last` is the last of them.
   */
  async build(
    preferences: UserPreferences,
    steps: Iterable<(session: SessionChange) => void>,
    last: (session: SessionChange) => void,
  ): Promise<{ readonly id: string; readonly record: SessionRecord }> {
    const { id } = await this.create(preferences, (session) => session.update({ status: 'arriving' }))
    try {
      for (const step of steps) await this.change(id, step, { touches: false })
      const record = await this.change(id, (session) => {
        session.update({ status: 'active' })
        last(session)
        return session.record
      })
      return { id, record }
    } catch (error) {
      await this.remove(id)
      throw error
    }
  }

  /** Undefined when there is none, or it is being deleted. */
  find(id: string): SessionRecord | undefined {
    const record = this.#store.get(sessions, id)
    return record === undefined || isHidden(record) ? undefined : record
  }

  /** Sessions that there are, in order of their ids, from the one after `after`. */
  async *list(after = ''): AsyncGenerator<[id: string, record: SessionRecord]> {
    for await (const entry of this.#store.scan(sessions, { after })) if (!isHidden(entry[1])) yield entry
  }

  /** For reading. Rejects with `INVALID_SESSION_TOKEN` when the session is gone: its token has outlived it. */
  open(id: string): OpenSession {
    return this.#opened(id, this.#store, OpenSession)
  }

  /** Changes a session. Durable when it resolves. Rejects with `SESSION_ARCHIVED` and `STORAGE_QUOTA_EXCEEDED`, and as `open` does. */
  async change<Result>(
    id: string,
    work: (session: SessionChange) => Result,
    { archived = false, touches = true }: ChangeOptions = {},
  ): Promise<Result> {
    return this.#write((tx, save) => {
      const session = this.#opened(id, tx, SessionChange)
      const before = session.record
      if (before.status === 'archived' && !archived) {
        throw memoryError('SESSION_ARCHIVED', 'the session is archived: it can be read and deleted, but not changed')
      }
      if (touches) session.update({ last_active: Math.max(before.last_active, this.#clock.now()) })
      const result = work(session)
      save(session, before)
      return result
    })
  }

  /**
   * Deletes a session, when it `mayGo` as it is by then. Its key is gone at once and from the disk when it resolves, and with it whatever of its
   * records a disk may still hold. False when it stays.
   */
  async remove(id: string, mayGo: (record: SessionRecord) => boolean = () => true): Promise<boolean> {
    let bytes = 0
    const goes = await this.#store.transact((tx) => {
      const record = tx.get(sessions, id)
      if (record === undefined || record.status === 'removed') throw gone()
      if (!mayGo(record)) return false
      tx.delete(sessionKeys, id)
      tx.put(sessions, id, { ...record, status: 'removed' })
      bytes = record.bytes
      return true
    })
    if (!goes) return false
    this.#count--
    this.#bytes -= bytes
    await this.#finishRemoval(id)
    await this.#purgeKeys()
    return true
  }

  /** Deletes the turns of a conversation that {@link OpenSession.leave} took out of its session, and their vectors. */
  async finishLeaving(id: string, conversationId: string): Promise<void> {
    const prefix = turnsOf(id, conversationId)
    for (let more = true; more; ) {
      const keys: string[] = []
      for await (const key of this.#store.keys(turns, { prefix, limit: DELETED_PER_WRITE })) keys.push(key)
      const found: string[] = []
      for await (const key of this.#store.keys(vectors, { prefix, limit: DELETED_PER_WRITE })) found.push(key)
      more = keys.length === DELETED_PER_WRITE || found.length === DELETED_PER_WRITE
      const isLast = !more
      const finished = await this.#write((tx, save) => {
        const record = tx.get(sessions, id)
        // Whoever deletes the session deletes this too.
        if (record === undefined || record.status === 'removed') return true
        const session = this.#opened(id, tx, SessionChange)
        for (const key of keys) session.delete(turns, key)
        for (const key of found) session.delete(vectors, key)
        if (isLast) session.update({ leaving: record.leaving.filter((leaving) => leaving !== conversationId) })
        save(session, record)
        return isLast
      })
      if (finished) return
    }
  }

  #opened<From extends Pick<Transaction, 'get'>, Session>(
    id: string,
    from: From,
    Kind: new (from: From, id: string, record: SessionRecord, seal: SessionSeal) => Session,
  ): Session {
    const record = from.get(sessions, id)
    const wrapped = from.get(sessionKeys, id)
    if (record === undefined || wrapped === undefined) throw gone()
    return new Kind(from, id, record, new SessionSeal(this.#seal.open(wrapped, purposeOf(id))))
  }

  /** Runs a transaction; `save` writes the record of the session that it changed, when the quotas allow it. */
  async #write<Result>(
    work: (tx: Transaction, save: (session: SessionChange, before: SessionRecord) => void) => Result,
  ): Promise<Result> {
    let more = 0
    try {
      return await this.#store.transact((tx) =>
        work(tx, ({ id, record }, before) => {
          this.#assertRoom(record.bytes, record.bytes - before.bytes)
          tx.put(sessions, id, record)
          more = record.bytes - before.bytes
          this.#bytes += more
        }),
      )
    } catch (error) {
      this.#bytes -= more
      throw error
    }
  }

  #assertRoom(bytes: number, more: number): void {
    const { sessionBytes, maxBytes } = this.#limits
    if (more > 0 && bytes > sessionBytes) {
      const message = `found ${bytes} bytes in the session with this, allowed are ${sessionBytes}`
      throw memoryError('STORAGE_QUOTA_EXCEEDED', message)
    }
    if (more > 0 && this.#bytes + more > maxBytes) {
      const message = 'this node keeps as much of all sessions as it may: nothing was stored'
      throw memoryError('MEMORY_SERVICE_ERROR', message, { retryAfter: FULL_SECONDS })
    }
  }

  async #finishRemoval(id: string): Promise<void> {
    for (const space of OF_A_SESSION) {
      for (let more = true; more; ) {
        const keys: string[] = []
        for await (const key of this.#store.keys(space, { prefix: `${id}!`, limit: DELETED_PER_WRITE })) keys.push(key)
        more = keys.length === DELETED_PER_WRITE
        if (keys.length === 0) break
        await this.#store.transact((tx) => {
          for (const key of keys) tx.delete(space, key)
        })
      }
    }
    await this.#store.transact((tx) => tx.delete(sessions, id))
  }

  /** Takes deleted keys off the disk. Deletions that come while the disk is busy with it share the next round. */
  #purgeKeys(): Promise<void> {
    if (this.#nextPurge !== undefined) return this.#nextPurge
    const run = async (after: Promise<void> | undefined): Promise<void> => {
      await after?.catch(() => undefined)
      this.#nextPurge = undefined
      this.#purge = this.#store.purge(sessionKeys, '')
      await this.#purge
    }
    this.#nextPurge = run(this.#purge)
    return this.#nextPurge
  }
}

const isHidden = ({ status }: SessionRecord): boolean => status === 'removed' || status === 'arriving'

const purposeOf = (id: string): string => `the key of session ${id}`

const gone = (): Error => memoryError('INVALID_SESSION_TOKEN', 'the session of this token is gone')
