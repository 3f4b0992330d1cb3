import { LIMITS } from '../../../protocol/limits.ts'
import type { CellListItem, CellListQuery, CellListResponse } from '../../../protocol/repository.ts'
import type { CellNames } from '../../domain/cells/cell-names.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { within } from '../../kernel/base/racing.ts'
import { BusyError } from '../../kernel/text/text-index.ts'
import type { NodeParts } from '../parts.ts'

interface Parts {
  readonly index: Pick<NodeParts['index'], 'candidates'>
  readonly repository: Pick<NodeParts['repository'], 'listed'>
  readonly cellNames: Pick<CellNames, 'caughtUp' | 'search'>
}

/** Milliseconds that a search waits for what was registered just now to be indexed. */
const FRESH_MS = 2000

/**
 * Provider API, "List Available Cells", with `search`: cells of this repository, best first. A capability that fits stands for the cells that offer
 * it. Throws `PROV_013` when too many search at once.
 */
export async function searchCells(
  query: CellListQuery & { readonly search: string },
  parts: Parts,
): Promise<CellListResponse> {
  const { search, limit = LIMITS.defaultPage, offset = 0 } = query
  const { index, repository, cellNames } = parts
  const fits = filterOf(query, parts)
  await within(cellNames.caughtUp(), FRESH_MS, () => undefined)
  const found = new Map<string, CellListItem>()
  const add = (name: string): void => {
    const item = found.has(name) || found.size >= LIMITS.searchResults ? undefined : repository.listed(name)
    if (item !== undefined && fits(item)) found.set(name, item)
  }
  for (const hit of await hitsOf(cellNames, search)) {
    if (hit.id.startsWith('t:')) add(hit.name)
    else for (const { registered, cellType } of index.candidates('capability', hit.name)) if (registered) add(cellType)
  }
  const cells = [...found.values()]
  return { cells: cells.slice(offset, offset + limit), total_count: cells.length, limit, offset }
}

async function hitsOf(cellNames: Parts['cellNames'], text: string) {
  try {
    return await cellNames.search(text, { limit: LIMITS.searchResults })
  } catch (error) {
    if (!(error instanceof BusyError)) throw error
    throw new ProviderError('PROV_013', 'too many searches wait already: try again later', { cause: error })
  }
}

/** The filters of the list without a search, for one cell. */
function filterOf(
  { capability, version }: CellListQuery,
  { index }: Pick<Parts, 'index'>,
): (item: CellListItem) => boolean {
  if (capability === undefined) {
    return (item) => version === undefined || item.versions.some((other) => other.version === version)
  }
  const offering = index
    .candidates('capability', capability)
    .filter((candidate) => candidate.registered && (version === undefined || candidate.version === version))
  const names = new Set(offering.map(({ cellType }) => cellType))
  return (item) => names.has(item.cell_type)
}
