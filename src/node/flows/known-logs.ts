import { LIMITS } from '../../../protocol/limits.ts'
import type { CheckpointRecord, EpochRecord, EquivocationRecord, LogRecord } from '../../../protocol/transparency.ts'
import { fromHex, toHex } from '../../kernel/base/bytes.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { type CertifiedNote, type NodeCheckpoint, openCertifiedNote } from '../../kernel/log/certified-checkpoint.ts'
import { logOrigin } from '../../kernel/log/checkpoint.ts'
import { verifyEpoch } from '../../kernel/log/epoch.ts'
import { verifyEquivocation } from '../../kernel/log/equivocation.ts'
import { logRecordId, logRecordText } from '../../kernel/log/log-record.ts'
import { parseNote } from '../../kernel/log/note.ts'
import { verifyConsistency } from '../../kernel/log/verify.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import type { Verdict } from '../../network/network.ts'

/** A tree that a log has committed to. */
export interface Held {
  readonly origin: string
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  /** The signed checkpoint; absent for the tree with which an epoch begins, of which only the epoch's statement speaks. */
  readonly note?: CertifiedNote
}

/** A checkpoint of which nobody has shown how it fits the newest one. `refused` once the node did not show it. */
type Open = Held & {
  readonly note: CertifiedNote
  readonly refused?: { readonly since: number; readonly reason: string }
}

/** What is known of one node's log. */
interface KnownLog {
  /** The statements that opened its epochs, oldest first. */
  readonly epochs: readonly EpochRecord[]
  /** The newest checkpoint that extends every one before it. */
  readonly newest?: Held
  /** Some before it, of the same epoch. */
  readonly recent: readonly Held[]
  /** The last of earlier epochs. */
  readonly superseded: readonly Held[]
  readonly open: readonly Open[]
  /** Evidence that the node contradicted itself: then nothing else counts. */
  readonly equivocation?: EquivocationRecord
  /** Unix milliseconds: when a checkpoint was relayed last. */
  readonly relayedAt: number
}

/** What became of a statement. */
export interface Taken {
  readonly verdict: Verdict
  /** Whether something was learned from it that others may not know. */
  readonly news: boolean
  /** Evidence that came to light with it. */
  readonly equivocation?: EquivocationRecord
}

/** Whether a node's log can be relied on. */
export type Standing = 'good' | 'suspended' | 'equivocated'

/** That the log of `provider` must prove that `newer` extends `older`. */
export interface Question {
  readonly provider: string
  readonly older: Held
  readonly newer: Held
}

/** What a node answers to a question; without both it refuses. Hexadecimal. */
export interface ConsistencyAnswer {
  readonly from_root?: string | undefined
  readonly hashes?: readonly string[] | undefined
}

/** Logs that are followed, at some kilobytes of disk each. One that was never heard of is not taken beyond that: to forget a log would allow it a second face. */
const MAX_LOGS = 20_000
/** Evidence that is kept, at ten kilobytes each; it has room of its own, so that many logs do not keep it out. */
const MAX_EQUIVOCATIONS = 5_000
/** Earlier checkpoints of a log that are compared with what comes late. */
const MAX_RECENT = 3
/** Checkpoints of a log that wait for a proof. The first ones stay: they are what the node may not want to prove. */
const MAX_OPEN = 4

const logs = jsonKeyspace<KnownLog>(KEYSPACES.checkpoints)
const PREFIX = 'k!'
const NOTHING: KnownLog = { epochs: [], recent: [], superseded: [], open: [], relayedAt: 0 }

const IGNORED: Taken = { verdict: 'ignore', news: false }
const REJECTED: Taken = { verdict: 'reject', news: false }
const ACCEPTED: Taken = { verdict: 'accept', news: true }

interface Needs {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly network: string
}

/**
 * What other nodes' logs have committed to: the newest checkpoint of each that was proven to extend those before it, epochs, and evidence
 * of equivocation. Judges statements; asks nobody.
 */
export class KnownLogs {
  readonly #needs: Needs
  /** What is on its way to the disk. */
  readonly #unwritten = new Map<string, KnownLog>()
  readonly #equivocated = new Set<string>()
  /** Provider → since when and why. */
  readonly #suspended = new Map<string, { readonly since: number; readonly reason: string }>()
  readonly #doubtful = new Set<string>()
  #count = 0

  constructor(needs: Needs) {
    this.#needs = needs
  }

  async load(): Promise<void> {
    for await (const [key, log] of this.#needs.store.scan(logs, { prefix: PREFIX })) {
      this.#count++
      this.#note(key.slice(PREFIX.length), log)
    }
  }

  standing(provider: string): Standing {
    if (this.#equivocated.has(provider)) return 'equivocated'
    return this.#suspended.has(provider) ? 'suspended' : 'good'
  }

  /** Nodes that owe a proof, those who have owed it longest first. */
  suspended(): { readonly provider: string; readonly since: number; readonly reason: string }[] {
    return Array.from(this.#suspended, ([provider, state]) => ({ provider, ...state })).sort(
      (a, b) => a.since - b.since,
    )
  }

  newest(provider: string): Held | undefined {
    return this.#get(provider)?.newest
  }

  epochs(provider: string): readonly EpochRecord[] {
    return this.#get(provider)?.epochs ?? []
  }

  equivocation(provider: string): EquivocationRecord | undefined {
    return this.#get(provider)?.equivocation
  }

  /** Evidence, in order of the nodes that it is about, as many as `limit` after one of them. */
  async equivocations(limit: number, after?: string): Promise<{ records: EquivocationRecord[]; next: string | null }> {
    const providers = [...this.#equivocated].sort().filter((id) => after === undefined || id > after)
    const records = providers.slice(0, limit).flatMap((id) => this.equivocation(id) ?? [])
    return { records, next: providers.length > limit ? providers[limit - 1]! : null }
  }

  /** The statements that are worth telling about a node: its epochs, then evidence or its newest checkpoint. */
  recordsOf(provider: string): string[] {
    const log = this.#get(provider)
    if (log === undefined) return []
    const last: LogRecord[] = []
    if (log.equivocation !== undefined) last.push(log.equivocation)
    else if (log.newest?.note !== undefined) {
      last.push({ type: 'checkpoint', provider_id: provider, ...log.newest.note })
    }
    return [...log.epochs, ...last].map(logRecordText)
  }

  /** The same of all nodes in order, as much as fits; a node that does not fit any more is the next page's. */
  async page(
    after: string | undefined,
    maxBytes: number,
    maxCount: number,
  ): Promise<{ records: string[]; next?: string }> {
    const range = { prefix: PREFIX, ...(after === undefined ? {} : { after: PREFIX + after }) }
    const records: string[] = []
    let last: string | undefined
    let room = maxBytes
    for await (const key of this.#needs.store.keys(logs, range)) {
      const provider = key.slice(PREFIX.length)
      const texts = this.recordsOf(provider)
      room -= texts.reduce((sum, text) => sum + text.length, 0)
      if (last !== undefined && (room < 0 || records.length + texts.length > maxCount)) return { records, next: last }
      // The epochs of a single node may be too many: the oldest ones are the least worth.
      records.push(...texts.slice(-maxCount))
      last = provider
    }
    return { records }
  }

  /** What must be proven now. */
  questions(provider: string): Question[] {
    const log = this.#get(provider)
    if (log?.newest === undefined || log.equivocation !== undefined) return []
    const { newest } = log
    return log.open.map((open) =>
      open.size < newest.size ? { provider, older: open, newer: newest } : { provider, older: newest, newer: open },
    )
  }

  /** Nodes of which something must be proven. */
  doubtful(): Iterable<string> {
    return [...this.#doubtful]
  }

  /** Judges a statement and takes in what it says. `reject` for what every honest node refuses. */
  take(record: LogRecord): Taken {
    switch (record.type) {
      case 'checkpoint':
        return this.#takeCheckpoint(record)
      case 'epoch':
        return this.#takeEpoch(record)
      case 'equivocation':
        return this.#takeEquivocation(record)
    }
  }

  /** What follows from an answer to a question. */
  settle({ provider, older, newer }: Question, { from_root: fromRoot, hashes }: ConsistencyAnswer): Taken {
    const log = this.#get(provider)
    const { newest } = log ?? {}
    // Meanwhile something else may have been proven.
    if (log === undefined || newest === undefined || (!isSame(newest, older) && !isSame(newest, newer))) return IGNORED
    const placed = isSame(newest, older) ? newer : older
    if (hashes !== undefined && extendsIt(older, newer, hashes)) {
      const open = log.open.filter((one) => !isSame(one, placed))
      const grown = placed === newer ? { newest: newer, recent: [older, ...log.recent].slice(0, MAX_RECENT) } : {}
      this.#put(provider, { ...log, ...grown, open })
      return { verdict: 'accept', news: true }
    }
    if (hashes !== undefined && fromRoot !== undefined && older.note !== undefined && newer.note !== undefined) {
      const record: EquivocationRecord = {
        type: 'equivocation',
        provider_id: provider,
        first: older.note,
        second: newer.note,
        proof: { from_root: fromRoot, hashes: [...hashes] },
      }
      const taken = this.#takeEquivocation(record)
      if (taken.equivocation !== undefined) return taken
    }
    const reason = `did not prove that its checkpoint of ${newer.size} leaves extends the one of ${older.size}`
    const refused = { since: this.#needs.clock.now(), reason }
    const open = log.open.map((one) => (isSame(one, placed) && one.refused === undefined ? { ...one, refused } : one))
    this.#put(provider, { ...log, open })
    return IGNORED
  }

  /** Takes in that two checkpoints of one size contradict each other, when they do. */
  accuse(provider: string, a: CertifiedNote, b: CertifiedNote): Taken {
    const [first, second] = a.checkpoint < b.checkpoint ? [a, b] : [b, a]
    return this.#takeEquivocation({ type: 'equivocation', provider_id: provider, first, second })
  }

  #takeCheckpoint(record: CheckpointRecord): Taken {
    const { provider_id: provider, certificate, checkpoint, consistency } = record
    const log = this.#get(provider)
    if (log?.equivocation !== undefined) return IGNORED
    if (log === undefined && this.#count >= MAX_LOGS) return IGNORED
    const known = log ?? NOTHING
    // Most are known already: that is cheaper to see than a signature is to check.
    if (placesOf(known).some(({ note }) => note?.checkpoint === checkpoint)) return IGNORED
    const now = this.#needs.clock.now()
    if (certificate.not_before > now + LIMITS.clockSkewMs || certificate.not_after < now - LIMITS.clockSkewMs) {
      return IGNORED
    }
    const note = { certificate, checkpoint }
    const opened = this.#opened(provider, note)
    if (opened === undefined) return REJECTED
    const found: Held & { note: CertifiedNote } = {
      origin: opened.origin,
      size: opened.size,
      root: toHex(opened.root),
      note,
    }
    for (const place of [...placesOf(known), ...known.superseded]) {
      if (place.origin !== found.origin || place.size !== found.size) continue
      if (place.root === found.root) return this.#named(provider, known, place, found)
      if (place.note !== undefined) return this.accuse(provider, place.note, note)
    }
    if (opened.epoch !== epochOf(known)) return IGNORED
    const mayRelay = now - known.relayedAt >= LIMITS.checkpointIntervalMs
    if (!mayRelay && known.open.length >= MAX_OPEN) return IGNORED
    const relayedAt = mayRelay ? now : known.relayedAt
    const taken: Taken = mayRelay ? ACCEPTED : { verdict: 'ignore', news: true }
    const { newest } = known
    if (newest === undefined) {
      this.#put(provider, { ...known, newest: found, relayedAt })
      return taken
    }
    if (found.size > newest.size && consistency?.from === newest.size && extendsIt(newest, found, consistency.hashes)) {
      const recent = [newest, ...known.recent].slice(0, MAX_RECENT)
      this.#put(provider, { ...known, newest: found, recent, relayedAt })
      return taken
    }
    const open = [...known.open.slice(0, MAX_OPEN - 1), found]
    if (found.size < newest.size) {
      this.#put(provider, { ...known, open })
      return { verdict: 'ignore', news: true }
    }
    this.#put(provider, { ...known, open, relayedAt })
    return taken
  }

  /** A tree that is known. Where only a statement spoke of it, there is a checkpoint now. */
  #named(provider: string, log: KnownLog, place: Held, found: Held): Taken {
    if (place.note !== undefined || place !== log.newest) return IGNORED
    this.#put(provider, { ...log, newest: found })
    return ACCEPTED
  }

  #takeEpoch(record: EpochRecord): Taken {
    const { provider_id: provider, epoch, superseded, size, root } = record
    const log = this.#get(provider)
    if (log?.equivocation !== undefined || (log === undefined && this.#count >= MAX_LOGS)) return IGNORED
    const known = log ?? NOTHING
    if (epoch <= epochOf(known) || known.epochs.length >= LIMITS.logEpochs) return IGNORED
    if (!(Date.parse(record.at) <= this.#needs.clock.now() + LIMITS.clockSkewMs)) return IGNORED
    let before: NodeCheckpoint
    try {
      before = verifyEpoch(nativeVerifier, this.#needs.network, record)
    } catch (error) {
      this.#needs.logger.debug({ provider, reason: errorMessage(error) }, 'an epoch was refused')
      return REJECTED
    }
    for (const place of placesOf(known)) {
      const { note } = place
      if (note === undefined || place.origin !== before.origin || place.size !== before.size) continue
      if (place.root !== toHex(before.root)) return this.accuse(provider, note, superseded)
    }
    const last = { origin: before.origin, size: before.size, root: toHex(before.root), note: superseded }
    const history = known.newest === undefined || known.newest.size < last.size ? last : known.newest
    this.#put(provider, {
      ...known,
      epochs: [...known.epochs, record],
      newest: { origin: logOrigin(provider, undefined, epoch), size, root },
      recent: [],
      superseded: [...known.superseded, history],
      open: [],
    })
    return ACCEPTED
  }

  #takeEquivocation(record: EquivocationRecord): Taken {
    const { provider_id: provider } = record
    const log = this.#get(provider)
    const known = log?.equivocation
    if (known === undefined && this.#equivocated.size >= MAX_EQUIVOCATIONS) return IGNORED
    // Of several, all nodes keep the same one. Ever smaller ones get ever harder to find, so this ends.
    if (known !== undefined && idOf(known) <= idOf(record)) return IGNORED
    try {
      verifyEquivocation(nativeVerifier, this.#needs.network, record)
    } catch (error) {
      this.#needs.logger.debug({ provider, reason: errorMessage(error) }, 'evidence was refused')
      return REJECTED
    }
    this.#put(provider, { ...NOTHING, epochs: log?.epochs ?? [], equivocation: record })
    return { verdict: 'accept', news: true, ...(known === undefined ? { equivocation: record } : {}) }
  }

  #opened(provider: string, note: CertifiedNote): NodeCheckpoint | undefined {
    try {
      const opened = openCertifiedNote(nativeVerifier, this.#needs.network, provider, note)
      if (opened.goalId === undefined && parseNote(note.checkpoint).signatures.length === 1) return opened
    } catch (error) {
      this.#needs.logger.debug({ provider, reason: errorMessage(error) }, 'a checkpoint was refused')
    }
    return undefined
  }

  #get(provider: string): KnownLog | undefined {
    return this.#unwritten.get(provider) ?? this.#needs.store.get(logs, PREFIX + provider)
  }

  #put(provider: string, log: KnownLog): void {
    if (this.#get(provider) === undefined) this.#count++
    this.#unwritten.set(provider, log)
    this.#note(provider, log)
    this.#needs.store
      .transact((tx) => tx.put(logs, PREFIX + provider, log))
      .then(
        () => this.#unwritten.get(provider) === log && this.#unwritten.delete(provider),
        (error: unknown) => this.#needs.logger.error({ err: error }, 'what is known of a log could not be stored'),
      )
  }

  #note(provider: string, { equivocation, open }: KnownLog): void {
    if (equivocation !== undefined) this.#equivocated.add(provider)
    if (open.length > 0) this.#doubtful.add(provider)
    else this.#doubtful.delete(provider)
    const refused = open.find((one) => one.refused !== undefined)?.refused
    if (refused === undefined || equivocation !== undefined) this.#suspended.delete(provider)
    else this.#suspended.set(provider, refused)
  }
}

/** Every checkpoint of the present epoch. */
const placesOf = ({ newest, recent, open }: KnownLog): Held[] => [
  ...(newest === undefined ? [] : [newest]),
  ...recent,
  ...open,
]

const epochOf = ({ epochs }: KnownLog): number => epochs.at(-1)?.epoch ?? 1

const idOf = (record: LogRecord): string => logRecordId(logRecordText(record))

const isSame = (a: Held, b: Held): boolean => a.origin === b.origin && a.size === b.size && a.root === b.root

const extendsIt = (older: Held, newer: Held, hashes: readonly string[]): boolean =>
  verifyConsistency(
    { from: older.size, fromRoot: fromHex(older.root), to: newer.size, toRoot: fromHex(newer.root) },
    hashes.map(fromHex),
  )
