import type { AddCheckpointRequest, AddCheckpointResponse } from '../../../protocol/rpc.ts'
import type { GoalBook } from '../../domain/goals/goal-book.ts'
import { equalBytes, fromHex, toHex } from '../../kernel/base/bytes.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { type CertifiedNote, type NodeCheckpoint, openCertifiedNote } from '../../kernel/log/certified-checkpoint.ts'
import type { LogOrigin } from '../../kernel/log/checkpoint.ts'
import { cosign, witnessKey } from '../../kernel/log/cosignature.ts'
import { logRecordText } from '../../kernel/log/log-record.ts'
import { formatNote, type NoteKey, parseNote } from '../../kernel/log/note.ts'
import { EMPTY_ROOT } from '../../kernel/log/tree.ts'
import { verifyConsistency } from '../../kernel/log/verify.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Transaction } from '../../kernel/storage/store.ts'
import type { NodeParts } from '../parts.ts'
import type { LogWatcher } from './watch-logs.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'store' | 'knownLogs'> {
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'witness'>
  readonly config: Pick<NodeParts['config'], 'network'>
  readonly partners: Pick<NodeParts['partners'], 'get'>
}

type Asked = Pick<AddCheckpointRequest, 'old_size' | 'proof' | 'checkpoint' | 'certificate' | 'epoch'>
type Answer = Omit<AddCheckpointResponse, 'type' | 'id'>

/** What was cosigned of a log last. */
interface Cosigned {
  readonly epoch: number
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  /** Absent for the tree with which an epoch begins. */
  readonly note?: CertifiedNote
}

/** Logs that are witnessed, a kilobyte of disk each: what was cosigned is never forgotten, or a second history could be. Partners always find room. */
const MAX_LOGS = 10_000

const cosigned = jsonKeyspace<Cosigned>(KEYSPACES.checkpoints)
const counters = jsonKeyspace<number>(KEYSPACES.checkpoints)
const keyOf = ({ providerId, goalId }: LogOrigin): string =>
  `w!${providerId}${goalId === undefined ? '' : `/${goalId}`}`
/** Own logs of nodes and their logs of goals have room apart. A node has no more of the latter than goals were joined here. */
const counterOf = ({ goalId }: LogOrigin): string => (goalId === undefined ? 'witnessed' : 'witnessed goals')

/**
 * Witnesses the logs of peers (C2SP `tlog-witness`): cosigns a checkpoint only when it extends the one that it cosigned before, and only once
 * that it has done so is on disk. Peers bring their own logs only: that of the node, and those of goals that are joined here.
 */
export class LogWitness {
  readonly #parts: Parts
  readonly #watcher: Pick<LogWatcher, 'told' | 'accuse'>
  readonly #goals: Pick<GoalBook, 'isJoined'>

  constructor(parts: Parts, watcher: Pick<LogWatcher, 'told' | 'accuse'>, goals: Pick<GoalBook, 'isJoined'>) {
    this.#parts = parts
    this.#watcher = watcher
    this.#goals = goals
  }

  /** The key of this node's cosignatures. */
  get key(): NoteKey {
    const { providerId, witness } = this.#parts.keys
    return witnessKey(providerId, witness.key.publicKey)
  }

  async add(request: Asked, from: string): Promise<Answer> {
    const { clock, config, keys, knownLogs, store } = this.#parts
    const { certificate, old_size: oldSize, proof } = request
    let opened: NodeCheckpoint
    let checkpoint: string
    try {
      const note = { certificate, checkpoint: request.checkpoint }
      opened = openCertifiedNote(nativeVerifier, config.network.name, from, note, clock.now())
      checkpoint = signedByLogAlone(request.checkpoint, opened.origin)
    } catch {
      return { refused: 'signature' }
    }
    const { goalId: goal } = opened
    if (goal !== undefined && !this.#goals.isJoined(goal)) return { refused: 'goal' }
    const note = { certificate, checkpoint }
    if (request.epoch !== undefined) this.#watcher.told(request.epoch, from)
    const consistency = { from: oldSize, hashes: proof }
    this.#watcher.told(logRecordText({ type: 'checkpoint', provider_id: from, ...note, consistency }), from)
    const standing = knownLogs.standing(from)
    if (standing !== 'good') return { refused: standing }
    const outcome = await store.transact((tx) => this.#advance(tx, opened, { note, oldSize, proof }))
    if (outcome !== undefined) {
      if ('contradicts' in outcome) this.#watcher.accuse(from, outcome.contradicts, note)
      return outcome.answer
    }
    const seconds = Math.floor(clock.now() / 1000)
    return {
      cosignature: cosign(checkpoint, this.key, keys.witness.key, seconds),
      certificate: keys.witness.certificate,
    }
  }

  /** Moves on to a checkpoint that may be cosigned; otherwise the answer that says why not. All of it is one step, whoever else asks. */
  #advance(
    tx: Transaction,
    opened: NodeCheckpoint,
    { note, oldSize, proof }: { note: CertifiedNote; oldSize: number; proof: readonly string[] },
  ): { answer: Answer; contradicts?: CertifiedNote } | undefined {
    const { knownLogs, partners } = this.#parts
    const { providerId: provider } = opened
    const kept = tx.get(cosigned, keyOf(opened))
    if (kept !== undefined && kept.epoch > opened.epoch) return { answer: conflict(kept) }
    const held = kept?.epoch === opened.epoch ? kept : this.#beginning(opened)
    if (held === undefined) return { answer: { refused: 'epoch' } }
    if (oldSize !== held.size) return { answer: conflict(held) }
    if (opened.size === held.size && toHex(opened.root) !== held.root) {
      return { answer: conflict(held), ...(held.note === undefined ? {} : { contradicts: held.note }) }
    }
    const claim = { from: held.size, fromRoot: fromHex(held.root), to: opened.size, toRoot: opened.root }
    if (!verifyConsistency(claim, proof.map(fromHex))) return { answer: { refused: 'proof' } }
    if (knownLogs.standing(provider) !== 'good') return { answer: { refused: 'suspended' } }
    if (kept === undefined) {
      const count = tx.get(counters, counterOf(opened)) ?? 0
      if (count >= MAX_LOGS && partners.get(provider) === undefined) return { answer: { refused: 'full' } }
      tx.put(counters, counterOf(opened), count + 1)
    }
    tx.put(cosigned, keyOf(opened), { epoch: opened.epoch, size: opened.size, root: toHex(opened.root), note })
    return undefined
  }

  /** The tree with which an epoch begins, a goal's log with nothing; undefined for one of which no statement is known. */
  #beginning({ providerId, goalId, epoch }: LogOrigin): Cosigned | undefined {
    const nothing = { epoch, size: 0, root: toHex(EMPTY_ROOT) }
    if (epoch === 1) return nothing
    const record = this.#parts.knownLogs.epochs(providerId).find((one) => one.epoch === epoch)
    if (goalId !== undefined) return record && nothing
    return record && { epoch, size: record.size, root: record.root }
  }
}

const conflict = ({ size, note }: Cosigned): Answer => ({
  conflict: { size, ...(note === undefined ? {} : { checkpoint: note.checkpoint }) },
})

/** The note without the signatures of others. */
function signedByLogAlone(checkpoint: string, origin: string): string {
  const { text, signatures } = parseNote(checkpoint)
  const own = signatures.filter(({ name }) => name === origin)
  const [first] = own
  // A second one under that name is another key's.
  if (first === undefined || own.some((other) => !equalBytes(other.id, first.id)))
    throw new TypeError('signed by another')
  return formatNote({ text, signatures: [first] })
}
