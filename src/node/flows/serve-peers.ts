import { LIMITS } from '../../../protocol/limits.ts'
import type { CellRequest, YankRequest } from '../../../protocol/rpc.ts'
import { offeredCell } from '../../domain/cells/records.ts'
import { inRange } from '../../domain/cells/resolver.ts'
import type { EventMap } from '../../kernel/telemetry/events.ts'
import type { NetworkHandlers } from '../../network/network.ts'
import type { NodeGoals } from '../goals.ts'
import type { NodeParts } from '../parts.ts'
import type { GoalLogs } from './goal-logs.ts'
import type { YankLane } from './gossip-yanks.ts'
import type { Learner } from './learn.ts'
import type { LogProofs } from './log-proofs.ts'
import { openHere } from './open-package.ts'
import { Prober } from './probe-peer.ts'
import type { CheckpointPublisher } from './publish-checkpoints.ts'
import type { Reconciler } from './reconcile.ts'
import type { QuestionRelay } from './relay-question.ts'
import { type LogWatcher, logRecords } from './watch-logs.ts'
import type { LogWitness } from './witness-logs.ts'

type Parts = Pick<
  NodeParts,
  | 'config'
  | 'clock'
  | 'index'
  | 'yanks'
  | 'blobs'
  | 'cache'
  | 'directory'
  | 'partners'
  | 'events'
  | 'log'
  | 'knownLogs'
  | 'keys'
  | 'receipts'
  | 'network'
  | 'offerVerifier'
  | 'trust'
>

/** Bytes of announcements in one answer: below the limit of a frame, with room for its envelope. */
const PAGE_BYTES = LIMITS.frameBytes / 2
const PAGE_COUNT = 64
/** Bytes of an answer beside its list. */
const ENVELOPE_BYTES = 64

const FOUND: EventMap['request_answered'] = { door: 'p2p', outcome: 'success', source: 'local' }
const NOT_FOUND: EventMap['request_answered'] = { door: 'p2p', outcome: 'not_found', source: 'none' }

/** Who answers. */
interface Flows {
  readonly learner: Pick<Learner, 'gossiped'>
  readonly proofs: Pick<LogProofs, 'registration' | 'prove'>
  readonly relay: Pick<QuestionRelay, 'answer'>
  readonly yankLane: Pick<YankLane, 'gossiped'>
  readonly watcher: Pick<LogWatcher, 'gossiped'>
  readonly witness: Pick<LogWitness, 'add'>
  readonly publisher: Pick<CheckpointPublisher, 'records' | 'recordsOfGoal'>
  readonly goalLogs: Pick<GoalLogs, 'prove'>
  readonly reconciler: Pick<Reconciler, 'answers'>
  readonly goals: Pick<NodeGoals, 'answer'>
}

/** What this node answers to its peers: from its own store only, so that no question travels further. */
export function peerHandlers(parts: Parts, flows: Flows): NetworkHandlers {
  const { learner, proofs, relay, yankLane, watcher, witness, publisher, reconciler, goals, goalLogs } = flows
  const prober = new Prober(parts)
  return {
    onCellRequest: (request, from) =>
      parts.partners.get(from)?.federation_policies.capability_sharing === false ? '[]' : offeredCells(parts, request),
    onPackageRequest: async ({ digest, cell_id: wanted }) => {
      const hex = digest.slice('sha256:'.length)
      const record = parts.index.package(hex)
      if (record === undefined) return undefined
      const named = wanted === undefined ? undefined : parts.index.get(wanted)
      const cell = named?.manifest.package.digest === digest ? named : await parts.index.cellOfPackage(hex)
      return cell && { cell: offeredCell(cell), chunks: record.chunks }
    },
    onAnnouncementsRequest: (after) => parts.directory.page(after, { maxBytes: PAGE_BYTES, maxCount: PAGE_COUNT }),
    answers: {
      evidence_request: ({ cell_id }) => {
        const proof = proofs.registration(cell_id)
        return proof === undefined ? {} : { certificate: proof.certificate, evidence: proof.evidence }
      },
      yank_request: ({ cells }) => ({ yanks: yanksOf(parts, cells) }),
      forward_request: (request, from) => relay.answer(request, from),
      add_checkpoint_request: (request, from) => witness.add(request, from),
      consistency_request: (request) => goalLogs.prove(request) ?? proofs.prove(request),
      log_records_request: (request) => logRecords(parts, publisher, request),
      ...reconciler.answers,
      contribution_request: (request) => goals.answer(request),
      receipts_request: ({ since }) => ({ receipts: parts.receipts.ownTokens(since, LIMITS.receiptsPerAnswer) }),
      dial_back_request: async ({ port }, from) => ({
        ...(await parts.network.dialBack(from, port)),
        time: parts.clock.now(),
      }),
      probe_request: ({ capability, version, cell_id, digest }, from) =>
        prober.probe(from, { capability, version, cell_id, digest }),
    },
    openPackage: async (digest) => {
      const source = await openHere(parts, digest)
      if (source === undefined) return undefined
      return {
        size: source.size,
        chunkSize: LIMITS.chunkBytes,
        read: (from, to) => source.read(from * LIMITS.chunkBytes, Math.min(to * LIMITS.chunkBytes, source.size) - 1),
        close: () => source.close(),
      }
    },
    gossip: {
      announcements: (bytes, from, author) => learner.gossiped(bytes, from, author),
      yanks: (bytes, from) => yankLane.gossiped(bytes, from),
      checkpoints: (bytes) => watcher.gossiped(bytes),
    },
  }
}

/** What this node has of the publishers' words about cells, in order, as much as fits a frame. */
function yanksOf({ yanks }: Pick<Parts, 'yanks'>, cells: YankRequest['cells']): string[] {
  const tokens: string[] = []
  let room = LIMITS.frameBytes - ENVELOPE_BYTES
  for (const { manifest_digest: id, publisher } of cells) {
    const token = yanks.token({ id, publisher })
    if (token === undefined) continue
    room -= token.length + 3
    if (room < 0) break
    tokens.push(token)
  }
  return tokens
}

/** JSON of the cells that fit and are not withdrawn, highest version first. The asker ranks them: tiers and devices are its own business. */
export function offeredCells(
  { index, yanks, events }: Pick<Parts, 'index' | 'yanks' | 'events'>,
  request: Pick<CellRequest, 'by' | 'name' | 'range' | 'limit'>,
): string {
  const texts: string[] = []
  for (const candidate of index.candidates(request.by, request.name)) {
    if (texts.length === request.limit) break
    if (!inRange(candidate.offered, request.range) || yanks.isWithdrawn(candidate)) continue
    const text = index.offered(candidate.id)
    if (text !== undefined) texts.push(text)
  }
  events.emit('request_answered', texts.length > 0 ? FOUND : NOT_FOUND)
  return `[${texts.join(',')}]`
}
