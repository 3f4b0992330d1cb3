import type { CheckpointRecord, LogRecord } from '../../../protocol/transparency.ts'
import { equalBytes, fromHex, toHex, utf8 } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { verifyRoleCertificate } from '../../kernel/identity/roles.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import {
  type CertifiedNote,
  type NodeCheckpoint,
  openCertifiedNote,
  openLogNote,
} from '../../kernel/log/certified-checkpoint.ts'
import { logOrigin, signCheckpoint } from '../../kernel/log/checkpoint.ts'
import { witnessKey } from '../../kernel/log/cosignature.ts'
import { verifyEpoch } from '../../kernel/log/epoch.ts'
import { verifyEquivocation } from '../../kernel/log/equivocation.ts'
import { logRecordText, parseLogRecord } from '../../kernel/log/log-record.ts'
import type { NodeParts } from '../parts.ts'
import type { Cosignatures } from './cosignatures.ts'
import type { LogEpochs } from './log-epochs.ts'
import type { LogProofs } from './log-proofs.ts'
import { meetPeers } from './meet-peers.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'logger' | 'events' | 'log' | 'knownLogs' | 'partners'> {
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'log'>
  readonly config: Pick<NodeParts['config'], 'network' | 'p2p'>
  readonly network: Pick<NodeParts['network'], 'request' | 'publish' | 'connectedPeers'>
}

/** What the publisher works on. */
export interface PublisherNeeds {
  readonly proofs: Pick<LogProofs, 'checkpoint'>
  readonly epochs: LogEpochs
  readonly cosignatures: Cosignatures
}

/** Milliseconds between two looks at the size of the log. */
const LOOK_MS = 500
/** Milliseconds between two checkpoints that are told, at least: a busy log is not worth more traffic than its newest state. */
const PUBLISH_MS = 3000
/** The same where nothing is new but a peer. */
const REPEAT_MS = 30_000
/** Peers that are asked to witness. */
const MAX_WITNESSES = 8
/** Milliseconds until a witness is asked again, at least; doubled with each failure, up to the second number. */
const WITNESS_MS = 3000
const MAX_WITNESS_MS = 300_000
/** Milliseconds for one answer. */
const ANSWER_MS = 10_000
/** Milliseconds for which a start waits to hear from a former witness whether more of the log is known than is here. */
const START_MS = 3000
/** Milliseconds for which nothing is told or shown to witnesses, where no former witness has been heard. */
const SILENT_MS = 60_000

/**
 * Tells peers the checkpoints of the node's own log, and has them witnessed. When a peer shows a checkpoint that this node has signed and does
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
  #told: { readonly origin: string; readonly size: number; readonly at: number } | undefined
  #isMet = false
  #isAsking = false
  #isAccused = false
  #opening: Promise<void> | undefined
  /** Epochs of this log that others know and this store does not: the next one gets a higher number. */
  #foreignEpoch = 1
  /** Witness → when to ask it again, and how often it failed. */
  readonly #next = new Map<string, { readonly at: number; readonly failures: number }>()

  constructor(parts: Parts, needs: PublisherNeeds) {
    this.#parts = parts
    this.#needs = needs
  }

  async start(): Promise<void> {
    const { config, partners } = this.#parts
    this.#startedAt = performance.now()
    if (this.#needs.cosignatures.list().length === 0) this.#clear()
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

  /** What this node says of its own log. Nothing but its epochs while it may not know what it has signed. */
  records(): string[] {
    const { epochs } = this.#needs
    const checkpoint = this.maySign && this.#parts.log.size > 0 ? [logRecordText(this.#checkpoint())] : []
    return [...epochs.list().map(logRecordText), ...checkpoint]
  }

  /** A statement about this node's own log, from anybody. */
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
  #compare(shown: NodeCheckpoint, { certificate, checkpoint }: CertifiedNote): void {
    const { log } = this.#parts
    const { newest } = this.#needs.epochs
    if (shown.goalId !== undefined || shown.epoch < newest) return
    const isBehind = shown.epoch > newest || shown.size > log.size || !equalBytes(log.root(shown.size), shown.root)
    if (isBehind) this.#open(shown.epoch, { certificate, checkpoint })
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
            'peers know more of the log than this store holds, as after restoring a backup: the log goes on in a new epoch',
          )
          this.#clear()
          this.#told = undefined
          this.#next.clear()
          events.emit('log_epoch_opened', { epoch: record.epoch })
          await this.#publish(record)
        },
        (error: unknown) => logger.error({ err: error }, 'a new epoch of the log could not be opened'),
      )
      .finally(() => {
        this.#opening = undefined
      })
  }

  /** A peer is asked what it knows of this log before it is told anything. Never throws. */
  async #met(peer: string): Promise<void> {
    const { keys, network, logger } = this.#parts
    try {
      const body = { provider_id: keys.providerId }
      const { records } = await network.request(peer, 'log_records_request', body, { signal: this.#signal() })
      const told = records.map(parseLogRecord).filter((record) => record.provider_id === keys.providerId)
      // A checkpoint says more than the statement that opened its epoch.
      for (const record of told) if (record.type === 'checkpoint') this.heard(record)
      for (const record of told) if (record.type !== 'checkpoint') this.heard(record)
      await this.#opening
      if (this.#needs.cosignatures.get(peer) !== undefined) this.#clear()
    } catch (error) {
      logger.debug({ peer, reason: errorMessage(error) }, 'a peer did not tell what it knows of the log')
    }
    this.#isMet = true
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
    const { log, network } = this.#parts
    if (this.#stop.signal.aborted || !this.maySign || log.size === 0 || network.connectedPeers().length === 0) return
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

  async #tell(now: number): Promise<void> {
    const { epochs } = this.#needs
    const told = this.#told
    const record = this.#checkpoint(told)
    const size = sizeOf(record.checkpoint)
    this.#told = { origin: epochs.origin, size, at: now }
    const { statement } = epochs
    // Who has not heard of the epoch takes no checkpoint of it.
    if (statement !== undefined) await this.#publish(statement)
    await this.#publish(record)
  }

  /** The newest checkpoint, with a proof for those who have the one before. */
  #checkpoint(before?: { readonly origin: string; readonly size: number }): CheckpointRecord {
    const { keys, log } = this.#parts
    const { proofs, epochs } = this.#needs
    const checkpoint = alone(proofs.checkpoint())
    const size = sizeOf(checkpoint)
    const record = {
      type: 'checkpoint' as const,
      provider_id: keys.providerId,
      certificate: keys.log.certificate,
      checkpoint,
    }
    if (before === undefined || before.origin !== epochs.origin || before.size >= size) return record
    const hashes = log.consistency(before.size, size).map(toHex)
    return { ...record, consistency: { from: before.size, hashes } }
  }

  async #publish(record: LogRecord): Promise<void> {
    const { network, logger } = this.#parts
    try {
      await network.publish('checkpoints', utf8(logRecordText(record)))
    } catch (error) {
      logger.debug({ reason: errorMessage(error) }, 'a checkpoint was not published')
    }
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
    const { knownLogs, log, network, partners } = this.#parts
    const { cosignatures, epochs } = this.#needs
    const now = performance.now()
    const order = (peer: string): number =>
      cosignatures.get(peer) !== undefined ? 0 : partners.get(peer) !== undefined ? 1 : 2
    return network
      .connectedPeers()
      .map(({ providerId }) => providerId)
      .filter((peer) => knownLogs.standing(peer) === 'good' && !partners.isUntrusted(peer))
      .sort((a, b) => order(a) - order(b))
      .slice(0, MAX_WITNESSES)
      .filter((peer) => {
        const last = cosignatures.get(peer)
        const isDone = last !== undefined && last.origin === epochs.origin && last.size === log.size
        return !isDone && (this.#next.get(peer)?.at ?? 0) <= now
      })
  }

  async #askWitness(peer: string): Promise<void> {
    const { logger } = this.#parts
    const { cosignatures, epochs } = this.#needs
    const last = cosignatures.get(peer)
    // In an epoch that it has cosigned nothing of, a witness begins where the epoch does.
    const known = last?.origin === epochs.origin ? last.size : (epochs.statement?.size ?? 0)
    let isDone = false
    try {
      const other = await this.#show(peer, known)
      isDone = other === undefined || (other !== known && (await this.#show(peer, other)) === undefined)
    } catch (error) {
      logger.debug({ peer, reason: errorMessage(error) }, 'a peer did not witness the log')
    }
    if (this.#next.size > 1000) this.#next.clear()
    const failures = isDone ? 0 : (this.#next.get(peer)?.failures ?? 0) + 1
    const wait = Math.min(WITNESS_MS * 2 ** failures, MAX_WITNESS_MS)
    this.#next.set(peer, { at: performance.now() + (isDone ? WITNESS_MS : wait), failures })
  }

  /** Resolves with the size that the witness holds instead of `oldSize`; undefined when it has cosigned. Throws for any other answer. */
  async #show(peer: string, oldSize: number): Promise<number | undefined> {
    const { clock, config, keys, log, network, events } = this.#parts
    const { cosignatures, epochs, proofs } = this.#needs
    const checkpoint = alone(proofs.checkpoint())
    const { origin } = epochs
    const size = sizeOf(checkpoint)
    const { certificate } = keys.log
    const proof = log.consistency(oldSize, size).map(toHex)
    const { statement } = epochs
    const epoch = statement === undefined ? {} : { epoch: logRecordText(statement) }
    const body = { old_size: oldSize, proof, checkpoint, certificate, ...epoch }
    const answer = await network.request(peer, 'add_checkpoint_request', body, { signal: this.#signal() })
    const { conflict, cosignature, certificate: theirs } = answer
    if (conflict !== undefined) {
      if (conflict.checkpoint !== undefined) {
        const shown = openLogNote(nativeVerifier, keys.providerId, keys.log.key.publicKey, conflict.checkpoint)
        this.#compare(shown, { certificate, checkpoint: conflict.checkpoint })
        if (this.#opening !== undefined) throw new Error('it holds what this store lacks')
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
    await cosignatures.put({ provider_id: peer, certificate: theirs, origin, size, line: cosignature, at: clock.now() })
    events.emit('checkpoint_cosigned', { witness: peer, size })
    return undefined
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MS)])
  }
}

/** The note as the log signed it, without lines of witnesses. */
function alone(note: string): string {
  const start = note.indexOf('\n\n') + 2
  return note.slice(0, note.indexOf('\n', start) + 1)
}

const sizeOf = (note: string): number => Number(note.split('\n', 2)[1])
