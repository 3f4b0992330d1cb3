import type { Announcement } from '../../../protocol/announcement.ts'
import type { PolicyStatus } from '../../../protocol/replication.ts'
import { follows } from '../../domain/cells/follow.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import type { PolicyInForce, ReplicationOrders } from '../../domain/cells/replication-orders.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import type { NodeParts } from '../parts.ts'
import { CopyBringer, IMPORTED, NoRoom, PIN } from './bring-copies.ts'
import { FailedAttempts } from './failed-attempts.ts'
import type { PackageFetcher } from './fetch-package.ts'
import { type Match, policyMatches, policyObjection, turns } from './policy-matches.ts'
import { PolicyRoom } from './policy-room.ts'

type Parts = Pick<
  NodeParts,
  | 'config'
  | 'clock'
  | 'logger'
  | 'events'
  | 'blobs'
  | 'index'
  | 'cache'
  | 'trust'
  | 'yanks'
  | 'publishers'
  | 'directory'
  | 'partners'
  | 'receipts'
  | 'offers'
  | 'offerVerifier'
  | 'network'
>

/** Packages on their way here for policies and pins at once: clients come first. */
const AT_ONCE = 2
/** Milliseconds from the end of one look at the directory to the next, at least; and of how much more time than the look itself took. */
const LOOK_MS = 1000
const LOOK_SHARE = 10
/** Cells of one policy that are fetched before the directory is looked at again. */
const MAX_QUEUED = 256
/** Something to fetch. */
type Work =
  | { readonly kind: 'cell'; readonly key: string; readonly policy: PolicyInForce; readonly match: Match }
  | { readonly kind: 'pin'; readonly key: string; readonly digest: string }

/** How far a policy is, as of the last look at the directory. */
interface Progress {
  matches: number
  waiting: number
  failed: number
  full: boolean
  lastError: string | null
}

/** What the replicator needs beside the parts. */
interface Needs {
  readonly orders: Pick<ReplicationOrders, 'policies' | 'policy' | 'pins' | 'pin'>
  readonly fetcher: Pick<PackageFetcher, 'open'>
  /** Hears of a cell that is here now without a transfer. */
  readonly onKept: (cell: CellRecord) => void
  /** Hears of copies that are gone. */
  readonly onGone: (cell: CellRecord) => void
}

/**
 * Keeps copies of what the operator follows and has pinned. Looks at the directory whenever something of it or of the orders has changed, newest
 * versions first, and fetches what is missing, a few at a time. Which copy is kept for whom is in the cache, with the copy; what is to be fetched
 * is found anew after a restart.
 */
export class Replicator implements Part {
  readonly name = 'replicator'
  readonly #parts: Parts
  readonly #needs: Needs
  readonly #progress = new Map<string, Progress>()
  /** By key of the work. */
  readonly #failures: FailedAttempts
  readonly #room: PolicyRoom
  readonly #bringer: CopyBringer
  /** Keys of work that is under way. */
  readonly #underWay = new Set<string>()
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #queue: Work[] = []
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #looking: Promise<void> | undefined
  #again = false
  /** Milliseconds of the process's clock before which the directory is not looked at again. */
  #notBefore = 0
  #unsubscribe: () => void = () => undefined

  constructor(parts: Parts, needs: Needs) {
    this.#parts = parts
    this.#needs = needs
    this.#failures = new FailedAttempts(parts.clock)
    this.#room = new PolicyRoom(parts)
    this.#bringer = new CopyBringer(parts, {
      ...needs,
      room: this.#room,
      onGone: (copies) => this.#gone(copies),
      signal: this.#stop.signal,
    })
  }

  start(): void {
    this.#unsubscribe = this.#parts.events.on('cell_yanked', ({ cellId }) => {
      if (this.#parts.cache.has(cellId)) this.changed()
    })
    this.#parts.cache.loaded.then(() => this.changed())
  }

  async stop(): Promise<void> {
    this.#unsubscribe()
    this.#stop.abort(new Error('the node is stopping'))
    clearTimeout(this.#timer)
    this.#queue = []
    await this.#looking
    await Promise.all(this.#running)
  }

  /** Packages on their way here. */
  get fetching(): number {
    return this.#running.size
  }

  /** A verified announcement was taken in. */
  heard({ provider_id: provider, cells }: Pick<Announcement, 'provider_id' | 'cells'>): void {
    const policies = this.#needs.orders.policies()
    if (cells.some((cell) => policies.some((policy) => follows(policy, cell, provider)))) this.changed()
  }

  /** What is to be kept, or where it can be had, has changed. What failed is tried again at once where `retry` names it. */
  changed(retry?: string): void {
    if (retry !== undefined) this.#failures.forget(retry)
    this.#lookIn(0)
  }

  /** How far a policy is. */
  status(policy: PolicyInForce): PolicyStatus {
    const { matches, waiting, failed, full, lastError } = this.#progressOf(policy.id)
    const { cells: kept, bytes } = this.#parts.cache.keptFor(policy.id)
    return { ...policy, matches, kept, bytes, waiting, failed, full, last_error: lastError }
  }

  /** Why a pinned package is not here yet; undefined where nothing failed. */
  failureOf(digest: string): string | undefined {
    return this.#failures.errorOf(digest)
  }

  #progressOf(id: string): Progress {
    return this.#progress.get(id) ?? { matches: 0, waiting: 0, failed: 0, full: false, lastError: null }
  }

  #lookIn(ms: number): void {
    if (this.#stop.signal.aborted) return
    if (this.#looking !== undefined) {
      if (ms === 0) this.#again = true
      return
    }
    const at = Math.max(performance.now() + ms, this.#notBefore)
    if (at >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY
        this.#looking = this.#look().finally(() => {
          this.#looking = undefined
          if (this.#again) this.#lookIn(0)
          else this.#retryLater()
          this.#again = false
        })
      },
      Math.max(0, at - performance.now()),
    )
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const from = performance.now()
    try {
      await this.#parts.cache.loaded
      this.#queue = []
      await this.#lookAtPins()
      for (const policy of this.#needs.orders.policies()) {
        this.#stop.signal.throwIfAborted()
        await this.#lookAt(policy)
      }
      await this.#letGo()
      this.#forgetPolicies()
      const wanted = new Set(this.#queue.map(({ key }) => key))
      this.#failures.keepOnly((key) => wanted.has(key) || this.#underWay.has(key))
      this.#workOn()
    } catch (error) {
      if (!this.#stop.signal.aborted)
        this.#parts.logger.error({ err: error }, 'what is followed could not be looked at')
    }
    const now = performance.now()
    this.#notBefore = now + Math.max(LOOK_MS, (now - from) * LOOK_SHARE)
  }

  async #lookAtPins(): Promise<void> {
    const { index, cache } = this.#parts
    for (const { digest } of this.#needs.orders.pins()) {
      let isHere = false
      for await (const { id, origin } of index.cellsOfPackage(hexOf(digest))) {
        isHere = true
        if (origin === 'cached') this.#gone(await cache.assign(id, PIN))
      }
      if (!isHere && this.#mayTry(digest)) this.#queue.push({ kind: 'pin', key: digest, digest })
    }
  }

  async #lookAt(policy: PolicyInForce): Promise<void> {
    const { cache, index } = this.#parts
    const matches = await policyMatches(this.#parts, policy, this.#stop.signal)
    const progress: Progress = {
      matches: matches.length,
      waiting: 0,
      failed: 0,
      full: false,
      lastError: policyObjection(this.#parts, policy) ?? null,
    }
    let queued = 0
    const turn = turns(this.#stop.signal)
    for (const match of matches) {
      await turn()
      const { manifest_digest: id, publisher } = match.cell
      if (cache.has(id)) {
        const keeper = cache.keeperOf(id)
        if (keeper !== undefined && this.#isInForce(keeper)) continue
        const size = index.get(id)?.manifest.package.size ?? 0
        if (this.#room.has(policy, publisher, size)) this.#gone(await cache.assign(id, policy.id))
        else progress.full = true
        continue
      }
      if (index.has(id)) continue
      if (this.#room.isKnownToLack(policy, { id, publisher })) {
        progress.full = true
        continue
      }
      progress.waiting++
      const key = `${policy.id}!${id}`
      const error = this.#failures.errorOf(key)
      if (error !== undefined) {
        progress.failed++
        progress.lastError = error
      }
      if (queued >= MAX_QUEUED || !this.#mayTry(key)) continue
      this.#queue.push({ kind: 'cell', key, policy, match })
      queued++
    }
    this.#progress.set(policy.id, progress)
  }

  /** Drops kept copies that are yanked, and lets go of those that nobody wants kept any more. */
  async #letGo(): Promise<void> {
    const { cache, index, yanks } = this.#parts
    for (const [id, keeper] of cache.kept()) {
      const record = index.get(id)
      if (record === undefined) continue
      if (keeper === PIN ? this.#needs.orders.pin(record.manifest.package.digest) : this.#isInForce(keeper)) {
        // A pin or a bundle is the operator's word about these very bytes; a policy is about what its publisher stands by.
        if (keeper === PIN || keeper === IMPORTED || !yanks.isWithdrawn({ id, publisher: record.manifest.publisher }))
          continue
        const dropped = await cache.drop(id)
        if (dropped !== undefined) this.#gone([dropped])
      } else this.#gone(await cache.assign(id, undefined))
    }
  }

  #isInForce(keeper: string): boolean {
    return keeper === PIN || keeper === IMPORTED || this.#needs.orders.policy(keeper) !== undefined
  }

  #forgetPolicies(): void {
    for (const id of this.#progress.keys()) if (!this.#isInForce(id)) this.#progress.delete(id)
    this.#room.forget((id) => this.#isInForce(id))
  }

  #mayTry(key: string): boolean {
    return !this.#underWay.has(key) && this.#failures.mayTry(key)
  }

  #workOn(): void {
    while (this.#running.size < AT_ONCE && !this.#stop.signal.aborted) {
      const work = this.#queue.shift()
      if (work === undefined) return
      if (!this.#mayTry(work.key) || (work.kind === 'cell' && this.#room.isExhausted(work.policy))) continue
      const run = this.#work(work).finally(() => {
        this.#running.delete(run)
        this.#workOn()
        if (this.#running.size === 0) this.#lookIn(0)
      })
      this.#running.add(run)
    }
  }

  /** Never rejects. */
  async #work(work: Work): Promise<void> {
    const { logger } = this.#parts
    this.#underWay.add(work.key)
    try {
      if (work.kind === 'pin') await this.#bringer.pinned(work.digest)
      else await this.#bringer.followed(work.policy, work.match)
      this.#failures.forget(work.key)
      if (work.kind === 'cell') this.#room.filled(work.policy)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      if (error instanceof NoRoom) return
      logger.info({ key: work.key, reason: errorMessage(error) }, 'what is followed or pinned could not be fetched')
      this.#failures.failed(work.key, errorMessage(error))
    } finally {
      this.#underWay.delete(work.key)
    }
  }

  /** Looks again when the first of what failed may be tried again. */
  #retryLater(): void {
    const ms = this.#failures.nextIn
    if (ms !== undefined) this.#lookIn(ms)
  }

  #gone(copies: readonly CellRecord[]): void {
    for (const copy of copies) this.#needs.onGone(copy)
  }
}

const hexOf = (digest: string): string => digest.slice('sha256:'.length)
