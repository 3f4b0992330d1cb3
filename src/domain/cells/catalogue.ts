import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import type { CellRecord } from './records.ts'

const announced = jsonKeyspace<AnnouncedCell>(KEYSPACES.announced)
const openPage = jsonKeyspace<{ page: number; cells: number }>(KEYSPACES.meta)
const OPEN_PAGE = 'announce_page'

const pageKey = (page: number): string => page.toString(16).padStart(6, '0')

/**
 * What this node offers, in pages of at most `LIMITS.announcementCells` cells, filled in order of arrival: a burst of registrations touches the
 * last page only, and a page changes again only when one of its cells goes.
 */
export class Catalogue {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** The page that the next cell goes to. */
  nextPage(tx: Transaction): number {
    const open = tx.get(openPage, OPEN_PAGE) ?? { page: 0, cells: 0 }
    const next =
      open.cells < LIMITS.announcementCells ? { ...open, cells: open.cells + 1 } : { page: open.page + 1, cells: 1 }
    tx.put(openPage, OPEN_PAGE, next)
    return next.page
  }

  add(tx: Transaction, cell: CellRecord): void {
    const { manifest } = cell
    tx.put(announced, `${pageKey(cell.page)}!${cell.id}`, {
      manifest_digest: cell.id,
      publisher: manifest.publisher,
      cell_type: manifest.cell_type,
      version: manifest.version,
      capabilities: manifest.capabilities.map(({ name, version }) => ({ name, version })),
    })
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
