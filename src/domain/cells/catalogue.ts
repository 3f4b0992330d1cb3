import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import type { CellRecord } from './records.ts'

const announced = jsonKeyspace<AnnouncedCell>(KEYSPACES.announced)
const openPage = jsonKeyspace<{ page: number; cells: number; bytes: number }>(KEYSPACES.meta)
const OPEN_PAGE = 'announce_page'

/** Bytes of a page's cells: what is left of an announcement beside its addresses and signature. */
const PAGE_BYTES = LIMITS.announcementBytes - 8 * 1024

const announcedCell = (id: string, { publisher, cell_type, version, capabilities }: Manifest): AnnouncedCell => ({
  manifest_digest: id,
  publisher,
  cell_type,
  version,
  capabilities: capabilities.map(({ name, version }) => ({ name, version })),
})

const pageKey = (page: number): string => page.toString(16).padStart(6, '0')

/**
 * What this node offers, in pages of at most `LIMITS.announcementCells` cells that fit an announcement, filled in order of arrival: a burst of
 * registrations touches the last page only, and a page changes again only when one of its cells goes.
 */
export class Catalogue {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** The page that the next cell goes to. */
  nextPage(tx: Transaction, id: string, manifest: Manifest): number {
    const open = tx.get(openPage, OPEN_PAGE) ?? { page: 0, cells: 0, bytes: 0 }
    // What is announced of a cell is ASCII; one more for the comma.
    const bytes = JSON.stringify(announcedCell(id, manifest)).length + 1
    const fits = open.cells < LIMITS.announcementCells && open.bytes + bytes <= PAGE_BYTES
    const next = fits
      ? { page: open.page, cells: open.cells + 1, bytes: open.bytes + bytes }
      : { page: open.page + 1, cells: 1, bytes }
    tx.put(openPage, OPEN_PAGE, next)
    return next.page
  }

  add(tx: Transaction, cell: CellRecord): void {
    tx.put(announced, `${pageKey(cell.page)}!${cell.id}`, announcedCell(cell.id, cell.manifest))
  }

  remove(tx: Transaction, cell: CellRecord): void {
    tx.delete(announced, `${pageKey(cell.page)}!${cell.id}`)
  }

  /** The cells of a page. */
  async page(page: number): Promise<AnnouncedCell[]> {
    const cells: AnnouncedCell[] = []
    for await (const [, cell] of this.#store.scan(announced, { prefix: `${pageKey(page)}!` })) cells.push(cell)
    return cells
  }

  /** Number of the last page; undefined when nothing was ever offered. */
  lastPage(): number | undefined {
    return this.#store.get(openPage, OPEN_PAGE)?.page
  }
}
