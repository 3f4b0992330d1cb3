import type { AnnouncedCell, Announcement } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { PolicyStatus } from '../../../protocol/replication.ts'
import { follows, newestFirst } from '../../domain/cells/follow.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import type { PolicyInForce, ReplicationOrders } from '../../domain/cells/replication-orders.ts'
import { TIERS } from '../../domain/cells/trust.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import type { PackageSource } from '../api.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import { askOffers, offerAmong } from './ask-offers.ts'
import type { PackageFetcher } from './fetch-package.ts'
import { openPackage } from './open-package.ts'
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
/** Cells that are looked at before others get their turn. */
const CELLS_PER_TURN = 2000
/** Cells of one policy that are fetched before the directory is looked at again. */
const MAX_QUEUED = 256
/** Milliseconds until a cell that could not be fetched is tried again; each further failure doubles them, up to the second number. */
const RETRY_MS = 2000
const MAX_RETRY_MS = 5 * 60_000
/** Failures that are remembered. */
const REMEMBERED = 10_000
/** Milliseconds for the question what a cell is. */
const ASK_MS = 10_000
/** Times that a package is opened anew because the transfer that was joined had just ended. */
const OPENINGS = 3
/** Keeper of pinned packages; ids of policies have digits only. */
export const PIN = 'pin'

/** A cell that a policy is about, and who announces it. */
interface Match {
  readonly cell: AnnouncedCell
  readonly providers: string[]
}

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

interface Failure {
  readonly tries: number
  /** Unix milliseconds. */
  readonly until: number
  readonly error: string
}

/** What a policy has no room for. */
class NoRoom extends Error {}

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
  readonly #failures = new Map<string, Failure>()
  readonly #room: PolicyRoom
  /** Digests, and keys of work, that are under way. */
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
    this.#room = new PolicyRoom(parts)
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
    if (retry !== undefined) this.#failures.delete(retry)
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
    return this.#failures.get(digest)?.error
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
      this.#forgetFailures()
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
    const matches = await this.#matches(policy)
    const progress: Progress = {
      matches: matches.length,
      waiting: 0,
      failed: 0,
      full: false,
      lastError: this.#objection(policy) ?? null,
    }
    let queued = 0
    let looked = 0
    for (const match of matches) {
      if (++looked % CELLS_PER_TURN === 0) await this.#turn()
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
      const failure = this.#failures.get(key)
      if (failure !== undefined) {
        progress.failed++
        progress.lastError = failure.error
      }
      if (queued >= MAX_QUEUED || !this.#mayTry(key)) continue
      this.#queue.push({ kind: 'cell', key, policy, match })
      queued++
    }
    this.#progress.set(policy.id, progress)
  }

  /** What a policy is about, in the order in which it is kept: by trust in the publishers, then newest versions first. */
  async #matches(policy: PolicyInForce): Promise<Match[]> {
    const { directory, trust, yanks } = this.#parts
    if (this.#objection(policy) !== undefined) return []
    const found = new Map<string, Match>()
    let looked = 0
    for (const { provider, cell } of directory.cells(policy.partner)) {
      if (++looked % CELLS_PER_TURN === 0) await this.#turn()
      const { manifest_digest: id, publisher, status } = cell
      if (!follows(policy, cell, provider) || !trust.accepts(publisher)) continue
      if (status === 'yanked' || yanks.isWithdrawn({ id, publisher })) continue
      const known = found.get(id)
      if (known === undefined) found.set(id, { cell, providers: [provider] })
      else if (known.providers.length < LIMITS.askBudget) known.providers.push(provider)
    }
    const tiers = TIERS.map((): Match['cell'][] => [])
    const byCell = new Map<Match['cell'], Match>()
    for (const match of found.values()) {
      tiers[trust.tierOf({ publisher: match.cell.publisher, registered: false }, {})]!.push(match.cell)
      byCell.set(match.cell, match)
    }
    return tiers.flatMap((cells) => newestFirst(cells)).map((cell) => byCell.get(cell)!)
  }

  /** Why a policy leads to nothing; undefined where it may. */
  #objection({ publisher, partner }: PolicyInForce): string | undefined {
    const { trust, partners } = this.#parts
    if (publisher !== undefined && !trust.accepts(publisher)) {
      return 'this node takes only cells of pinned publishers (publishers.accept), and this one is not pinned'
    }
    if (partner === undefined) return undefined
    const record = partners.get(partner)
    if (record === undefined) return `${partner} is no partner of this node`
    return record.trust_level === 'untrusted' ? 'the partner is untrusted: nothing is accepted from it' : undefined
  }

  /** Drops kept copies that are yanked, and lets go of those that nobody wants kept any more. */
  async #letGo(): Promise<void> {
    const { cache, index, yanks } = this.#parts
    for (const [id, keeper] of cache.kept()) {
      const record = index.get(id)
      if (record === undefined) continue
      if (keeper === PIN ? this.#needs.orders.pin(record.manifest.package.digest) : this.#isInForce(keeper)) {
        // A pin is the operator's word about these very bytes; a policy is about what its publisher stands by.
        if (keeper === PIN || !yanks.isWithdrawn({ id, publisher: record.manifest.publisher })) continue
        const dropped = await cache.drop(id)
        if (dropped !== undefined) this.#gone([dropped])
      } else this.#gone(await cache.assign(id, undefined))
    }
  }

  #isInForce(keeper: string): boolean {
    return keeper === PIN || this.#needs.orders.policy(keeper) !== undefined
  }

  #forgetPolicies(): void {
    for (const id of this.#progress.keys()) if (!this.#isInForce(id)) this.#progress.delete(id)
    this.#room.forget((id) => this.#isInForce(id))
  }

  /** What failed and is not to be fetched any more. */
  #forgetFailures(): void {
    const wanted = new Set(this.#queue.map(({ key }) => key))
    const now = this.#parts.clock.now()
    for (const [key, { until }] of this.#failures) {
      if (until <= now && !wanted.has(key) && !this.#underWay.has(key)) this.#failures.delete(key)
    }
  }

  #mayTry(key: string): boolean {
    if (this.#underWay.has(key)) return false
    const failure = this.#failures.get(key)
    return failure === undefined || failure.until <= this.#parts.clock.now()
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
      if (work.kind === 'pin') await this.#fetchPinned(work.digest)
      else await this.#fetchFollowed(work.policy, work.match)
      this.#failures.delete(work.key)
      if (work.kind === 'cell') this.#room.filled(work.policy)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      if (error instanceof NoRoom) return
      logger.info({ key: work.key, reason: errorMessage(error) }, 'what is followed or pinned could not be fetched')
      this.#failed(work.key, errorMessage(error))
    } finally {
      this.#underWay.delete(work.key)
    }
  }

  async #fetchPinned(digest: string): Promise<void> {
    if (this.#needs.orders.pin(digest) === undefined) return
    const { signal } = this.#stop
    await this.#bring(digest, PIN, () => openPackage(this.#parts, this.#needs.fetcher, digest, signal))
  }

  async #fetchFollowed(policy: PolicyInForce, { cell, providers }: Match): Promise<void> {
    const { cache, index, publishers, receipts } = this.#parts
    if (this.#needs.orders.policy(policy.id) === undefined) return
    const asked = receipts.inOrder(providers)
    const { offer, provider } = await this.#ask(cell, asked)
    const { id, manifest } = offer
    const { digest, size } = manifest.package
    if (!this.#room.has(policy, manifest.publisher, size)) {
      this.#room.lacked(policy, id, size)
      throw new NoRoom()
    }
    const release = this.#room.take(policy, size)
    try {
      if (index.package(hexOf(digest)) !== undefined) {
        await publishers.admit(manifest.publisher, offer.signature)
        const kept = await cache.keepHeld(offer, provider, offer.createdAt, policy.id)
        if (kept !== undefined) this.#needs.onKept(kept)
      } else {
        await this.#bring(digest, policy.id, () => this.#needs.fetcher.open(digest, asked, id))
        this.#gone(await cache.assign(id, policy.id))
      }
    } finally {
      release()
    }
    if (!index.has(id)) throw new Error('its package came, and was kept as that of another cell')
  }

  /** What an announced cell is, from the first provider who says so. */
  async #ask(
    { manifest_digest: id, cell_type: name, version: range }: AnnouncedCell,
    providers: readonly string[],
  ): Promise<{ offer: VerifiedOffer; provider: string }> {
    const asked = { by: 'cell_type', name, range } as const
    let failure: unknown
    for (const provider of providers) {
      try {
        const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ASK_MS)])
        const cells = await askOffers(this.#parts.network, provider, asked, { deadlineMs: ASK_MS, signal })
        const offer = await offerAmong(this.#parts, cells, id)
        if (offer !== undefined) return { offer, provider }
        failure = new Error(`${provider} announces ${name}@${range}, and did not offer it`)
      } catch (error) {
        this.#stop.signal.throwIfAborted()
        failure = error
      }
    }
    throw failure
  }

  /** Brings a package here, to be kept for `keeper`. Its last byte can be read once it is verified and kept. */
  async #bring(digest: string, keeper: string, open: () => Promise<PackageSource | undefined>): Promise<void> {
    const { cache } = this.#parts
    const { signal } = this.#stop
    if (this.#underWay.has(`package ${digest}`))
      throw new Error('its package is on its way here as that of another cell')
    this.#underWay.add(`package ${digest}`)
    cache.claim(hexOf(digest), keeper)
    try {
      for (let opening = 0; opening < OPENINGS; opening++) {
        const source = await open()
        if (source === undefined) continue
        try {
          for await (const _ of source.read(source.size - 1, source.size - 1, signal)) signal.throwIfAborted()
        } finally {
          await source.close()
        }
        return
      }
      throw new Error('its package was on its way here and did not arrive')
    } finally {
      cache.unclaim(hexOf(digest))
      this.#underWay.delete(`package ${digest}`)
    }
  }

  #failed(key: string, error: string): void {
    const tries = (this.#failures.get(key)?.tries ?? 0) + 1
    const wait = Math.min(RETRY_MS * 2 ** (tries - 1), MAX_RETRY_MS)
    const until = this.#parts.clock.now() + wait * (1 + Math.random() / 4)
    this.#failures.delete(key)
    this.#failures.set(key, { tries, until, error })
    if (this.#failures.size > REMEMBERED) this.#failures.delete(this.#failures.keys().next().value!)
  }

  /** Looks again when the first of what failed may be tried again. */
  #retryLater(): void {
    const now = this.#parts.clock.now()
    let first = Number.POSITIVE_INFINITY
    for (const { until } of this.#failures.values()) if (until > now) first = Math.min(first, until)
    if (first < Number.POSITIVE_INFINITY) this.#lookIn(first - now)
  }

  #gone(copies: readonly CellRecord[]): void {
    for (const copy of copies) this.#needs.onGone(copy)
  }

  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#stop.signal.throwIfAborted()
  }
}

const hexOf = (digest: string): string => digest.slice('sha256:'.length)
