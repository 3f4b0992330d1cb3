import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Receipt } from '../../../protocol/receipt.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { PeerError } from '../../network/peer-error.ts'
import type { NodeParts } from '../parts.ts'
import { askOffers, offerAmong } from './ask-offers.ts'
import { fetchLastChunk } from './fetch-last-chunk.ts'
import { chunkLeaves } from './fetch-package.ts'

type Parts = Pick<NodeParts, 'directory' | 'trust' | 'yanks' | 'network' | 'offerVerifier'>

/** What a probe found. */
export type Finding = Pick<Receipt, 'ok' | 'stage' | 'round_trip_ms' | 'manifest_digest'>

/** Announced cells of a provider of which one is drawn. */
const DRAWN_FROM = 1000

/**
 * Asks a provider for a cell that it announces, drawn at random, and for a few bytes of its package. Undefined where that leads to no verdict: it
 * announces nothing that this node takes, is busy, or what it offers is something that honest nodes may judge differently. Throws the reason of
 * `stopped`.
 */
export async function probe(
  parts: Parts,
  provider: string,
  { signal, stopped }: { signal: AbortSignal; stopped: AbortSignal },
): Promise<Finding | undefined> {
  const cell = drawn(parts, provider)
  if (cell === undefined) return undefined
  const { network } = parts
  const finding = { manifest_digest: cell.manifest_digest, round_trip_ms: null as number | null }
  let stage: Finding['stage'] = 'connect'
  try {
    await network.connect(provider, signal)
    stage = 'answer'
    const from = performance.now()
    const asked = { by: 'cell_type', name: cell.cell_type, range: cell.version } as const
    const cells = await askOffers(network, provider, asked, { deadlineMs: LIMITS.defaultWaitSeconds * 1000, signal })
    finding.round_trip_ms = Math.round(performance.now() - from)
    const offer = await offerAmong(parts, cells, cell.manifest_digest)
    // A partner that does not share answers nothing, and still serves by digest whom it likes.
    if (offer === undefined) return undefined
    stage = 'describe'
    const { digest } = offer.manifest.package
    const description = await network.request(
      provider,
      'package_request',
      { digest, cell_id: cell.manifest_digest },
      { signal },
    )
    if (description.chunks === undefined) return { ...finding, ok: false, stage }
    const leaves = chunkLeaves(offer.manifest.package, description.chunks)
    if (leaves === undefined) return { ...finding, ok: false, stage: 'verify' }
    stage = 'fetch'
    const most = LIMITS.probeBytes
    const isGood = await fetchLastChunk(parts, provider, offer.manifest.package, { leaves, most, signal })
    if (isGood === undefined) return { ...finding, ok: true, stage }
    return { ...finding, ok: isGood, stage: 'verify' }
  } catch (error) {
    stopped.throwIfAborted()
    if (error instanceof ProviderError || (error instanceof PeerError && error.code === 'busy')) return undefined
    return { ...finding, ok: false, stage }
  }
}

/** Of the cells that a provider announces and that this node may take, one. */
function drawn({ directory, trust, yanks }: Parts, provider: string): AnnouncedCell | undefined {
  let drawn: AnnouncedCell | undefined
  let seen = 0
  let fit = 0
  for (const { cell } of directory.cells(provider)) {
    if (seen++ >= DRAWN_FROM) break
    const { manifest_digest: id, publisher, status } = cell
    if (status === 'yanked' || !trust.accepts(publisher) || yanks.isWithdrawn({ id, publisher })) continue
    if (Math.random() < 1 / ++fit) drawn = cell
  }
  return drawn
}
