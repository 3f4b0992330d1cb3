import type { CellStatus } from '../../../protocol/annotations.ts'
import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import type { CellRecord } from './records.ts'

const announced = jsonKeyspace<AnnouncedCell>(KEYSPACES.announced)
const openPage = jsonKeyspace<OpenPage>(KEYSPACES.meta)
const OPEN_PAGE = 'announce_page'
const pageUses = jsonKeyspace<PageUse>(KEYSPACES.meta)
const pageKey = (page: number): string => page.toString(16).padStart(6, '0')
const useKey = (page: number): string => `${OPEN_PAGE}:${pageKey(page)}`
const pageLists = jsonKeyspace<readonly number[]>(KEYSPACES.meta)
const FREE_PAGES = 'announce_free_pages'

/** What stands on a page. */
interface PageUse {
  readonly cells: number
  /** Bytes of its cells in an announcement. */
  readonly bytes: number
}

/** The page that is being filled. What stands on the others is in records of their own, written when they were full. */
interface OpenPage extends PageUse {
  readonly page: number
  /** The highest page that was ever filled, when that is another. */
  readonly last?: number
}

/** Bytes of a page's cells: what is left of an announcement beside its addresses and signature. */
const PAGE_BYTES = LIMITS.announcementBytes - 8 * 1024

const announcedCell = (
  id: string,
  { publisher, cell_type, version, capabilities }: Manifest,
  status: CellStatus,
  isCopy: boolean,
): AnnouncedCell => ({
  manifest_digest: id,
  publisher,
  cell_type,
  version,
  capabilities: capabilities.map(({ name, version }) => ({ name, version })),
  ...(status === 'active' ? {} : { status }),
  ...(isCopy ? { copy: true } : {}),
})

/** The longest status, that it is a copy, and the longest counter of a yank, which is added when a page is announced. */
const STATUS_BYTES = ',"status":"in_testing","copy":true,"yank_counter":9007199254740991'.length

/** Bytes that a cell takes on its page, whatever its status: what is announced of it is ASCII; one more for the comma. */
const bytesOf = (id: string, manifest: Manifest): number =>
  JSON.stringify(announcedCell(id, manifest, 'active', false)).length + STATUS_BYTES + 1

/** Whether so much has gone from a page that it may be filled again. */
const isFree = ({ cells, bytes }: PageUse): boolean => cells * 2 <= LIMITS.announcementCells && bytes * 2 <= PAGE_BYTES

/**
 * What this node offers, in pages of at most `LIMITS.announcementCells` cells that fit an announcement, filled in order of arrival: a burst of
 * registrations touches one page only, and a page changes again only when one of its cells goes. When a page is full, the lowest one that
 * has lost half of its cells is filled next, so that there are never many more pages than the cells need.
 */
export class Catalogue {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** The page that the next cell goes to. Counts the cell as there. */
  nextPage(tx: Transaction, id: string, manifest: Manifest): number {
    const open = tx.get(openPage, OPEN_PAGE) ?? { page: 0, cells: 0, bytes: 0 }
    const bytes = bytesOf(id, manifest)
    const fits = open.cells < LIMITS.announcementCells && open.bytes + bytes <= PAGE_BYTES
    const { page, last, cells, bytes: before } = fits ? open : this.#openNext(tx, open)
    tx.put(openPage, OPEN_PAGE, {
      page,
      cells: cells + 1,
      bytes: before + bytes,
      ...(last === undefined || last === page ? {} : { last }),
    })
    return page
  }

  /** Closes the page that is full, and opens the lowest free one. */
  #openNext(tx: Transaction, { page, cells, bytes, last = page }: OpenPage): OpenPage {
    tx.put(pageUses, useKey(page), { cells, bytes })
    const [free, ...others] = tx.get(pageLists, FREE_PAGES) ?? []
    if (free === undefined) return { page: last + 1, cells: 0, bytes: 0 }
    tx.put(pageLists, FREE_PAGES, others)
    return { page: free, last, ...(tx.get(pageUses, useKey(free)) ?? { cells: 0, bytes: 0 }) }
  }

  /** Puts what is said of a cell on its page. */
  add(tx: Transaction, cell: CellRecord): void {
    const isCopy = cell.origin === 'cached'
    tx.put(announced, `${pageKey(cell.page)}!${cell.id}`, announcedCell(cell.id, cell.manifest, cell.status, isCopy))
  }

  remove(tx: Transaction, cell: CellRecord): void {
    tx.delete(announced, `${pageKey(cell.page)}!${cell.id}`)
    const { page } = cell
    const bytes = bytesOf(cell.id, cell.manifest)
    const open = tx.get(openPage, OPEN_PAGE)
    if (open?.page === page) {
      tx.put(openPage, OPEN_PAGE, { ...open, cells: open.cells - 1, bytes: open.bytes - bytes })
      return
    }
    const before = tx.get(pageUses, useKey(page))
    if (before === undefined) return
    const use = { cells: before.cells - 1, bytes: before.bytes - bytes }
    tx.put(pageUses, useKey(page), use)
    if (isFree(before) || !isFree(use)) return
    const free = tx.get(pageLists, FREE_PAGES) ?? []
    tx.put(
      pageLists,
      FREE_PAGES,
      [...free, page].sort((a, b) => a - b),
    )
  }

  /** The cells of a page. */
  async page(page: number): Promise<AnnouncedCell[]> {
    const cells: AnnouncedCell[] = []
    for await (const [, cell] of this.#store.scan(announced, { prefix: `${pageKey(page)}!` })) cells.push(cell)
    return cells
  }

  /** Number of the last page; undefined when nothing was ever offered. */
  lastPage(): number | undefined {
    const open = this.#store.get(openPage, OPEN_PAGE)
    return open?.last ?? open?.page
  }
}
