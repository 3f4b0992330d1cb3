import type { DoctorCheck } from '../../../protocol/doctor.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { ConnectedPeer } from '../../network/peers.ts'
import type { NodeParts } from '../parts.ts'
import { askOffers, offerAmong } from './ask-offers.ts'
import { failed, ok, skipped } from './doctor-checks.ts'
import { type ProbedCell, type ProbeResult, probePeer } from './probe-peer.ts'

type Parts = Pick<
  NodeParts,
  'config' | 'clock' | 'index' | 'catalogue' | 'yanks' | 'directory' | 'network' | 'offerVerifier' | 'trust'
>

/** Milliseconds for a peer's answer: its own probe takes up to ten seconds. */
const ANSWER_MS = 12_000
/** Peers that are asked until one has time. */
const ASKED = 2
/** Capabilities of a peer that are looked at for a cell to ask for. */
const LOOKED_AT = 8

/** A probe in one of the two directions. */
interface Probe {
  readonly peer: string
  readonly result: ProbeResult
}

/** Whether a peer finds a cell of this node, and this node one of a peer's. */
export async function checkCells(parts: Parts, peers: readonly ConnectedPeer[]): Promise<DoctorCheck[]> {
  const own = await ownCell(parts)
  const none = peers.length === 0 ? 'no peer to ask' : undefined
  const [theirs, ours] = await Promise.all([
    own === undefined ? undefined : askPeers(parts, peers, own),
    askOfPeers(parts, peers),
  ])
  const noOwn = own === undefined ? 'no cell is registered here' : 'no peer had time to look'
  return [
    announced(theirs, none ?? noOwn),
    both('resolve', theirs, ours, none ?? `${noOwn}, and no connected peer announces one`),
    both('fetch', theirs, ours, none ?? `${noOwn}, and no connected peer announces one`),
  ]
}

/** A cell of this node that every request for one of its capabilities would bring up, of the page announced last. */
async function ownCell({ catalogue, index, yanks }: Parts): Promise<ProbedCell | undefined> {
  const last = catalogue.lastPage()
  if (last === undefined) return undefined
  let best: (ProbedCell & { readonly size: number }) | undefined
  for (const { manifest_digest: id } of await catalogue.page(last)) {
    const cell = index.get(id)
    const [capability] = cell?.manifest.capabilities ?? []
    if (cell === undefined || capability === undefined || cell.status !== 'active') continue
    if (yanks.isWithdrawn({ id, publisher: cell.manifest.publisher })) continue
    const { digest, size } = cell.manifest.package
    if (best === undefined || size < best.size) {
      best = { capability: capability.name, version: capability.version, cell_id: id, digest, size }
    }
  }
  return best
}

/** Lets peers look for an own cell, until one has done so. Undefined when none did. */
async function askPeers(
  { network }: Parts,
  peers: readonly ConnectedPeer[],
  cell: ProbedCell,
): Promise<Probe | undefined> {
  const { capability, version, cell_id, digest } = cell
  for (const { providerId } of peers.slice(0, ASKED)) {
    try {
      const signal = AbortSignal.timeout(ANSWER_MS)
      const result = await network.request(
        providerId,
        'probe_request',
        { capability, version, cell_id, digest },
        { signal },
      )
      if (result.tried) return { peer: providerId, result }
    } catch {
      // An older node, or one that is gone: the next may do.
    }
  }
  return undefined
}

/** Looks for a cell that a connected peer announces. Undefined when none does. */
async function askOfPeers(parts: Parts, peers: readonly ConnectedPeer[]): Promise<Probe | undefined> {
  for (const { providerId } of peers) {
    for (const { name } of parts.directory.capabilitiesOf(providerId, LOOKED_AT)) {
      for (const { provider, cell, offered } of parts.directory.find('capability', name)) {
        if (provider !== providerId || (cell.status ?? 'active') !== 'active') continue
        try {
          return { peer: providerId, result: await lookFor(parts, providerId, name, offered, cell.manifest_digest) }
        } catch (error) {
          const reason = errorMessage(error)
          return { peer: providerId, result: { tried: true, announced: true, resolved: false, fetched: false, reason } }
        }
      }
    }
  }
  return undefined
}

/** The digest of its package is not announced, so the cell is asked for first. */
async function lookFor(
  parts: Parts,
  peer: string,
  capability: string,
  version: string,
  id: string,
): Promise<ProbeResult> {
  const asked = { by: 'capability', name: capability, range: version } as const
  const limits = { deadlineMs: ANSWER_MS, signal: AbortSignal.timeout(ANSWER_MS) }
  const offer = await offerAmong(parts, await askOffers(parts.network, peer, asked, limits), id)
  if (offer === undefined) throw new Error('it did not offer the cell that it announces')
  const { digest } = offer.manifest.package
  return probePeer(parts, peer, { capability, version, cell_id: id, digest })
}

function announced(theirs: Probe | undefined, none: string): DoctorCheck {
  if (theirs === undefined) return skipped('announce', none)
  const { peer, result } = theirs
  if (result.announced) return ok('announce', `peer ${peer} knows what this node offers`)
  return failed(
    'announce',
    `peer ${peer} has not heard of a cell that is registered here`,
    'Wait a moment after registering; if it stays so, look for "announcement" in the log of this node, and compare the clocks',
  )
}

function both(
  stage: 'resolve' | 'fetch',
  theirs: Probe | undefined,
  ours: Probe | undefined,
  none: string,
): DoctorCheck {
  const key = stage === 'resolve' ? 'resolved' : 'fetched'
  const what = stage === 'resolve' ? 'find' : 'fetch'
  if (theirs !== undefined && !theirs.result[key]) {
    return failed(
      stage,
      `peer ${theirs.peer} could not ${what} a cell of this node: ${theirs.result.reason ?? 'it did not say why'}`,
      stage === 'resolve'
        ? 'Mend dial_back first; then look at the log of this node'
        : 'Look at the log of this node for broken transfers, and at the store',
    )
  }
  if (ours !== undefined && !ours.result[key]) {
    return failed(
      stage,
      `this node could not ${what} a cell of peer ${ours.peer}: ${ours.result.reason ?? 'nothing arrived'}`,
      'That may be the trouble of the peer: try again, and with another peer',
    )
  }
  const words = [
    ...(theirs === undefined ? [] : [`peer ${theirs.peer} could ${what} a cell of this node`]),
    ...(ours === undefined ? [] : [`this node could ${what} one of peer ${ours.peer}`]),
  ]
  return words.length > 0 ? ok(stage, words.join(', ')) : skipped(stage, none)
}
