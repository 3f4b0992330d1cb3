import type { Announcement } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { signAnnouncement } from '../../domain/federation/announcement.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import type { NodeParts } from '../parts.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'logger' | 'directory'> {
  readonly yanks: Pick<NodeParts['yanks'], 'announced'>
  readonly catalogue: Pick<NodeParts['catalogue'], 'lastPage' | 'page'>
  readonly config: Pick<NodeParts['config'], 'network' | 'announcements' | 'http'>
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'identity'>
  readonly network: Pick<NodeParts['network'], 'addresses' | 'publish'>
}

/** Milliseconds after an announcement in which further changes are collected. */
const COLLECT_MS = LIMITS.announcementIntervalMs
/** Milliseconds between two pages of a refresh, so that a large catalogue does not flood the mesh. */
const PAGE_GAP_MS = 20
/** Pages that are withdrawn when the node stops; those beyond expire by themselves. */
const WITHDRAW_PAGES = 200
/** Milliseconds until publishing is tried again after it failed; each further failure doubles them, up to the second number. */
const RETRY_MS = 250
const MAX_RETRY_MS = 60_000

/**
 * Announces what this node offers: a page when one of its cells changed, all pages before they expire, and empty pages when the node stops.
 * Pages are published one after the other.
 */
export class Announcer implements Part {
  readonly name = 'announcer'
  readonly #parts: Parts
  readonly #dirty = new Set<number>()
  #collect: NodeJS.Timeout | undefined
  #refresh: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  /** How often publishing has failed since it succeeded. */
  #failures = 0
  #work: Promise<void> = Promise.resolve()
  #stopping = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  start(): void {
    this.#refreshAll()
    this.#refresh = setInterval(() => this.#refreshAll(), this.#lifetimeMs / 2)
  }

  /** Withdraws what was announced. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearInterval(this.#refresh)
    clearTimeout(this.#collect)
    await this.#work
    clearTimeout(this.#retry)
    const { catalogue, directory, network, keys } = this.#parts
    const withdrawals: Announcement[] = []
    for (let page = catalogue.lastPage() ?? -1; page >= 0 && withdrawals.length < WITHDRAW_PAGES; page--) {
      const before = directory.kept(keys.providerId, page)
      const withdrawal = before?.cells.length ? this.#next(page, [], before) : undefined
      if (withdrawal !== undefined) withdrawals.push(withdrawal)
    }
    if (withdrawals.length === 0) return
    await directory.keep(...withdrawals)
    for (const withdrawal of withdrawals) await network.publish('announcements', utf8(JSON.stringify(withdrawal)))
  }

  /** A cell on these pages came, went, or is said to be something else. */
  changed(...pages: readonly number[]): void {
    for (const page of pages) this.#dirty.add(page)
    if (this.#stopping || this.#collect !== undefined) return
    // The first change is news at once; those of a burst behind it share an announcement.
    this.#publishDirty()
    this.#collect = setTimeout(() => {
      this.#collect = undefined
      this.#publishDirty()
    }, COLLECT_MS)
  }

  /** What was announced is announced again with the node's addresses of now. */
  addressesChanged(): void {
    if (!this.#stopping) this.#refreshAll()
  }

  get #lifetimeMs(): number {
    return this.#parts.config.announcements.lifetime_seconds * 1000
  }

  #refreshAll(): void {
    const last = this.#parts.catalogue.lastPage()
    if (last === undefined) return
    for (let page = 0; page <= last; page++) this.#dirty.add(page)
    this.#publishDirty()
  }

  #publishDirty(): void {
    this.#work = this.#work.then(() => this.#publishAll())
  }

  /** Never throws: a page that was not published is tried again later, behind the others. */
  async #publishAll(): Promise<void> {
    for (const page of this.#dirty) {
      if (this.#stopping) return
      this.#dirty.delete(page)
      try {
        if (!(await this.#publish(page))) continue
        this.#failures = 0
        if (this.#dirty.size > 0) await new Promise((resolve) => setTimeout(resolve, PAGE_GAP_MS))
      } catch (error) {
        this.#dirty.add(page)
        this.#failed(error)
        return
      }
    }
  }

  #failed(error: unknown): void {
    if (this.#failures === 0) {
      this.#parts.logger.error({ err: error }, 'an announcement could not be published, and is tried again')
    }
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => this.#publishDirty(), Math.min(RETRY_MS * 2 ** this.#failures++, MAX_RETRY_MS))
  }

  async #publish(page: number): Promise<boolean> {
    const { catalogue, yanks, directory, network, keys } = this.#parts
    const cells = (await catalogue.page(page)).map((cell) => ({
      ...cell,
      ...yanks.announced({ id: cell.manifest_digest, publisher: cell.publisher }),
    }))
    const announcement = this.#next(page, cells, directory.kept(keys.providerId, page))
    if (announcement === undefined) return false
    // Kept first: a peer that joins between the two gets it by asking.
    await directory.keep(announcement)
    await network.publish('announcements', utf8(JSON.stringify(announcement)))
    return true
  }

  /** A page's next announcement, after `before`; undefined when it is empty, and nothing that was announced of it still counts. */
  #next(page: number, cells: Announcement['cells'], before: Announcement | undefined): Announcement | undefined {
    const { keys, config, clock, network } = this.#parts
    // Above every sequence that was used before, even when the clock was set back.
    const sequence = Math.max(clock.now(), (before?.sequence ?? 0) + LIMITS.announcementIntervalMs)
    // A withdrawal need not outlive what it withdraws.
    const expiresAt = cells.length > 0 ? sequence + this.#lifetimeMs : (before?.expires_at ?? 0)
    if (expiresAt <= sequence) return undefined
    return signAnnouncement(keys.identity, config.network.name, {
      provider_id: keys.providerId,
      page,
      sequence,
      expires_at: expiresAt,
      addresses: network.addresses.slice(0, LIMITS.announcementAddresses),
      ...httpAddress(config.http),
      cells,
    })
  }
}

/** Where peers may download packages: nowhere when reading needs a key, which they have not. */
function httpAddress({ public_url: url, open_reading: isOpen }: Parts['config']['http']): Pick<Announcement, 'http'> {
  return url === null || !isOpen || url.length > LIMITS.announcementUrl ? {} : { http: url }
}
