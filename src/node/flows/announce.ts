import type { Announcement } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { signAnnouncement } from '../../domain/federation/announcement.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import type { NodeParts } from '../parts.ts'

type Parts = Pick<NodeParts, 'config' | 'clock' | 'keys' | 'logger' | 'catalogue' | 'directory' | 'network'>

/** Milliseconds after an announcement in which further changes are collected. */
const COLLECT_MS = 500
/** Milliseconds between two pages of a refresh, so that a large catalogue does not flood the mesh. */
const PAGE_GAP_MS = 20
/** Pages that are withdrawn when the node stops; those beyond expire by themselves. */
const WITHDRAW_PAGES = 200

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
  #work: Promise<void> = Promise.resolve()
  #sequence = 0
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
    const last = this.#parts.catalogue.lastPage()
    if (last === undefined) return
    for (let page = last; page >= 0 && page > last - WITHDRAW_PAGES; page--) {
      const announcement = this.#sign(page, [])
      await this.#parts.network.publishAnnouncement(utf8(JSON.stringify(announcement)))
      await this.#parts.directory.keep(announcement)
    }
  }

  /** A cell on these pages came or went. */
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
    this.#work = this.#work
      .then(() => this.#publishAll())
      .catch((error: unknown) => {
        this.#parts.logger.error({ err: error }, 'an announcement could not be published')
      })
  }

  async #publishAll(): Promise<void> {
    for (const page of this.#dirty) {
      if (this.#stopping) return
      this.#dirty.delete(page)
      const cells = await this.#parts.catalogue.page(page)
      const announcement = this.#sign(page, cells)
      // Kept first: a peer that joins between the two gets it by asking.
      await this.#parts.directory.keep(announcement)
      await this.#parts.network.publishAnnouncement(utf8(JSON.stringify(announcement)))
      if (this.#dirty.size > 0) await new Promise((resolve) => setTimeout(resolve, PAGE_GAP_MS))
    }
  }

  #sign(page: number, cells: Announcement['cells']): Announcement {
    const { keys, config, clock, network, directory } = this.#parts
    // Above every sequence that was used before, even when the clock was set back.
    this.#sequence = Math.max(clock.now(), this.#sequence + 1, directory.keptSequence(keys.providerId, page) + 1)
    return signAnnouncement(keys.identity, config.network.name, {
      provider_id: keys.providerId,
      page,
      sequence: this.#sequence,
      expires_at: this.#sequence + this.#lifetimeMs,
      addresses: network.addresses.slice(0, LIMITS.announcementAddresses),
      cells,
    })
  }
}
