import type { CheckpointRecord, LogRecord } from '../../../protocol/transparency.ts'
import { toHex, utf8 } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { verifyRoleCertificate } from '../../kernel/identity/roles.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { type CertifiedNote, type NodeCheckpoint, openLogNote } from '../../kernel/log/certified-checkpoint.ts'
import { logOrigin } from '../../kernel/log/checkpoint.ts'
import { witnessKey } from '../../kernel/log/cosignature.ts'
import { logRecordText } from '../../kernel/log/log-record.ts'
import type { MerkleLog } from '../../kernel/log/merkle-log.ts'
import type { NodeParts } from '../parts.ts'
import type { Cosignatures } from './cosignatures.ts'
import type { LogEpochs } from './log-epochs.ts'

export interface ShownLogParts extends Pick<NodeParts, 'clock' | 'logger' | 'events' | 'knownLogs' | 'partners'> {
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'log'>
  readonly config: Pick<NodeParts['config'], 'network'>
  readonly network: Pick<NodeParts['network'], 'request' | 'publish' | 'connectedPeers'>
}

/** A log of this node, and what it is told with. */
export interface ShownLogInit {
  /** Digest of the goal; undefined for the node's own log. */
  readonly goal: string | undefined
  readonly log: Pick<MerkleLog, 'size' | 'consistency'>
  /** The newest, signed. */
  checkpoint(): string
  readonly epochs: Pick<LogEpochs, 'newest' | 'statement'>
  readonly cosignatures: Cosignatures
  /** A checkpoint that this node has signed and a witness keeps. Returns whether the node goes on in a new epoch because of it. */
  compare(shown: NodeCheckpoint, note: CertifiedNote): boolean
}

/** Milliseconds between two checkpoints of a log that are told, at least: a busy log is not worth more traffic than its newest state. */
export const PUBLISH_MS = 3000
/** The same where nothing is new but a peer. */
const REPEAT_MS = 30_000
/** Peers that are asked to witness. */
const MAX_WITNESSES = 8
/** Milliseconds until a witness is asked again, at least; doubled with each failure, up to the second number. */
const WITNESS_MS = 3000
const MAX_WITNESS_MS = 300_000
/** Milliseconds for one answer. */
const ANSWER_MS = 10_000

/** Tells peers the checkpoints of one of the node's logs, and has them witnessed. */
export class ShownLog {
  readonly #parts: ShownLogParts
  readonly #init: ShownLogInit
  readonly #stop: AbortSignal
  /** Witness → when to ask it again, and how often it failed. */
  readonly #next = new Map<string, { readonly at: number; readonly failures: number }>()
  #told: { readonly origin: string; readonly size: number; readonly at: number } | undefined
  #isMet = false
  #isAsking = false

  constructor(parts: ShownLogParts, init: ShownLogInit, stop: AbortSignal) {
    this.#parts = parts
    this.#init = init
    this.#stop = stop
  }

  /** There is a peer that may not have heard. */
  met(): void {
    this.#isMet = true
  }

  /** Nothing of what was told counts any more: the log goes on in a new epoch. */
  restart(): void {
    this.#told = undefined
    this.#next.clear()
  }

  /** What this node says of the log; undefined while it is empty. To be called only where it may be signed. */
  record(): CheckpointRecord | undefined {
    return this.#init.log.size === 0 ? undefined : this.#record()
  }

  /** Tells and shows what is due. To be called only where the log may be signed. */
  look(): void {
    const { log } = this.#init
    if (log.size === 0) return
    const now = performance.now()
    const told = this.#told
    const isNews = told === undefined || told.size !== log.size
    if (
      told === undefined ||
      now - told.at >= (isNews ? PUBLISH_MS : this.#isMet ? REPEAT_MS : Number.POSITIVE_INFINITY)
    ) {
      // The first one may come before gossip has begun: it is repeated.
      this.#isMet = told === undefined
      void this.#tell(now)
    }
    void this.#askWitnesses()
  }

  get #origin(): string {
    const { epochs, goal } = this.#init
    return logOrigin(this.#parts.keys.providerId, goal, epochs.newest)
  }

  async #tell(now: number): Promise<void> {
    const told = this.#told
    const record = this.#record(told)
    const size = sizeOf(record.checkpoint)
    this.#told = { origin: this.#origin, size, at: now }
    const { statement } = this.#init.epochs
    // Who has not heard of the epoch takes no checkpoint of it.
    if (statement !== undefined) await publishStatement(this.#parts, statement)
    await publishStatement(this.#parts, record, this.#init.goal)
  }

  /** The newest checkpoint, with a proof for those who have the one before. */
  #record(before?: { readonly origin: string; readonly size: number }): CheckpointRecord {
    const { keys } = this.#parts
    const { log } = this.#init
    const checkpoint = alone(this.#init.checkpoint())
    const size = sizeOf(checkpoint)
    const record = {
      type: 'checkpoint' as const,
      provider_id: keys.providerId,
      certificate: keys.log.certificate,
      checkpoint,
    }
    if (before === undefined || before.origin !== this.#origin || before.size >= size) return record
    const hashes = log.consistency(before.size, size).map(toHex)
    return { ...record, consistency: { from: before.size, hashes } }
  }

  /** Shows the newest checkpoint to some peers, former witnesses and partners first. Never throws. */
  async #askWitnesses(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    try {
      await Promise.all(this.#witnesses().map((peer) => this.#askWitness(peer)))
    } finally {
      this.#isAsking = false
    }
  }

  /** Whom to ask now. */
  #witnesses(): string[] {
    const { knownLogs, network, partners } = this.#parts
    const { cosignatures, goal, log } = this.#init
    const now = performance.now()
    const order = (peer: string): number =>
      cosignatures.get(peer, goal) !== undefined ? 0 : partners.get(peer) !== undefined ? 1 : 2
    return network
      .connectedPeers()
      .map(({ providerId }) => providerId)
      .filter((peer) => knownLogs.standing(peer) === 'good' && !partners.isUntrusted(peer))
      .sort((a, b) => order(a) - order(b))
      .slice(0, MAX_WITNESSES)
      .filter((peer) => {
        const last = cosignatures.get(peer, goal)
        const isDone = last !== undefined && last.origin === this.#origin && last.size === log.size
        return !isDone && (this.#next.get(peer)?.at ?? 0) <= now
      })
  }

  async #askWitness(peer: string): Promise<void> {
    const { logger } = this.#parts
    const { cosignatures, epochs, goal } = this.#init
    const last = cosignatures.get(peer, goal)
    // In an epoch that it has cosigned nothing of, a witness begins where the epoch does: a goal's log with nothing.
    const beginning = goal === undefined ? (epochs.statement?.size ?? 0) : 0
    const known = last?.origin === this.#origin ? last.size : beginning
    let isDone = false
    try {
      const other = await this.#show(peer, known)
      isDone = other === undefined || (other !== known && (await this.#show(peer, other)) === undefined)
    } catch (error) {
      logger.debug({ peer, goal, reason: errorMessage(error) }, 'a peer did not witness the log')
    }
    if (this.#next.size > 1000) this.#next.clear()
    const failures = isDone ? 0 : (this.#next.get(peer)?.failures ?? 0) + 1
    const wait = Math.min(WITNESS_MS * 2 ** failures, MAX_WITNESS_MS)
    this.#next.set(peer, { at: performance.now() + (isDone ? WITNESS_MS : wait), failures })
  }

  /** Resolves with the size that the witness holds instead of `oldSize`; undefined when it has cosigned. Throws for any other answer. */
  async #show(peer: string, oldSize: number): Promise<number | undefined> {
    const { clock, config, keys, network, events } = this.#parts
    const { cosignatures, epochs, goal, log } = this.#init
    const checkpoint = alone(this.#init.checkpoint())
    const origin = this.#origin
    const size = sizeOf(checkpoint)
    const { certificate } = keys.log
    const proof = log.consistency(oldSize, size).map(toHex)
    const { statement } = epochs
    const epoch = statement === undefined ? {} : { epoch: logRecordText(statement) }
    const body = { old_size: oldSize, proof, checkpoint, certificate, ...epoch }
    const signal = AbortSignal.any([this.#stop, AbortSignal.timeout(ANSWER_MS)])
    const answer = await network.request(peer, 'add_checkpoint_request', body, { signal })
    const { conflict, cosignature, certificate: theirs } = answer
    if (conflict !== undefined) {
      if (conflict.checkpoint !== undefined) {
        const shown = openLogNote(nativeVerifier, keys.providerId, keys.log.key.publicKey, conflict.checkpoint)
        if (this.#init.compare(shown, { certificate, checkpoint: conflict.checkpoint })) {
          throw new Error('it holds what this store lacks')
        }
      }
      if (conflict.size > size) throw new Error(`it holds ${conflict.size} leaves`)
      return conflict.size
    }
    if (cosignature === undefined || theirs === undefined)
      throw new Error(`it refused: ${answer.refused ?? 'no reason'}`)
    if (cosignature.includes('\n')) throw new Error('its cosignature is more than a line')
    const expected = { providerId: peer, role: 'witness', now: clock.now() } as const
    const key = witnessKey(peer, verifyRoleCertificate(nativeVerifier, config.network.name, theirs, expected))
    const cosigned = openLogNote(
      nativeVerifier,
      keys.providerId,
      keys.log.key.publicKey,
      `${checkpoint}${cosignature}\n`,
      [key],
    )
    if (cosigned.witnesses.length === 0) throw new Error('it signed with another key')
    const line = { provider_id: peer, certificate: theirs, origin, size, line: cosignature, at: clock.now() }
    await cosignatures.put(line, goal)
    events.emit('checkpoint_cosigned', { witness: peer, size, goal: goal ?? null })
    return undefined
  }
}

/** Gossips a statement about a log: a checkpoint of a goal's log where its goal is gossiped about. Never rejects. */
export async function publishStatement(
  { network, logger }: Pick<ShownLogParts, 'network' | 'logger'>,
  record: LogRecord,
  goal?: string,
): Promise<void> {
  try {
    await network.publish(goal === undefined ? 'checkpoints' : `goal/${goal}`, utf8(logRecordText(record)))
  } catch (error) {
    logger.debug({ goal, reason: errorMessage(error) }, 'a statement about a log was not published')
  }
}

/** The note as the log signed it, without lines of witnesses. */
function alone(note: string): string {
  const start = note.indexOf('\n\n') + 2
  return note.slice(0, note.indexOf('\n', start) + 1)
}

const sizeOf = (note: string): number => Number(note.split('\n', 2)[1])
