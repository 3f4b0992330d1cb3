import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import type { Candidate } from '../../domain/cells/candidate.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { best, compare, type Ranked, tierFloor } from '../../domain/cells/resolver.ts'
import type { Tier } from '../../domain/cells/trust.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'

interface Parts extends Pick<NodeParts, 'trust' | 'rankers'> {
  readonly vulnerabilities: Pick<NodeParts['vulnerabilities'], 'openCritical'>
  readonly index: Pick<NodeParts['index'], 'candidates'>
  readonly directory: Pick<NodeParts['directory'], 'find'>
}

/** A candidate that a peer announced or offered. */
export interface Elsewhere extends Candidate {
  readonly provider: string
  /** Absent while only the announcement is known. */
  readonly offer?: VerifiedOffer
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
export function fieldOf(
  query: CellQuery,
  { index, directory, trust }: Omit<Parts, 'rankers' | 'vulnerabilities'>,
): Field {
  const here = index.candidates(query.by, query.name)
  const vouched = vouchedBy(here)
  const announced: Elsewhere[] = []
  for (const { provider, cell, offered } of directory.find(query.by, query.name)) {
    if (trust.accepts(cell.publisher)) announced.push(elsewhere(provider, cell, offered, vouched))
  }
  return { vouched, announced, floor: tierFloor(query, [...here, ...announced], trust) }
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
  const { directory, trust } = parts
  const floor = tierFloor(query, here, trust)
  const winner = best(query, here, parts, floor)
  if (winner === undefined) return undefined
  const vouched = vouchedBy(here)
  for (const { provider, cell, offered } of directory.find(query.by, query.name)) {
    const { publisher } = cell
    const tier = trust.tierOf({ publisher, registered: vouched.has(publisher) }, query)
    if (tier > winner.tier || !trust.accepts(publisher)) continue
    // Where only unknown publishers offer the name here, one announced cell of a better tier raises the floor above them all.
    if (tier < 3 && floor === 3) return undefined
    const candidate = elsewhere(provider, cell, offered, vouched)
    if (compare(query, { candidate, tier }, winner, parts) < 0 && best(query, [candidate], parts, floor) !== undefined)
      return undefined
  }
  return winner
}

const vouchedBy = (here: readonly Candidate[]): ReadonlySet<string> =>
  new Set(here.filter(({ registered }) => registered).map(({ publisher }) => publisher))

const elsewhere = (
  provider: string,
  { manifest_digest: id, publisher, cell_type: cellType, version }: AnnouncedCell,
  offered: string,
  vouched: ReadonlySet<string>,
): Elsewhere => ({
  id,
  publisher,
  cellType,
  version,
  offered,
  status: 'active',
  registered: vouched.has(publisher),
  provider,
})
