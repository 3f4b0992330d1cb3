import { LIMITS } from '../../../protocol/limits.ts'
import type { CheckpointRecord, EpochRecord, EquivocationRecord, LogRecord } from '../../../protocol/transparency.ts'
import { toHex } from '../../kernel/base/bytes.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { type CertifiedNote, type NodeCheckpoint, openCertifiedNote } from '../../kernel/log/certified-checkpoint.ts'
import { logOrigin, parseLogOrigin } from '../../kernel/log/checkpoint.ts'
import { verifyEpoch } from '../../kernel/log/epoch.ts'
import { verifyEquivocation } from '../../kernel/log/equivocation.ts'
import { logRecordId, logRecordText } from '../../kernel/log/log-record.ts'
import { parseNote } from '../../kernel/log/note.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import {
  ACCEPTED,
  epochOf,
  type Held,
  IGNORED,
  inEpoch,
  isSame,
  type KnownLog,
  NOTHING,
  placesOf,
  type Question,
  questionsOf,
  REJECTED,
  type Taken,
  withCheckpoint,
  withProof,
} from './known-log.ts'
import { KnownLogStore, type LogName } from './known-log-store.ts'
import { LogDoubts } from './log-doubts.ts'

/** Whether a node's log can be relied on. */
export type Standing = 'good' | 'suspended' | 'equivocated'

/** What a node answers to a question; without both it refuses. Hexadecimal. */
export interface ConsistencyAnswer {
  readonly from_root?: string | undefined
  readonly hashes?: readonly string[] | undefined
}

/** Evidence that is kept, at ten kilobytes each; it has room of its own, so that many logs do not keep it out. */
const MAX_EQUIVOCATIONS = 5_000
interface Needs {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly network: string
  /** The goals that are joined here, by digest. */
  readonly goals: { isJoined(digest: string): boolean; joined(): readonly string[] }
}

/**
 * What other nodes' logs have committed to, their own and those of the goals that are joined here: the newest checkpoint of each that was proven to
 * extend those before it, epochs, and evidence of equivocation. Judges statements; asks nobody.
 */
export class KnownLogs {
  readonly #needs: Needs
  readonly #logs: KnownLogStore
  readonly #equivocated = new Set<string>()
  readonly #doubts = new LogDoubts()

  constructor(needs: Needs) {
    this.#needs = needs
    this.#logs = new KnownLogStore(needs.store, needs.logger)
  }

  async load(): Promise<void> {
    for await (const [name, log] of this.#logs.load()) this.#note(name, log)
    for (const goal of this.#needs.goals.joined()) {
      for await (const [name, log] of this.#logs.load(goal)) this.#note(name, log)
    }
  }

  /** Forgets what is known of the logs of a goal that was left: who joins it again watches them anew. Durable when it resolves. */
  async forgetGoal(goal: string): Promise<void> {
    const providers = [...(await Array.fromAsync(this.#logs.providers({ goal }))), ...this.#logs.coming(goal)]
    await this.#delete([...new Set(providers)].map((provider) => ({ provider, goal })))
  }

  standing(provider: string): Standing {
    if (this.#equivocated.has(provider)) return 'equivocated'
    return this.#doubts.refusal(provider) === undefined ? 'good' : 'suspended'
  }

  /** Nodes that owe a proof, those who have owed it longest first. */
  suspended(): { readonly provider: string; readonly since: number; readonly reason: string }[] {
    const owing = this.#doubts.providers().flatMap((provider) => {
      const refusal = this.#doubts.refusal(provider)
      return refusal === undefined ? [] : { provider, ...refusal }
    })
    return owing.sort((a, b) => a.since - b.since)
  }

  newest(provider: string): Held | undefined {
    return this.#logs.get({ provider })?.newest
  }

  epochs(provider: string): readonly EpochRecord[] {
    return this.#logs.get({ provider })?.epochs ?? []
  }

  equivocation(provider: string): EquivocationRecord | undefined {
    return this.#logs.get({ provider })?.equivocation
  }

  /** Evidence, in order of the nodes that it is about, as many as `limit` after one of them. */
  async equivocations(limit: number, after?: string): Promise<{ records: EquivocationRecord[]; next: string | null }> {
    const providers = [...this.#equivocated].sort().filter((id) => after === undefined || id > after)
    const records = providers.slice(0, limit).flatMap((id) => this.equivocation(id) ?? [])
    return { records, next: providers.length > limit ? providers[limit - 1]! : null }
  }

  /** The statements that are worth telling about a node: its epochs, its checkpoints of goals' logs, then evidence or its newest checkpoint. */
  recordsOf(provider: string): string[] {
    const own = this.#recordsOf({ provider })
    const goals = this.#needs.goals.joined().flatMap((goal) => this.#recordsOf({ provider, goal }))
    return [...own.slice(0, -1), ...goals, ...own.slice(-1)]
  }

  /** The same of all nodes in order, of their own logs or those of a goal, as much as fits; a node that does not fit any more is the next page's. */
  async page(
    from: { readonly after?: string | undefined; readonly goal?: string | undefined },
    maxBytes: number,
    maxCount: number,
  ): Promise<{ records: string[]; next?: string }> {
    const records: string[] = []
    let last: string | undefined
    let room = maxBytes
    for await (const provider of this.#logs.providers(from)) {
      const texts = this.#recordsOf({ provider, goal: from.goal })
      room -= texts.reduce((sum, text) => sum + text.length, 0)
      if (last !== undefined && (room < 0 || records.length + texts.length > maxCount)) return { records, next: last }
      // The epochs of a single node may be too many: the oldest ones are the least worth.
      records.push(...texts.slice(-maxCount))
      last = provider
    }
    return { records }
  }

  #recordsOf(name: LogName): string[] {
    const log = this.#logs.get(name)
    if (log === undefined) return []
    const { provider } = name
    const last: LogRecord[] = []
    if (log.equivocation !== undefined) last.push(log.equivocation)
    else if (log.newest?.note !== undefined) {
      last.push({ type: 'checkpoint', provider_id: provider, ...log.newest.note })
    }
    return [...log.epochs, ...last].map(logRecordText)
  }

  /** What a node must prove now. */
  questions(provider: string): Question[] {
    return this.#doubts
      .of(provider)
      .flatMap((name) => questionsOf(provider, this.#logs.get({ provider, goal: name || undefined }) ?? NOTHING))
  }

  /** Nodes of which something must be proven. */
  doubtful(): Iterable<string> {
    return this.#doubts.providers()
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
  settle(question: Question, { from_root: fromRoot, hashes }: ConsistencyAnswer): Taken {
    const { provider, older, newer } = question
    const name = { provider, goal: parseLogOrigin(newer.origin)?.goalId }
    const log = this.#logs.get(name)
    const { newest } = log ?? {}
    // Meanwhile something else may have been proven.
    if (log === undefined || newest === undefined || (!isSame(newest, older) && !isSame(newest, newer))) return IGNORED
    const placed = isSame(newest, older) ? newer : older
    const proven = hashes && withProof(log, question, placed, hashes)
    if (proven !== undefined) {
      this.#put(name, proven)
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
    this.#put(name, { ...log, open })
    return IGNORED
  }

  /** Takes in that two checkpoints of one size contradict each other, when they do. */
  accuse(provider: string, a: CertifiedNote, b: CertifiedNote): Taken {
    const [first, second] = a.checkpoint < b.checkpoint ? [a, b] : [b, a]
    return this.#takeEquivocation({ type: 'equivocation', provider_id: provider, first, second })
  }

  #takeCheckpoint(record: CheckpointRecord): Taken {
    const { provider_id: provider, certificate, checkpoint, consistency } = record
    const own = this.#logs.get({ provider }) ?? NOTHING
    if (own.equivocation !== undefined) return IGNORED
    const name = { provider, goal: goalOf(record) }
    const { goal } = name
    if (goal !== undefined && !this.#needs.goals.isJoined(goal)) return IGNORED
    const log = this.#logs.get(name)
    if (log === undefined && !this.#logs.hasRoom(name)) return IGNORED
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
    const found = { origin: opened.origin, size: opened.size, root: toHex(opened.root), note }
    for (const place of [...placesOf(known), ...known.superseded]) {
      if (place.origin !== found.origin || place.size !== found.size) continue
      if (place.root === found.root) return this.#named(name, known, place, found)
      if (place.note !== undefined) return this.accuse(provider, place.note, note)
    }
    const epoch = epochOf(own)
    if (opened.epoch !== epoch) return IGNORED
    const grown = withCheckpoint(goal === undefined ? known : inEpoch(known, epoch), found, consistency, now)
    if (grown === undefined) return IGNORED
    this.#put(name, grown.log)
    return grown.taken
  }

  /** A tree that is known. Where only a statement spoke of it, there is a checkpoint now. */
  #named(name: LogName, log: KnownLog, place: Held, found: Held): Taken {
    if (place.note !== undefined || place !== log.newest) return IGNORED
    this.#put(name, { ...log, newest: found })
    return ACCEPTED
  }

  #takeEpoch(record: EpochRecord): Taken {
    const { provider_id: provider, epoch, superseded, size, root } = record
    const log = this.#logs.get({ provider })
    if (log?.equivocation !== undefined || (log === undefined && !this.#logs.hasRoom({ provider }))) return IGNORED
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
    this.#put(
      { provider },
      {
        ...known,
        epochs: [...known.epochs, record],
        newest: { origin: logOrigin(provider, undefined, epoch), size, root },
        recent: [],
        superseded: [...known.superseded, history],
        open: [],
      },
    )
    return ACCEPTED
  }

  #takeEquivocation(record: EquivocationRecord): Taken {
    const { provider_id: provider } = record
    const log = this.#logs.get({ provider })
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
    this.#put({ provider }, { ...NOTHING, epochs: log?.epochs ?? [], equivocation: record })
    void this.#delete(this.#needs.goals.joined().map((goal) => ({ provider, goal })))
    return { verdict: 'accept', news: true, ...(known === undefined ? { equivocation: record } : {}) }
  }

  #opened(provider: string, note: CertifiedNote): NodeCheckpoint | undefined {
    try {
      const opened = openCertifiedNote(nativeVerifier, this.#needs.network, provider, note)
      if (parseNote(note.checkpoint).signatures.length === 1) return opened
    } catch (error) {
      this.#needs.logger.debug({ provider, reason: errorMessage(error) }, 'a checkpoint was refused')
    }
    return undefined
  }

  #put(name: LogName, log: KnownLog): void {
    this.#logs.put(name, log)
    this.#note(name, log)
  }

  #delete(names: readonly LogName[]): Promise<void> {
    for (const name of names) this.#note(name, NOTHING)
    return this.#logs.delete(names)
  }

  #note({ provider, goal }: LogName, log: KnownLog): void {
    if (log.equivocation !== undefined) this.#equivocated.add(provider)
    this.#doubts.note(provider, goal ?? '', log)
  }
}

/** The goal whose log a checkpoint says that it is of, before anything of it is verified; undefined for a node's own. */
export const goalOf = ({ checkpoint }: Pick<CheckpointRecord, 'checkpoint'>): string | undefined =>
  parseLogOrigin(checkpoint.split('\n', 1)[0]!)?.goalId

const idOf = (record: LogRecord): string => logRecordId(logRecordText(record))
