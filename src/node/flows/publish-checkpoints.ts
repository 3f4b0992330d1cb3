import type { LogRecord } from '../../../protocol/transparency.ts'
import { equalBytes, fromHex } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { type CertifiedNote, type NodeCheckpoint, openCertifiedNote } from '../../kernel/log/certified-checkpoint.ts'
import { logOrigin, signCheckpoint } from '../../kernel/log/checkpoint.ts'
import { verifyEpoch } from '../../kernel/log/epoch.ts'
import { verifyEquivocation } from '../../kernel/log/equivocation.ts'
import { logRecordText, parseLogRecord } from '../../kernel/log/log-record.ts'
import type { MerkleLog } from '../../kernel/log/merkle-log.ts'
import { EMPTY_ROOT } from '../../kernel/log/tree.ts'
import type { NodeParts } from '../parts.ts'
import type { Cosignatures } from './cosignatures.ts'
import type { GoalLogs } from './goal-logs.ts'
import type { LogEpochs } from './log-epochs.ts'
import type { LogProofs } from './log-proofs.ts'
import { meetPeers } from './meet-peers.ts'
import { PUBLISH_MS, publishStatement, ShownLog, type ShownLogParts } from './show-log.ts'

interface Parts extends ShownLogParts, Pick<NodeParts, 'log'> {
  readonly config: Pick<NodeParts['config'], 'network' | 'p2p'>
}

/** What the publisher works on. */
export interface PublisherNeeds {
  readonly proofs: Pick<LogProofs, 'checkpoint'>
  readonly epochs: LogEpochs
  readonly cosignatures: Cosignatures
  readonly goalLogs: Pick<GoalLogs, 'of' | 'tree'>
  /** Digests of the goals that are joined. */
  readonly goals: { isJoined(digest: string): boolean; joined(): readonly string[] }
}

/** Milliseconds between two looks at the sizes of the logs. */
const LOOK_MS = 500
/** Goals whose logs are looked at then, in turn: so no more than eight of their checkpoints are told in a second, and none is shown to more peers. */
const GOALS_PER_LOOK = 4
/** Milliseconds for one answer. */
const ANSWER_MS = 10_000
/** Milliseconds for which a start waits to hear from a former witness whether more of the log is known than is here. */
const START_MS = 3000
/** Milliseconds for which nothing is told or shown to witnesses, where no former witness has been heard. */
const SILENT_MS = 60_000

/**
 * Tells peers the checkpoints of the node's own log and of those of its goals, and has them witnessed. When a peer shows a checkpoint that this node has signed and does
 * not extend (its store is a restored backup), the log goes on in a new epoch instead of contradicting itself.
 */
export class CheckpointPublisher implements Part {
  readonly name = 'checkpoint publisher'
  readonly #parts: Parts
  readonly #needs: PublisherNeeds
  readonly #stop = new AbortController()
  /** Resolves when a former witness was heard, or there is none. */
  readonly #heard = Promise.withResolvers<void>()
  #isHeard = false
  #startedAt = 0
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: (() => void) | undefined
  readonly #own: ShownLog
  /** Goal → its log; the one that was looked at longest ago comes first. */
  readonly #goals = new Map<string, { readonly shown: ShownLog; lookAt: number }>()
  #isAccused = false
  #opening: Promise<void> | undefined
  /** Epochs of this log that others know and this store does not: the next one gets a higher number. */
  #foreignEpoch = 1

  constructor(parts: Parts, needs: PublisherNeeds) {
    this.#parts = parts
    this.#needs = needs
    this.#own = this.#shown(undefined, parts.log, () => needs.proofs.checkpoint())
  }

  async start(): Promise<void> {
    const { config, partners } = this.#parts
    this.#startedAt = performance.now()
    if (this.#needs.cosignatures.isEmpty) this.#clear()
    this.#unsubscribe = meetPeers(this.#parts, ({ providerId }) => this.#met(providerId))
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
    if (this.#isHeard || (config.p2p.seeds.length === 0 && partners.list().length === 0)) return
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), START_MS)
    await Promise.race([this.#heard.promise, new Promise((resolve) => late.signal.addEventListener('abort', resolve))])
    clearTimeout(timer)
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the node is stopping'))
    this.#unsubscribe?.()
    clearInterval(this.#timer)
    await this.#opening
  }

  /** What this node says of its logs, its own last. Nothing but its epochs while it may not know what it has signed. */
  records(): string[] {
    const goals = this.#needs.goals.joined().flatMap((goal) => this.recordsOfGoal(goal))
    const own = this.maySign ? this.#own.record() : undefined
    return [
      ...this.#needs.epochs.list().map(logRecordText),
      ...goals,
      ...(own === undefined ? [] : [logRecordText(own)]),
    ]
  }

  /** What it says of its log of a goal. */
  recordsOfGoal(goal: string): string[] {
    const record = this.maySign && this.#needs.goals.isJoined(goal) ? this.#ofGoal(goal).shown.record() : undefined
    return record === undefined ? [] : [logRecordText(record)]
  }

  /** A statement about this node's logs, from anybody. */
  heard(record: LogRecord): void {
    const { config, keys, logger } = this.#parts
    const network = config.network.name
    try {
      if (record.type === 'checkpoint') {
        this.#compare(openCertifiedNote(nativeVerifier, network, keys.providerId, record), record)
      } else if (record.type === 'epoch') {
        const { newest, statement } = this.#needs.epochs
        const isOurs = statement !== undefined && logRecordText(statement) === logRecordText(record)
        if (record.epoch < newest || isOurs) return
        verifyEpoch(nativeVerifier, network, record)
        this.#foreignEpoch = Math.max(this.#foreignEpoch, record.epoch)
        // Whatever was signed in that epoch begins with this tree.
        const start = {
          origin: logOrigin(keys.providerId, undefined, record.epoch),
          size: record.size,
          root: fromHex(record.root),
        }
        const { certificate, key } = keys.log
        this.#open(record.epoch, { certificate, checkpoint: signCheckpoint(start, key) })
      } else if (!this.#isAccused) {
        verifyEquivocation(nativeVerifier, network, record)
        this.#isAccused = true
        logger.error(
          'peers hold evidence that this node has signed two histories of its log: they refuse it from now on',
        )
      }
    } catch (error) {
      logger.debug({ reason: errorMessage(error) }, 'a statement about the own log does not hold')
    }
  }

  /** Whether this store extends what was signed; if it does not, a new epoch begins. */
  #compare(shown: NodeCheckpoint, note: CertifiedNote): void {
    const { goalId: goal, epoch } = shown
    const { newest } = this.#needs.epochs
    if (epoch < newest) return
    const log = goal === undefined ? this.#parts.log : this.#needs.goalLogs.tree(goal)
    const isBehind = epoch > newest || shown.size > log.size || !equalBytes(log.root(shown.size), shown.root)
    if (isBehind) this.#open(epoch, goal === undefined ? note : this.#nothingOf(epoch))
  }

  /** A checkpoint of the own log that no history contradicts: what was shown of a goal's log says nothing of how far the own one was. */
  #nothingOf(epoch: number): CertifiedNote {
    const { certificate, key } = this.#parts.keys.log
    const origin = logOrigin(this.#parts.keys.providerId, undefined, epoch)
    return { certificate, checkpoint: signCheckpoint({ origin, size: 0, root: EMPTY_ROOT }, key) }
  }

  #open(epoch: number, superseded: CertifiedNote): void {
    const { events, logger } = this.#parts
    const { epochs } = this.#needs
    if (this.#opening !== undefined || epoch < this.#foreignEpoch) return
    this.#opening = epochs
      .open(epoch, superseded)
      .then(
        async (record) => {
          logger.warn(
            { epoch: record.epoch, leaves: record.size },
            'peers know more of a log than this store holds, as after restoring a backup: the logs go on in a new epoch',
          )
          this.#clear()
          this.#own.restart()
          for (const { shown } of this.#goals.values()) shown.restart()
          events.emit('log_epoch_opened', { epoch: record.epoch })
          await publishStatement(this.#parts, record)
        },
        (error: unknown) => logger.error({ err: error }, 'a new epoch of the log could not be opened'),
      )
      .finally(() => {
        this.#opening = undefined
      })
  }

  /** A peer is asked what it knows of this node's logs before it is told anything. Never throws. */
  async #met(peer: string): Promise<void> {
    const { keys, network, logger } = this.#parts
    try {
      const body = { provider_id: keys.providerId }
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MS)])
      const { records } = await network.request(peer, 'log_records_request', body, { signal })
      const told = records.map(parseLogRecord).filter((record) => record.provider_id === keys.providerId)
      // A checkpoint says more than the statement that opened its epoch.
      for (const record of told) if (record.type === 'checkpoint') this.heard(record)
      for (const record of told) if (record.type !== 'checkpoint') this.heard(record)
      await this.#opening
      if (this.#needs.cosignatures.isWitness(peer)) this.#clear()
    } catch (error) {
      logger.debug({ peer, reason: errorMessage(error) }, 'a peer did not tell what it knows of the log')
    }
    this.#own.met()
    for (const { shown } of this.#goals.values()) shown.met()
    this.#look()
  }

  #clear(): void {
    this.#isHeard = true
    this.#heard.resolve()
  }

  /** Whether it is safe to sign what the log is: nobody knows more of it, as far as could be heard. */
  get maySign(): boolean {
    return this.#opening === undefined && (this.#isHeard || performance.now() - this.#startedAt > SILENT_MS)
  }

  #look(): void {
    if (this.#stop.signal.aborted || !this.maySign || this.#parts.network.connectedPeers().length === 0) return
    this.#own.look()
    this.#lookAtGoals()
  }

  #lookAtGoals(): void {
    const { goals } = this.#needs
    for (const goal of this.#goals.keys()) if (!goals.isJoined(goal)) this.#goals.delete(goal)
    for (const goal of goals.joined()) this.#ofGoal(goal)
    const now = performance.now()
    let left = GOALS_PER_LOOK
    for (const [goal, one] of [...this.#goals]) {
      if (one.lookAt > now) continue
      if (left-- === 0) return
      one.lookAt = now + PUBLISH_MS
      this.#goals.delete(goal)
      this.#goals.set(goal, one)
      one.shown.look()
    }
  }

  #ofGoal(goal: string): { readonly shown: ShownLog; lookAt: number } {
    const known = this.#goals.get(goal)
    if (known !== undefined) return known
    const { goalLogs } = this.#needs
    const shown = this.#shown(goal, goalLogs.tree(goal), () => goalLogs.of(goal).checkpoint())
    const made = { shown, lookAt: 0 }
    this.#goals.set(goal, made)
    return made
  }

  #shown(goal: string | undefined, log: MerkleLog, checkpoint: () => string): ShownLog {
    const { epochs, cosignatures } = this.#needs
    const compare = (shown: NodeCheckpoint, note: CertifiedNote): boolean => {
      this.#compare(shown, note)
      return this.#opening !== undefined
    }
    return new ShownLog(this.#parts, { goal, log, checkpoint, epochs, cosignatures, compare }, this.#stop.signal)
  }
}
