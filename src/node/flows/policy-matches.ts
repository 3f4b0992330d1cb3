import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { follows, newestFirst } from '../../domain/cells/follow.ts'
import type { PolicyInForce } from '../../domain/cells/replication-orders.ts'
import { TIERS } from '../../domain/cells/trust.ts'
import type { NodeParts } from '../parts.ts'

/** A cell that a policy is about, and who announces it. */
export interface Match {
  readonly cell: AnnouncedCell
  readonly providers: string[]
}

/** Cells that are looked at before others get their turn. */
const CELLS_PER_TURN = 2000

/** Counts what is looked at, and lets others have their turn now and then. Rejects when the signal aborts. */
export function turns(signal: AbortSignal): () => Promise<void> | undefined {
  let looked = 0
  return () => {
    if (++looked % CELLS_PER_TURN !== 0) return undefined
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => signal.throwIfAborted())
  }
}

/** What a policy is about, in the order in which it is kept: by trust in the publishers, then newest versions first. */
export async function policyMatches(
  parts: Pick<NodeParts, 'directory' | 'trust' | 'yanks' | 'partners'>,
  policy: PolicyInForce,
  signal: AbortSignal,
): Promise<Match[]> {
  const { directory, trust, yanks } = parts
  if (policyObjection(parts, policy) !== undefined) return []
  const found = new Map<string, Match>()
  const turn = turns(signal)
  for (const { provider, cell } of directory.cells(policy.partner)) {
    await turn()
    const { manifest_digest: id, publisher, status } = cell
    if (!follows(policy, cell, provider) || !trust.accepts(publisher)) continue
    if (status === 'yanked' || yanks.isWithdrawn({ id, publisher })) continue
    const known = found.get(id)
    if (known === undefined) found.set(id, { cell, providers: [provider] })
    else if (known.providers.length < LIMITS.askBudget) known.providers.push(provider)
  }
  const tiers = TIERS.map((): Match['cell'][] => [])
  const byCell = new Map<Match['cell'], Match>()
  for (const match of found.values()) {
    tiers[trust.tierOf({ publisher: match.cell.publisher, registered: false }, {})]!.push(match.cell)
    byCell.set(match.cell, match)
  }
  return tiers.flatMap((cells) => newestFirst(cells)).map((cell) => byCell.get(cell)!)
}

/** Why a policy leads to nothing; undefined where it may. */
export function policyObjection(
  { trust, partners }: Pick<NodeParts, 'trust' | 'partners'>,
  { publisher, partner }: PolicyInForce,
): string | undefined {
  if (publisher !== undefined && !trust.accepts(publisher)) {
    return 'this node takes only cells of pinned publishers (publishers.accept), and this one is not pinned'
  }
  if (partner === undefined) return undefined
  const record = partners.get(partner)
  if (record === undefined) return `${partner} is no partner of this node`
  return record.trust_level === 'untrusted' ? 'the partner is untrusted: nothing is accepted from it' : undefined
}
