import { LIMITS } from '../../../protocol/limits.ts'
import type { CellRequest, OfferedCell } from '../../../protocol/rpc.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'

/** A cell type or a capability, and the range of versions. */
export interface AskedName extends Pick<CellRequest, 'by' | 'name'> {
  readonly range?: string | undefined
}

/** How long a provider is waited for; `deadlineMs` is what it is told. */
export interface AskLimits {
  readonly deadlineMs: number
  readonly signal: AbortSignal
}

/** Asks a provider what it holds itself: the question goes no further. Nothing of the answer is verified. */
export async function askOffers(
  network: Pick<NodeParts['network'], 'request'>,
  provider: string,
  { by, name, range }: AskedName,
  { deadlineMs, signal }: AskLimits,
): Promise<readonly OfferedCell[]> {
  const body = {
    by,
    name,
    ...(range === undefined ? {} : { range }),
    deadline_ms: deadlineMs,
    budget: 0,
    limit: LIMITS.cellsPerAnswer,
  }
  const { cells } = await network.request(provider, 'cell_request', body, { signal })
  return cells
}

/** The cell `id` among those that a provider offered; undefined where it is none of them. Throws `ProviderError` for one before it that does not verify. */
export async function offerAmong(
  { offerVerifier, trust }: Pick<NodeParts, 'offerVerifier' | 'trust'>,
  cells: readonly OfferedCell[],
  id: string,
): Promise<VerifiedOffer | undefined> {
  for (const cell of cells) {
    const offer = await offerVerifier.verify(cell, (publisher) => trust.isPinned(publisher))
    if (offer.id === id) return offer
  }
  return undefined
}
