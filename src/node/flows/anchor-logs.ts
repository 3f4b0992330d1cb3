import type { CircuitBreakerPolicy } from 'cockatiel'
import { toHex } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { unlessAborted } from '../../kernel/base/racing.ts'
import { createBreaker, isBrokenCircuitError } from '../../kernel/egress/breaker.ts'
import { logOrigin, parseLogOrigin, signCheckpoint } from '../../kernel/log/checkpoint.ts'
import type { MerkleLog } from '../../kernel/log/merkle-log.ts'
import { type Anchor, AnchorRefusal, type AnchorStatement, MAX_RECEIPT } from '../../kernel/plugins/packages/anchors.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { NodeParts } from '../parts.ts'
import type { Cosignatures } from './cosignatures.ts'
import type { LogEpochs } from './log-epochs.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'store' | 'events' | 'logger'> {
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'log'>
  readonly config: Pick<NodeParts['config'], 'anchors'>
}

/** A log of this node. */
export interface OwnLog {
  /** In the store. */
  readonly name: string
  /** Null for the node's own log. */
  readonly goal: string | null
  readonly log: Pick<MerkleLog, 'size' | 'root'>
}

/** What the flow works on. */
export interface AnchoringNeeds {
  readonly anchors: readonly { readonly name: string; readonly anchor: Anchor }[]
  /** The logs that are committed, as they are now. */
  logs(): Iterable<OwnLog>
  readonly epochs: Pick<LogEpochs, 'newest'>
  readonly cosignatures: Pick<Cosignatures, 'list'>
  /** Whether this node may sign what its logs are; while it may not, nothing is committed. */
  maySign(): boolean
}

/** What was committed of a log last. */
interface Committed {
  readonly origin: string
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  /** Unix milliseconds. */
  readonly at: number
  readonly receipt: string
}

/** What an anchor keeps of a log. */
export interface AnchoredLog {
  readonly anchor: string
  /** Undefined while it keeps nothing. */
  readonly committed: Pick<Committed, 'size' | 'root' | 'receipt'> | undefined
}

/** Milliseconds between two looks at the sizes of the logs. */
const LOOK_MS = 1000
/**
 * Milliseconds between two commits of one log, at least: a busy log passes the threshold many times a second, and anchors keep what they
 * get.
 */
const LEAST_MS = 10_000
/** Milliseconds until an anchor that has to wait is asked again. */
const WAIT_MS = 3000
/** Milliseconds for one commit. */
const COMMIT_MS = 30_000
/** Milliseconds for which an anchor that fails is left alone, at most. */
const MOST_MS = 300_000

const committed = jsonKeyspace<Committed>(KEYSPACES.anchored)

interface Lane {
  readonly name: string
  readonly anchor: Anchor
  readonly breaker: CircuitBreakerPolicy
  work: Promise<void> | undefined
  /** Log name → monotonic milliseconds until which the anchor is not asked: it refused, or has to wait. */
  readonly later: Map<string, number>
}

/**
 * Commits the roots of this node's logs to its anchors, by interval and by count. Each anchor goes at its own pace, and nothing waits for
 * it: what cannot be committed now is committed with more leaves later. What was committed is durable, so a restart does not commit it
 * again.
 */
export class LogAnchoring implements Part {
  readonly name = 'log anchoring'
  readonly #parts: Parts
  readonly #needs: AnchoringNeeds
  readonly #lanes: readonly Lane[]
  readonly #stop = new AbortController()
  readonly #startedAt: number
  #timer: NodeJS.Timeout | undefined

  constructor(parts: Parts, needs: AnchoringNeeds) {
    this.#parts = parts
    this.#needs = needs
    this.#startedAt = parts.clock.now()
    this.#lanes = needs.anchors.map(({ name, anchor }) => ({
      name,
      anchor,
      breaker: createBreaker((error) => !(error instanceof AnchorRefusal) && !this.#stop.signal.aborted, MOST_MS),
      work: undefined,
      later: new Map(),
    }))
  }

  start(): void {
    if (this.#lanes.length > 0) this.#timer = setInterval(() => void this.look(), LOOK_MS)
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the node is stopping'))
    clearInterval(this.#timer)
    await Promise.all(this.#lanes.map(({ work }) => work))
    const closed = await Promise.allSettled(this.#lanes.map(({ anchor }) => anchor.close()))
    for (const one of closed) {
      if (one.status === 'rejected')
        this.#parts.logger.warn({ reason: errorMessage(one.reason) }, 'an anchor did not close')
    }
  }

  /** Commits what is due, at the anchors that are not at work already. Resolves when all have come to an end; never throws. */
  async look(): Promise<void> {
    if (this.#stop.signal.aborted || !this.#needs.maySign()) return
    for (const lane of this.#lanes) {
      lane.work ??= this.#round(lane).finally(() => {
        lane.work = undefined
      })
    }
    await Promise.all(this.#lanes.map(({ work }) => work))
  }

  /** What each anchor keeps of the node's own log, as it goes on now. */
  own(): AnchoredLog[] {
    const own = [...this.#needs.logs()].find(({ goal }) => goal === null)
    return this.#lanes.map(({ name: anchor }) => {
      const kept = own === undefined ? undefined : this.#parts.store.get(committed, keyOf(anchor, own.name))
      return { anchor, committed: own !== undefined && kept?.origin === this.#origin(own) ? kept : undefined }
    })
  }

  async #round(lane: Lane): Promise<void> {
    const { logger } = this.#parts
    // Goals that were left are not kept here for ever.
    forgetPast(lane.later, performance.now())
    for (const own of this.#needs.logs()) {
      if (this.#stop.signal.aborted) return
      try {
        const size = this.#due(lane, own)
        if (size !== undefined) await this.#commit(lane, own, size)
      } catch (error) {
        if (this.#stop.signal.aborted || isBrokenCircuitError(error)) return
        if (error instanceof AnchorRefusal) {
          lane.later.set(own.name, performance.now() + this.#parts.config.anchors.commit_interval_seconds * 1000)
        }
        logger.warn({ anchor: lane.name, goal: own.goal, reason: errorMessage(error) }, 'a log was not committed')
      }
    }
  }

  /** The size to be committed now; undefined for none. */
  #due({ name: anchor, later }: Lane, own: OwnLog): number | undefined {
    const { clock, store, config } = this.#parts
    const { commit_interval_seconds: interval, commit_threshold: threshold } = config.anchors
    const { size } = own.log
    const record = store.get(committed, keyOf(anchor, own.name))
    const last = record?.origin === this.#origin(own) ? record : undefined
    const grown = size - (last?.size ?? 0)
    if (grown <= 0 || (later.get(own.name) ?? 0) > performance.now()) return undefined
    // A clock that was set back must not stop it.
    const since = Math.abs(clock.now() - (last?.at ?? this.#startedAt))
    const isFree = last === undefined || since >= LEAST_MS
    return isFree && (grown >= threshold || since >= interval * 1000) ? size : undefined
  }

  async #commit({ name, anchor, breaker, later }: Lane, own: OwnLog, size: number): Promise<void> {
    const { clock, store, keys, events } = this.#parts
    const root = own.log.root(size)
    const origin = this.#origin(own)
    const statement: AnchorStatement = {
      goal: own.goal,
      origin,
      size,
      root: toHex(root),
      checkpoint: signCheckpoint({ origin, size, root }, keys.log.key),
    }
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(COMMIT_MS)])
    const witnesses = { cosigned: (line: string, least: number) => this.#cosigned(line, least) }
    const done = await breaker.execute(() => unlessAborted(anchor.commit(statement, signal, witnesses), signal))
    if (done === undefined) {
      later.set(own.name, performance.now() + WAIT_MS)
      return
    }
    const { receipt } = done
    if (typeof receipt !== 'string' || receipt.length > MAX_RECEIPT) {
      throw new AnchorRefusal(`its receipt is no text of at most ${MAX_RECEIPT} characters`)
    }
    const record = { origin, size, root: statement.root, at: clock.now(), receipt }
    await store.transact((tx) => tx.put(committed, keyOf(name, own.name), record))
    events.emit('tau_commit', { goalId: own.goal, logSize: size, root: statement.root, anchor: name })
  }

  /** Of the sizes that witnesses cosigned, the smallest that covers `least` leaves. */
  #cosigned(origin: string, least: number): { size: number; lines: string[] } | undefined {
    const enough = this.#needs.cosignatures
      .list(parseLogOrigin(origin)?.goalId)
      .filter((one) => one.origin === origin && one.size >= least)
    if (enough.length === 0) return undefined
    const size = Math.min(...enough.map((one) => one.size))
    return { size, lines: enough.flatMap((one) => (one.size === size ? one.line : [])) }
  }

  #origin({ goal }: OwnLog): string {
    return logOrigin(this.#parts.keys.providerId, goal ?? undefined, this.#needs.epochs.newest)
  }
}

const keyOf = (anchor: string, log: string): string => `${anchor}!${log}`

function forgetPast(until: Map<string, number>, now: number): void {
  for (const [name, at] of until) if (at <= now) until.delete(name)
}
