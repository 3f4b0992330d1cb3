import { compare } from 'semver'
import { fromHex, toHex } from '../../kernel/base/bytes.ts'
import { leafHash, merkleRoot } from '../../kernel/base/merkle.ts'

/** A document cell that this node holds. */
export interface SourceCell {
  /** SHA-256 of its manifest. */
  readonly id: string
  readonly publisher: string
  readonly cellType: string
  readonly version: string
  /** `sha256:…`, of its bytes. */
  readonly digest: string
  readonly size: number
  readonly mediaType: string
  readonly domain?: string
  readonly jurisdiction?: string
  readonly status: string
}

/** Bytes of a document that questions are answered from: a book. What is longer would hold up everything else while it is read. */
export const MAX_SOURCE_BYTES = 1024 * 1024

/** Which cells a question is answered from. */
export interface CorpusRules {
  /** Any unless given. */
  readonly domain?: string | undefined
  readonly jurisdiction?: string | undefined
  /** Whether the operator of this node approved the cell's publisher for the domain. */
  approved(cell: SourceCell): boolean
  /** Whether a cell is yanked, or its signature does not count any more. */
  isWithdrawn(cell: SourceCell): boolean
  /** Whether constraints of the question allow it as a source. */
  allows(cell: SourceCell): boolean
}

/** What a question is answered from. */
export interface Corpus {
  /** In ascending order of ids. */
  readonly cells: readonly SourceCell[]
  /** RFC 9162 root over their ids. */
  readonly root: string
  /** Whether there would be sources if the question named no jurisdiction. */
  readonly hasOthers: boolean
}

/** protocol/README.md, "Corpus". */
export function corpusOf(cells: Iterable<SourceCell>, rules: CorpusRules): Corpus {
  const inDomain = [...newestOf(cells, rules)].filter(
    (cell) => cell.domain === (rules.domain ?? cell.domain) && isReadable(cell) && rules.approved(cell),
  )
  const fitting = inDomain.filter(
    ({ jurisdiction }) =>
      rules.jurisdiction === undefined || (jurisdiction ?? rules.jurisdiction) === rules.jurisdiction,
  )
  const allowed = fitting.filter((cell) => rules.allows(cell)).sort((a, b) => (a.id < b.id ? -1 : 1))
  return { cells: allowed, root: corpusRoot(allowed.map(({ id }) => id)), hasOthers: inDomain.length > fitting.length }
}

/** RFC 9162 root over cell ids, which are in ascending order. */
export const corpusRoot = (ids: readonly string[]): string => toHex(merkleRoot(ids.map((id) => leafHash(fromHex(id)))))

const isReadable = ({ mediaType, size }: SourceCell): boolean =>
  mediaType.startsWith('text/') && size <= MAX_SOURCE_BYTES

/** The newest version of each publisher's cell type that is active; of two cells with one version, that with the smaller id. */
function newestOf(cells: Iterable<SourceCell>, { isWithdrawn }: CorpusRules): Iterable<SourceCell> {
  const newest = new Map<string, SourceCell>()
  for (const cell of cells) {
    if (cell.status !== 'active' || isWithdrawn(cell)) continue
    const name = `${cell.publisher}/${cell.cellType}`
    const known = newest.get(name)
    if (known === undefined || isNewer(cell, known)) newest.set(name, cell)
  }
  return newest.values()
}

function isNewer(cell: SourceCell, known: SourceCell): boolean {
  const order = compare(cell.version, known.version)
  return order === 0 ? cell.id < known.id : order > 0
}
