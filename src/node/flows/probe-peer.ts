import { LIMITS } from '../../../protocol/limits.ts'
import type { ProbeRequest, ProbeResponse } from '../../../protocol/rpc.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { NodeParts } from '../parts.ts'
import { askOffers, offerAmong } from './ask-offers.ts'
import { fetchLastChunk } from './fetch-last-chunk.ts'
import { describePackage } from './fetch-package.ts'

type Parts = Pick<NodeParts, 'config' | 'directory' | 'network' | 'offerVerifier' | 'trust' | 'clock'>

/** A cell that is looked for at one provider. */
export type ProbedCell = Pick<ProbeRequest, 'capability' | 'version' | 'cell_id' | 'digest'>

export type ProbeResult = Omit<ProbeResponse, 'type' | 'id'>

/** Milliseconds for a whole probe. */
const PROBE_MS = 10_000
/** Milliseconds after which a peer is probed again because it asks for it. */
const AGAIN_MS = 60_000
/** Probes at once for peers that ask for it. */
const AT_ONCE = 4
/** Peers whose last probe is remembered; each entry is forgotten after a minute. */
const REMEMBERED = 1000

/**
 * Looks for a cell at one provider as a request would: in what the provider announced, by asking it, and by fetching the last chunk, which
 * bounds what the provider can send. Nothing is stored. Never throws.
 */
export async function probePeer(parts: Parts, provider: string, cell: ProbedCell): Promise<ProbeResult> {
  const announced = isAnnounced(parts, provider, cell)
  const found = { tried: true, announced, resolved: false, fetched: false }
  const signal = AbortSignal.timeout(PROBE_MS)
  let reason = announced ? undefined : 'no announcement of that cell has arrived'
  try {
    const asked = { by: 'capability', name: cell.capability, range: cell.version } as const
    const cells = await askOffers(parts.network, provider, asked, { deadlineMs: PROBE_MS, signal })
    found.resolved = (await offerAmong(parts, cells, cell.cell_id)) !== undefined
    if (!found.resolved) reason ??= 'that cell is not among those offered for the capability'
    else {
      const { offer, leaves } = await describePackage(parts, provider, cell.digest, cell.cell_id)
      const limits = { leaves, most: LIMITS.chunkBytes, signal }
      found.fetched = (await fetchLastChunk(parts, provider, offer.manifest.package, limits)) === true
    }
    if (found.resolved && !found.fetched) reason ??= 'the last chunk is not the one that the publisher signed'
  } catch (error) {
    reason ??= signal.aborted ? `nothing more arrived within ${PROBE_MS / 1000} s` : errorMessage(error)
  }
  return { ...found, ...(reason === undefined ? {} : { reason: reason.slice(0, LIMITS.reasonLength).toWellFormed() }) }
}

function isAnnounced({ directory }: Pick<Parts, 'directory'>, provider: string, cell: ProbedCell): boolean {
  for (const entry of directory.find('capability', cell.capability)) {
    if (entry.provider === provider && entry.cell.manifest_digest === cell.cell_id) return true
  }
  return false
}

/** Probes peers that ask for it, each once a minute and few at once. */
export class Prober {
  readonly #parts: Parts
  readonly #last = new Map<string, number>()
  #underWay = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async probe(peer: string, cell: ProbedCell): Promise<ProbeResult> {
    const now = this.#parts.clock.now()
    for (const [other, at] of this.#last) if (now - at >= AGAIN_MS) this.#last.delete(other)
    if (this.#last.has(peer)) return untried('you were probed in the last minute')
    if (this.#underWay >= AT_ONCE || this.#last.size >= REMEMBERED) return untried('others are being probed')
    this.#last.set(peer, now)
    this.#underWay++
    try {
      return await probePeer(this.#parts, peer, cell)
    } finally {
      this.#underWay--
    }
  }
}

const untried = (reason: string): ProbeResult => ({
  tried: false,
  announced: false,
  resolved: false,
  fetched: false,
  reason,
})
