import type { AnnouncedCell, Announcement } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { jsonKeyspace, KEYSPACES, textKeyspace } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'
import { type DirectoryEntry, NameIndex } from './name-index.ts'

export type { DirectoryEntry }

const announcements = jsonKeyspace<Announcement>(KEYSPACES.announcements)
/** The same, as it is sent. */
const announcementTexts = textKeyspace(KEYSPACES.announcements)

/** How much to remember, so that nobody's announcements displace everybody else's. A page without cells counts as one. */
export interface DirectoryLimits {
  readonly maxCells: number
  readonly maxCellsPerProvider: number
}

interface Page {
  readonly sequence: number
  readonly expiresAt: number
  readonly cells: readonly AnnouncedCell[]
  /** Its entries in the index of names. */
  readonly entries: readonly (readonly [name: string, entry: DirectoryEntry])[]
}

interface Provider {
  readonly pages: Map<number, Page>
  cells: number
  /** What it takes of the limits. */
  room: number
}

/** What a page takes of the limits: empty pages are remembered too. */
const roomOf = (page: { readonly cells: readonly AnnouncedCell[] } | undefined): number =>
  page === undefined
    ? 0
    : Math.max(
        1,
        page.cells.reduce((sum, cell) => sum + cell.capabilities.length, 0),
      )

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
  readonly #names = new NameIndex()
  #cells = 0
  #room = 0
  #loaded = false
  #watcher: ((names: readonly string[]) => void) | undefined
  #recordWatcher: ((key: string, announcement: Announcement | undefined) => void) | undefined

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

  /** Providers with at least one cell, with the number of their cells. */
  *providers(): Generator<[id: string, cells: number]> {
    for (const [id, { cells }] of this.#providers) if (cells > 0) yield [id, cells]
  }

  /** Every cell that is announced, of one provider if it is given. The directory may change while this goes on. */
  *cells(provider?: string): Generator<{ readonly provider: string; readonly cell: AnnouncedCell }> {
    const now = this.#clock.now()
    for (const id of provider === undefined ? [...this.#providers.keys()] : [provider]) {
      for (const page of [...(this.#providers.get(id)?.pages.values() ?? [])]) {
        if (page.expiresAt <= now) continue
        for (const cell of page.cells) yield { provider: id, cell }
      }
    }
  }

  /** Some of the capabilities that a provider offers: at most `limit` names, from at most as many cells. */
  capabilitiesOf(provider: string, limit: number): { name: string; versions: string[] }[] {
    const versions = new Map<string, Set<string>>()
    let seen = 0
    for (const { cells } of this.#providers.get(provider)?.pages.values() ?? []) {
      for (const { capabilities } of cells) {
        if (seen++ === limit) return listed(versions, limit)
        for (const { name, version } of capabilities) {
          versions.set(name, (versions.get(name) ?? new Set()).add(version))
        }
      }
    }
    return listed(versions, limit)
  }

  /** Forgets everything that a provider announced. Durable when it resolves. */
  async forget(id: string): Promise<void> {
    const provider = this.#providers.get(id)
    for (const [number, page] of [...(provider?.pages ?? [])]) this.#drop(provider!, number, page)
    this.#providers.delete(id)
    const keys: string[] = []
    for await (const key of this.#store.keys(announcements, { prefix: `${id}!` })) keys.push(key)
    if (keys.length === 0) return
    await this.#store.transact((tx) => {
      for (const key of keys) tx.delete(announcements, key)
    })
    for (const key of keys) this.#recordWatcher?.(key, undefined)
  }

  /** Reads what is on disk from before. */
  async load(): Promise<void> {
    const now = this.#clock.now()
    for await (const [, announcement] of this.#store.scan(announcements)) {
      const { provider_id: id, page, sequence } = announcement
      if (id === this.#self || isForgettable(announcement, now)) continue
      // What arrived meanwhile may be newer.
      if (sequence <= (this.#providers.get(id)?.pages.get(page)?.sequence ?? -1)) continue
      this.#apply(announcement.expires_at > now ? announcement : { ...announcement, cells: [] })
    }
    this.#loaded = true
  }

  /** Whether an announcement is newer than what is known of its page, in memory or on disk, as far as its sequence says. */
  isNews({ provider_id: id, page, sequence }: Announcement): boolean {
    if (id === this.#self) return false
    const known = this.#providers.get(id)?.pages.get(page)
    const least = LIMITS.announcementIntervalMs
    if (known !== undefined) return sequence >= known.sequence + least
    return this.#loaded || sequence >= this.keptSequence(id, page) + least
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

  /**
   * Puts announcements on disk, all or none, for peers that join. This node's own ones are kept so and not looked up. One that is not
   * newer than what is there is left out.
   */
  async keep(...news: readonly Announcement[]): Promise<void> {
    const written = await this.#store.transact((tx) =>
      news.filter((announcement) => {
        const key = diskKey(announcement.provider_id, announcement.page)
        const kept = tx.get(announcements, key)
        if (kept !== undefined && kept.sequence >= announcement.sequence) return false
        tx.put(announcements, key, announcement)
        return true
      }),
    )
    for (const announcement of written) {
      this.#recordWatcher?.(diskKey(announcement.provider_id, announcement.page), announcement)
    }
  }

  /** The announcement on disk. */
  kept(provider: string, page: number): Announcement | undefined {
    return this.#store.get(announcements, diskKey(provider, page))
  }

  /** Sequence of the announcement on disk; 0 when there is none. */
  keptSequence(provider: string, page: number): number {
    return this.kept(provider, page)?.sequence ?? 0
  }

  /** Who offers a name, in no order; at most `LIMITS.announcedPerName`. */
  *find(by: 'capability' | 'cell_type', name: string): Generator<DirectoryEntry> {
    const now = this.#clock.now()
    for (const entry of this.#names.find(nameKey(by, name))) {
      if (entry.expiresAt > now) yield entry
    }
  }

  /** Whether anybody offers a name. */
  has(by: 'capability' | 'cell_type', name: string): boolean {
    return this.#names.has(nameKey(by, name))
  }

  /** Every name that somebody offers, as `c:<capability>` and `t:<cell type>`. */
  names(): Iterable<string> {
    return this.#names.names()
  }

  /** Tells `watcher` of names that nobody offered before, or nobody offers any more. */
  watch(watcher: (names: readonly string[]) => void): void {
    this.#watcher = watcher
  }

  /** Every announcement on disk with its key, this node's own ones among them. */
  records(): AsyncIterable<[key: string, announcement: Announcement]> {
    return this.#store.scan(announcements)
  }

  /** The announcement on disk with a key of {@link records}. */
  record(key: string): Announcement | undefined {
    return this.#store.get(announcements, key)
  }

  /** Tells `watcher` of announcements that are on disk from now on, or no more. */
  watchRecords(watcher: (key: string, announcement: Announcement | undefined) => void): void {
    this.#recordWatcher = watcher
  }

  /** A page of the announcements that are on disk, as the JSON text of an array, for a peer that joins. */
  async page(
    after: string | undefined,
    limits: { maxBytes: number; maxCount: number },
  ): Promise<{ json: string; next?: string }> {
    const now = this.#clock.now()
    const texts: string[] = []
    let bytes = 0
    let last: string | undefined
    for await (const [key, text] of this.#store.scan(announcementTexts, after === undefined ? {} : { after })) {
      const size = Buffer.byteLength(text)
      if (last !== undefined && (bytes + size > limits.maxBytes || texts.length >= limits.maxCount)) {
        return { json: `[${texts.join(',')}]`, next: last }
      }
      last = key
      if (expiryOf(text) <= now) continue
      texts.push(text)
      bytes += size
    }
    return { json: `[${texts.join(',')}]` }
  }

  /** Drops what has expired. Its sequence stays known, in memory and on disk, until nothing older could come back in its place. */
  async sweep(): Promise<void> {
    const now = this.#clock.now()
    for (const [id, provider] of this.#providers) {
      for (const [number, page] of [...provider.pages]) {
        if (page.expiresAt > now) continue
        this.#watched([page.cells], () => {
          this.#drop(provider, number, page)
          if (!isForgettable(page, now)) this.#put(id, provider, number, { ...page, cells: [] })
        })
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
    this.#watched([before?.cells ?? [], cells], () => {
      if (before !== undefined) this.#drop(provider, number, before)
      this.#put(id, provider, number, { sequence, expiresAt, cells })
    })
  }

  /** Tells the watcher which names of these cells a change brought or took. */
  #watched(cells: readonly (readonly AnnouncedCell[])[], change: () => void): void {
    const names = new Set(cells.flat().flatMap((cell) => namesOf(cell).map(([name]) => name)))
    const before = new Map(Array.from(names, (name) => [name, this.#names.has(name)]))
    change()
    const changed = [...names].filter((name) => this.#names.has(name) !== before.get(name))
    if (changed.length > 0) this.#watcher?.(changed)
  }

  #put(id: string, provider: Provider, number: number, page: Omit<Page, 'entries'>): void {
    const { sequence, expiresAt, cells } = page
    const entries: [string, DirectoryEntry][] = []
    for (const cell of cells) {
      for (const [name, offered] of namesOf(cell)) {
        const entry: DirectoryEntry = { provider: id, cell, offered, announcedAt: sequence, expiresAt }
        if (this.#names.add(name, entry)) entries.push([name, entry])
      }
    }
    provider.pages.set(number, { sequence, expiresAt, cells, entries })
    provider.cells += cells.length
    provider.room += roomOf(page)
    this.#cells += cells.length
    this.#room += roomOf(page)
  }

  #drop(provider: Provider, number: number, page: Page): void {
    provider.pages.delete(number)
    provider.cells -= page.cells.length
    provider.room -= roomOf(page)
    this.#cells -= page.cells.length
    this.#room -= roomOf(page)
    for (const [name, entry] of page.entries) this.#names.delete(name, entry)
  }
}

const listed = (versions: ReadonlyMap<string, Set<string>>, limit: number): { name: string; versions: string[] }[] =>
  Array.from(versions, ([name, all]) => ({ name, versions: [...all] })).slice(0, limit)

/** `expires_at` of an announcement's JSON text, without parsing its cells. Inside a string, the quotes would be escaped. */
const expiryOf = (text: string): number => Number(/"expires_at":(\d+)/.exec(text)?.[1])

const diskKey = (provider: string, page: number): string => `${provider}!${page.toString(16).padStart(6, '0')}`

const nameKey = (by: 'capability' | 'cell_type', name: string): string => `${by === 'capability' ? 'c' : 't'}:${name}`

const namesOf = (cell: AnnouncedCell): [key: string, offered: string][] => [
  ...cell.capabilities.map(({ name, version }): [string, string] => [nameKey('capability', name), version]),
  [nameKey('cell_type', cell.cell_type), cell.version],
]
