import type { AnnouncedCell, Announcement } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'

const announcements = jsonKeyspace<Announcement>(KEYSPACES.announcements)

/** A cell that another node offers. */
export interface DirectoryEntry {
  readonly provider: string
  readonly cell: AnnouncedCell
  /** Version of the name that it was looked up by: the capability's, or by cell type the cell's. */
  readonly offered: string
  /** Unix milliseconds. */
  readonly expiresAt: number
}

/** How much to remember, so that nobody's announcements displace everybody else's. A page without cells counts as one. */
export interface DirectoryLimits {
  readonly maxCells: number
  readonly maxCellsPerProvider: number
}

interface Page {
  readonly sequence: number
  readonly expiresAt: number
  readonly cells: readonly AnnouncedCell[]
}

interface Provider {
  readonly pages: Map<number, Page>
  cells: number
  /** What it takes of the limits. */
  room: number
}

/** What a page takes of the limits: empty pages are remembered too. */
const roomOf = (page: { readonly cells: readonly AnnouncedCell[] } | undefined): number =>
  page === undefined ? 0 : Math.max(1, page.cells.length)

/**
 * Whether an announcement may be forgotten: everything that was announced before it has expired by then, whatever its lifetime, and
 * cannot come back.
 */
const isForgettable = ({ sequence }: { readonly sequence: number }, now: number): boolean =>
  sequence + LIMITS.announcementLifetimeMs <= now

/**
 * What the federation offers, by its signed announcements. Looked up in memory; the newest announcement of every origin and page is
 * also on disk, so that a restart neither forgets the federation nor accepts an old sequence again.
 */
export class Directory {
  readonly #store: Store
  readonly #clock: Clock
  readonly #limits: DirectoryLimits
  readonly #self: string
  readonly #providers = new Map<string, Provider>()
  readonly #names = new Map<string, Set<DirectoryEntry>>()
  #cells = 0
  #room = 0

  constructor(parts: { store: Store; clock: Clock; limits: DirectoryLimits; self: string }) {
    this.#self = parts.self
    this.#store = parts.store
    this.#clock = parts.clock
    this.#limits = parts.limits
  }

  /** Providers with at least one cell. */
  get providerCount(): number {
    let count = 0
    for (const provider of this.#providers.values()) if (provider.cells > 0) count++
    return count
  }

  /** Cells of other nodes that are known. */
  get cellCount(): number {
    return this.#cells
  }

  cellsOf(provider: string): number {
    return this.#providers.get(provider)?.cells ?? 0
  }

  /** Reads what is on disk from before. */
  async load(): Promise<void> {
    const now = this.#clock.now()
    for await (const [, announcement] of this.#store.scan(announcements)) {
      if (announcement.provider_id === this.#self) continue
      if (isForgettable(announcement, now) || !this.isNews(announcement)) continue
      this.#apply(announcement.expires_at > now ? announcement : { ...announcement, cells: [] })
    }
  }

  /** Whether an announcement is newer than what is known of its page, as far as its sequence says. */
  isNews(announcement: Announcement): boolean {
    const { provider_id: id, page, sequence } = announcement
    if (id === this.#self) return false
    const known = this.#providers.get(id)?.pages.get(page)
    return known === undefined || sequence > known.sequence
  }

  /** Whether there is room for an announcement's cells. */
  hasRoom(announcement: Announcement): boolean {
    const provider = this.#providers.get(announcement.provider_id)
    const more = roomOf(announcement) - roomOf(provider?.pages.get(announcement.page))
    return (
      more <= 0 ||
      (this.#room + more <= this.#limits.maxCells && (provider?.room ?? 0) + more <= this.#limits.maxCellsPerProvider)
    )
  }

  /** Takes in a verified announcement that is news. Known at once; the promise resolves when it is on disk. */
  accept(announcement: Announcement): Promise<void> {
    this.#apply(announcement)
    return this.keep(announcement)
  }

  /** Puts an announcement on disk, for peers that join. This node's own ones are kept so and not looked up. */
  keep(announcement: Announcement): Promise<void> {
    return this.#store.transact((tx) =>
      tx.put(announcements, diskKey(announcement.provider_id, announcement.page), announcement),
    )
  }

  /** Sequence of the announcement on disk; 0 when there is none. */
  keptSequence(provider: string, page: number): number {
    return this.#store.get(announcements, diskKey(provider, page))?.sequence ?? 0
  }

  /** Who offers a name, in no order. */
  *find(by: 'capability' | 'cell_type', name: string): Generator<DirectoryEntry> {
    const entries = this.#names.get(nameKey(by, name))
    if (entries === undefined) return
    const now = this.#clock.now()
    for (const entry of entries) {
      if (entry.expiresAt > now) yield entry
    }
  }

  /** Whether anybody offers a name. */
  has(by: 'capability' | 'cell_type', name: string): boolean {
    return this.#names.has(nameKey(by, name))
  }

  /** A page of the announcements that are on disk and still count, for a peer that joins. */
  async page(
    after: string | undefined,
    limits: { maxBytes: number; maxCount: number },
  ): Promise<{ announcements: Announcement[]; next?: string }> {
    const now = this.#clock.now()
    const page: Announcement[] = []
    let bytes = 0
    let last: string | undefined
    for await (const [key, announcement] of this.#store.scan(announcements, after === undefined ? {} : { after })) {
      const size = JSON.stringify(announcement).length
      if (last !== undefined && (bytes + size > limits.maxBytes || page.length >= limits.maxCount))
        return { announcements: page, next: last }
      last = key
      if (announcement.expires_at <= now) continue
      page.push(announcement)
      bytes += size
    }
    return { announcements: page }
  }

  /** Drops what has expired. Its sequence stays known, in memory and on disk, until nothing older could come back in its place. */
  async sweep(): Promise<void> {
    const now = this.#clock.now()
    for (const [id, provider] of this.#providers) {
      for (const [number, page] of [...provider.pages]) {
        if (page.expiresAt > now) continue
        this.#drop(id, provider, number, page)
        if (!isForgettable(page, now)) this.#put(id, provider, number, { ...page, cells: [] })
      }
      if (provider.pages.size === 0) this.#providers.delete(id)
    }
    const expired: string[] = []
    for await (const [key, announcement] of this.#store.scan(announcements)) {
      if (isForgettable(announcement, now)) expired.push(key)
    }
    if (expired.length > 0) {
      await this.#store.transact((tx) => {
        for (const key of expired) {
          const announcement = tx.get(announcements, key)
          if (announcement !== undefined && isForgettable(announcement, now)) tx.delete(announcements, key)
        }
      })
    }
  }

  #apply(announcement: Announcement): void {
    const { provider_id: id, page: number, sequence, expires_at: expiresAt, cells } = announcement
    const provider = this.#providers.get(id) ?? { pages: new Map<number, Page>(), cells: 0, room: 0 }
    this.#providers.set(id, provider)
    const before = provider.pages.get(number)
    if (before !== undefined) this.#drop(id, provider, number, before)
    this.#put(id, provider, number, { sequence, expiresAt, cells })
  }

  #put(id: string, provider: Provider, number: number, page: Page): void {
    const { cells, expiresAt } = page
    provider.pages.set(number, page)
    provider.cells += cells.length
    provider.room += roomOf(page)
    this.#cells += cells.length
    this.#room += roomOf(page)
    for (const cell of cells) {
      for (const [key, offered] of namesOf(cell)) {
        const entries = this.#names.get(key) ?? new Set<DirectoryEntry>()
        this.#names.set(key, entries.add({ provider: id, cell, offered, expiresAt }))
      }
    }
  }

  #drop(id: string, provider: Provider, number: number, page: Page): void {
    provider.pages.delete(number)
    provider.cells -= page.cells.length
    provider.room -= roomOf(page)
    this.#cells -= page.cells.length
    this.#room -= roomOf(page)
    for (const cell of page.cells) {
      for (const [key] of namesOf(cell)) {
        const entries = this.#names.get(key)
        if (entries === undefined) continue
        for (const entry of entries) if (entry.cell === cell && entry.provider === id) entries.delete(entry)
        if (entries.size === 0) this.#names.delete(key)
      }
    }
  }
}

const diskKey = (provider: string, page: number): string => `${provider}!${page.toString(16).padStart(6, '0')}`

const nameKey = (by: 'capability' | 'cell_type', name: string): string => `${by === 'capability' ? 'c' : 't'}:${name}`

const namesOf = (cell: AnnouncedCell): [key: string, offered: string][] => [
  ...cell.capabilities.map(({ name, version }): [string, string] => [nameKey('capability', name), version]),
  [nameKey('cell_type', cell.cell_type), cell.version],
]
