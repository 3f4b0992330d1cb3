import type { Candidate } from '../../domain/cells/candidate.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { best, compare, isYanked, type Ranked, type SelectionPolicy, tierFloor } from '../../domain/cells/resolver.ts'
import type { Tier } from '../../domain/cells/trust.ts'
import type { DirectoryEntry } from '../../domain/federation/name-index.ts'
import { isHybrid } from '../../kernel/identity/manifest-signature.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'

interface Parts extends SelectionPolicy {
  readonly index: Pick<NodeParts['index'], 'candidates'>
  readonly directory: Pick<NodeParts['directory'], 'find'>
}

/** A candidate that a peer announced or offered. */
export interface Elsewhere extends Candidate {
  readonly provider: string
  /** Absent while only the announcement is known. */
  readonly offer?: VerifiedOffer
  /** Unix milliseconds, of an announcement. */
  readonly announcedAt?: number
}

/** What can be told of the cells that this node holds at security level `maximum`. */
export interface HeldFacts {
  /** Whether the log of this node says that it registered a cell. */
  isLogged(id: string): boolean
  get(id: string): { readonly signature: string } | undefined
}

/** What is held here of a name. At security level `maximum`, with what only the cells themselves and the log can say. */
export function heldOf(
  query: CellQuery,
  { index, trust }: Pick<Parts, 'index' | 'trust'>,
  facts: HeldFacts,
): readonly Candidate[] {
  const held = index.candidates(query.by, query.name)
  if (query.securityLevel !== 'maximum') return held
  return held.map((candidate) => {
    // Nothing else that is held can win, so nothing more need be known of it.
    if (!trust.isPinned(candidate.publisher)) return candidate
    const cell = facts.get(candidate.id)
    const hybrid = cell !== undefined && isHybrid(cell.signature)
    return { ...candidate, hybrid, logged: facts.isLogged(candidate.id) }
  })
}

/** What is known of a name when a request comes. */
export interface Field {
  /** Publishers of what is registered here under that name. */
  readonly vouched: ReadonlySet<string>
  /** What the directory announces, as far as this node may take it. */
  readonly announced: readonly Elsewhere[]
  /** The worst tier that may win. */
  readonly floor: Tier
}

/** Everything that is known of the name that `query` asks for. */
export function fieldOf(query: CellQuery, { index, directory, trust, yanks }: Omit<Parts, 'rankers'>): Field {
  const here = index.candidates(query.by, query.name)
  const vouched = vouchedBy(here)
  const announced: Elsewhere[] = []
  for (const entry of directory.find(query.by, query.name)) {
    if (trust.accepts(entry.cell.publisher)) announced.push(elsewhere(entry, vouched))
  }
  return { vouched, announced, floor: tierFloor(query, [...here, ...announced], { trust, yanks }) }
}

/**
 * The best of what is here, unless something better is announced: then undefined, as when nothing here fits. Nobody's announcements make
 * it slow: most are dismissed by their publisher's tier, and only one that would win is looked at whole.
 */
export function unbeaten(
  query: CellQuery,
  here: readonly Candidate[],
  parts: Omit<Parts, 'index'>,
): Ranked | undefined {
  const { directory, trust, yanks } = parts
  const floor = tierFloor(query, here, parts)
  const winner = best(query, here, parts, floor)
  if (winner === undefined) return undefined
  let vouched: ReadonlySet<string> | undefined
  for (const entry of directory.find(query.by, query.name)) {
    vouched ??= vouchedBy(here)
    const { publisher } = entry.cell
    const tier = trust.tierOf({ publisher, registered: vouched.has(publisher) }, query)
    if (tier > winner.tier || !trust.accepts(publisher)) continue
    const candidate = elsewhere(entry, vouched)
    // Where only unknown publishers offer the name here, one announced cell of a better tier raises the floor above them all.
    if (tier < 3 && floor === 3 && !isYanked(candidate, yanks)) return undefined
    if (compare(query, { candidate, tier }, winner, parts) < 0 && best(query, [candidate], parts, floor) !== undefined)
      return undefined
  }
  return winner
}

const vouchedBy = (here: readonly Candidate[]): ReadonlySet<string> =>
  new Set(here.filter(({ registered }) => registered).map(({ publisher }) => publisher))

const elsewhere = (
  { provider, cell, offered, announcedAt }: DirectoryEntry,
  vouched: ReadonlySet<string>,
): Elsewhere => ({
  id: cell.manifest_digest,
  publisher: cell.publisher,
  cellType: cell.cell_type,
  version: cell.version,
  offered,
  status: cell.status ?? 'active',
  registered: vouched.has(cell.publisher),
  provider,
  announcedAt,
})
