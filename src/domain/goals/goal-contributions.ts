import type { Contribution } from '../../../protocol/contribution.ts'
import type { Goal, GoalMetrics } from '../../../protocol/goal.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import type { MerkleLog } from '../../kernel/log/merkle-log.ts'
import { jsonKeyspace, KEYSPACES, textKeyspace } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import { ContributionSet, type Member, type SetChange } from './contribution-set.ts'
import { Leaderboard, type Standing } from './leaderboard.ts'

/** What this node made of a contribution. */
export type Verdict =
  | { readonly accepted: true; readonly metrics: GoalMetrics; readonly score: number }
  | { readonly accepted: false }

/** A contribution that was admitted. */
export interface Admitted {
  readonly id: string
  /** SHA-256 of `text`. */
  readonly record: string
  readonly contribution: Contribution
  /** RFC 8785 text of contribution and pack. */
  readonly text: string
}

/** A contribution that is kept. */
export interface Kept extends Member {
  readonly record: string
  /** Undefined until this node has evaluated it. */
  state: 'accepted' | 'rejected' | undefined
}

/** What became of a contribution that was brought. */
export type Taken =
  | { readonly kind: 'taken'; readonly standing: Standing | undefined }
  /** `pack`: another contribution of the same pack stands. `full`: its contributor, or the goal, has enough with smaller ids. */
  | { readonly kind: 'known' | 'pack' | 'full' }

/** How many contributions were judged. */
export interface Counts {
  readonly total: number
  readonly accepted: number
  readonly rejected: number
}

/** What a write to the disk changed. */
export interface GoalChange {
  readonly added: readonly Kept[]
  readonly evicted: readonly Kept[]
  readonly accepted: readonly Standing[]
}

interface KeptState {
  readonly record: string
  readonly contributor: string
  readonly pack: string
  /** On disk, with what is kept beside the text. */
  readonly bytes: number
  readonly verdict?:
    | false
    | { readonly metrics: GoalMetrics; readonly score: number; readonly index: number; readonly at: number }
}

/** The smallest id for which there was no room, and how many bytes there were. */
interface Bound {
  readonly id: string
  readonly bytes: number
}

type Job =
  | {
      readonly kind: 'take'
      readonly admitted: Admitted
      readonly verdict: Verdict | undefined
      readonly isNew: boolean
      readonly resolve: (taken: Taken) => void
      readonly reject: (error: unknown) => void
    }
  | {
      readonly kind: 'settle'
      readonly id: string
      readonly verdict: Verdict
      readonly resolve: () => void
      readonly reject: (error: unknown) => void
    }

/** What a write says of a contribution that was accepted. */
interface Accepted {
  readonly job: Job
  readonly id: string
  readonly state: KeptState
  readonly verdict: Verdict & { readonly accepted: true }
}

const texts = textKeyspace(KEYSPACES.contributions)
const states = jsonKeyspace<KeptState>(KEYSPACES.contributionStates)
const allCounts = jsonKeyspace<Counts>(KEYSPACES.goals)
const COUNTS = 'counts!'
const bounds = jsonKeyspace<Bound>(KEYSPACES.goals)
const BOUND = 'bound!'

/**
 * Contributions that one write to the disk carries at most. Of a burst, others are verified while the disk is busy with some; and a write costs as
 * much as verifying a few dozen.
 */
const BATCH = 256
/** Bytes on disk of a contribution beside its text: its state with the verdict, its leaf and the leaf's hashes. */
const STATE_BYTES = 1024

/**
 * The contributions to one goal: the set that nodes share, the verdicts of this node, its log of what it accepted, and the leaderboard that follows
 * from them. What is in memory is what is on disk: changes are made by one write after the other, each for as many contributions as wait.
 */
export class GoalContributions {
  readonly log: MerkleLog
  readonly #store: Store
  readonly #clock: Clock
  readonly #digest: string
  readonly #mostBytes: number
  readonly #set: ContributionSet<Kept>
  readonly #board: Leaderboard
  readonly #onChange: (change: GoalChange) => void
  readonly #pending = new Set<string>()
  readonly #queue: Job[] = []
  #counts: Counts
  #writer: Promise<void> | undefined

  /** `onChange` hears of changes once they are durable. */
  constructor(
    parts: { readonly store: Store; readonly clock: Clock; readonly log: MerkleLog; readonly mostBytes: number },
    { goal, digest }: { readonly goal: Goal; readonly digest: string },
    onChange: (change: GoalChange) => void,
  ) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.log = parts.log
    this.#digest = digest
    this.#mostBytes = parts.mostBytes
    const before = parts.store.get(bounds, BOUND + digest)
    this.#set = new ContributionSet({
      perContributor: goal.per_contributor,
      most: LIMITS.contributionsPerGoal,
      bytes: parts.mostBytes,
      // Where there is more room than there was, there may be room for it.
      bound: before !== undefined && before.bytes >= parts.mostBytes ? before.id : undefined,
    })
    this.#board = new Leaderboard(goal)
    this.#onChange = onChange
    this.#counts = countsOf(parts.store, digest)
  }

  /** Reads what was kept before, without the texts; resolves to it. */
  async load(): Promise<readonly Kept[]> {
    const prefix = this.#key('')
    const added: Kept[] = []
    for await (const [key, { record, contributor, pack, bytes, verdict }] of this.#store.scan(states, { prefix })) {
      const id = key.slice(prefix.length)
      added.push({ id, record, contributor, pack, bytes, state: stateOf(verdict) })
      if (verdict === undefined) this.#pending.add(id)
      else if (verdict !== false) this.#board.add(standingOf(id, contributor, pack, verdict))
    }
    this.#set.apply({ added, evicted: [], bound: this.#set.bound })
    return added
  }

  get counts(): Counts {
    return this.#counts
  }

  get board(): Pick<Leaderboard, 'entries' | 'root'> {
    return this.#board
  }

  get size(): number {
    return this.#set.size
  }

  get(id: string): Kept | undefined {
    return this.#set.get(id)
  }

  /** Whether there is no room for a contribution with this id, and will be none. */
  isBeyond(id: string): boolean {
    return this.#set.bound !== undefined && id >= this.#set.bound
  }

  /** Contributions that wait for this node's verdict, the longest waiting first. */
  pending(): IterableIterator<string> {
    return this.#pending.values()
  }

  /** Text of a contribution and its pack; undefined when it is not kept. */
  text(id: string): string | undefined {
    return this.#set.get(id) === undefined ? undefined : this.#store.get(texts, this.#key(id))
  }

  /** Score and metrics of a contribution that was accepted here. */
  resultOf(id: string): { readonly metrics: GoalMetrics; readonly score: number } | undefined {
    const verdict = this.#store.get(states, this.#key(id))?.verdict
    return verdict === undefined || verdict === false ? undefined : { metrics: verdict.metrics, score: verdict.score }
  }

  /** Whether a submission with this pack would be a duplicate: of a smaller id, or by the same contributor. */
  isDuplicate(one: Omit<Member, 'bytes'>): boolean {
    return this.#set.withPack(one.pack).some((other) => other.state !== 'rejected' && displaces(other, one))
  }

  /** A submission that was refused for what it is; it leaves nothing but a count, which the next write makes durable. */
  countRejected(): void {
    const { total, accepted, rejected } = this.#counts
    this.#counts = { total: total + 1, accepted, rejected: rejected + 1 }
  }

  /**
   * Takes a contribution into the set, with this node's verdict where there is one. Durable when it resolves. `isNew` is a submission: then no other
   * contribution of the same pack may stand in its way.
   */
  take(admitted: Admitted, verdict: Verdict | undefined, isNew: boolean): Promise<Taken> {
    return new Promise((resolve, reject) => this.#enqueue({ kind: 'take', admitted, verdict, isNew, resolve, reject }))
  }

  /** This node's verdict on a contribution of the set; without effect where it has gone meanwhile, or has one. */
  settle(id: string, verdict: Verdict): Promise<void> {
    return new Promise((resolve, reject) => this.#enqueue({ kind: 'settle', id, verdict, resolve, reject }))
  }

  /** Resolves when nothing waits to be written. */
  async flush(): Promise<void> {
    await this.#writer
    if (countsOf(this.#store, this.#digest).total === this.#counts.total) return
    await this.#store.transact((tx) => tx.put(allCounts, COUNTS + this.#digest, this.#counts))
  }

  #enqueue(job: Job): void {
    this.#queue.push(job)
    this.#writer ??= this.#write()
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    while (this.#queue.length > 0) {
      // One turn of patience lets those that are ready share a write.
      await new Promise((resolve) => setImmediate(resolve))
      const jobs = this.#queue.splice(0, BATCH)
      try {
        const done = await this.#batch(jobs)
        for (const finish of done) finish()
      } catch (error) {
        for (const { reject } of jobs) reject(error)
      }
    }
    this.#writer = undefined
  }

  /** Writes, then changes what is in memory; resolves to what tells each job its outcome. */
  async #batch(jobs: readonly Job[]): Promise<(() => void)[]> {
    const outcomes = this.#outcomes(jobs)
    const candidates = jobs.flatMap((job) => {
      const taken = outcomes.get(job)
      return taken === undefined && job.kind === 'take' ? [keptOf(job.admitted, job.verdict)] : []
    })
    const plan = this.#set.plan(candidates)
    const added = new Set(plan.added.map(({ id }) => id))
    const gone = new Set(plan.evicted.map(({ id }) => id))
    const settled = new Map<Job, Standing | undefined>()
    const handled = new Set<string>()
    await this.#store.transact((tx) => {
      for (const { id } of plan.evicted) {
        tx.delete(texts, this.#key(id))
        tx.delete(states, this.#key(id))
      }
      const accepted: Accepted[] = []
      for (const job of jobs) {
        if (outcomes.has(job)) continue
        const { id } = job.kind === 'take' ? job.admitted : job
        const isHere = job.kind === 'take' ? added.has(id) : this.#pending.has(id) && !gone.has(id)
        if (!isHere || handled.has(id)) continue
        handled.add(id)
        settled.set(job, undefined)
        const state = job.kind === 'take' ? this.#putText(tx, job.admitted) : tx.get(states, this.#key(id))
        if (state === undefined) continue
        if (job.verdict?.accepted) accepted.push({ job, id, state, verdict: job.verdict })
        else tx.put(states, this.#key(id), job.verdict === undefined ? state : { ...state, verdict: false })
      }
      for (const [job, standing] of this.#putAccepted(tx, accepted)) settled.set(job, standing)
      tx.put(allCounts, COUNTS + this.#digest, this.#counted(settled))
      if (plan.bound !== undefined && plan.bound !== this.#set.bound) {
        tx.put(bounds, BOUND + this.#digest, { id: plan.bound, bytes: this.#mostBytes })
      }
    })
    return this.#applied(jobs, plan, settled, outcomes)
  }

  /** What can be said of a job before anything is planned. */
  #outcomes(jobs: readonly Job[]): Map<Job, Taken> {
    const outcomes = new Map<Job, Taken>()
    const coming = new Map<string, Kept>()
    const packs = new Map<string, Kept>()
    for (const job of jobs) {
      if (job.kind === 'settle') continue
      const one = keptOf(job.admitted, job.verdict)
      const samePack = packs.get(one.pack)
      const isInTheWay = this.isDuplicate(one) || (samePack !== undefined && displaces(samePack, one))
      if (this.#set.get(one.id) !== undefined || coming.has(one.id)) outcomes.set(job, { kind: 'known' })
      else if (job.isNew && isInTheWay) outcomes.set(job, { kind: 'pack' })
      else {
        coming.set(one.id, one)
        packs.set(one.pack, one)
      }
    }
    return outcomes
  }

  #applied(
    jobs: readonly Job[],
    plan: SetChange<Kept>,
    settled: ReadonlyMap<Job, Standing | undefined>,
    outcomes: ReadonlyMap<Job, Taken>,
  ): (() => void)[] {
    this.#counts = this.#counted(settled)
    this.#set.apply(plan)
    for (const { id } of plan.added) this.#pending.add(id)
    for (const { id, pack } of plan.evicted) {
      this.#pending.delete(id)
      this.#board.remove({ id, pack })
    }
    for (const [job, standing] of settled) {
      if (job.kind === 'take' && job.verdict === undefined) continue
      const id = job.kind === 'take' ? job.admitted.id : job.id
      this.#pending.delete(id)
      const kept = this.#set.get(id)
      if (kept !== undefined) kept.state = job.verdict?.accepted ? 'accepted' : 'rejected'
      if (standing !== undefined) this.#board.add(standing)
    }
    const accepted = [...settled.values()].filter((standing) => standing !== undefined)
    if (plan.added.length + plan.evicted.length + accepted.length > 0) this.#onChange({ ...plan, accepted })
    return jobs.map((job) => () => {
      if (job.kind === 'settle') return job.resolve()
      const early = outcomes.get(job)
      if (early !== undefined) return job.resolve(early)
      job.resolve(settled.has(job) ? { kind: 'taken', standing: settled.get(job) } : { kind: 'full' })
    })
  }

  #putText(tx: Transaction, { id, record, contribution, text }: Admitted): KeptState {
    tx.put(texts, this.#key(id), text)
    return { record, contributor: contribution.contributor_id, pack: contribution.pack_hash, bytes: bytesOf(text) }
  }

  /** What is accepted gets its leaf in the transaction that says so, all of a write together. */
  #putAccepted(tx: Transaction, accepted: readonly Accepted[]): (readonly [Job, Standing])[] {
    if (accepted.length === 0) return []
    const leaves = accepted.map(({ state: { contributor, pack }, verdict: { metrics, score } }) =>
      utf8(canonicalJson({ goal: this.#digest, contributor_id: contributor, pack_hash: pack, score, metrics })),
    )
    const first = this.log.appendAll(tx, leaves)
    const at = this.#clock.now()
    return accepted.map(({ job, id, state, verdict: { metrics, score } }, i) => {
      const kept = { metrics, score, index: first + i, at }
      tx.put(states, this.#key(id), { ...state, verdict: kept })
      return [job, standingOf(id, state.contributor, state.pack, kept)]
    })
  }

  #counted(settled: ReadonlyMap<Job, Standing | undefined>): Counts {
    let { total, accepted, rejected } = this.#counts
    for (const job of settled.keys()) {
      if (job.verdict === undefined) continue
      total++
      if (job.verdict.accepted) accepted++
      else rejected++
    }
    return { total, accepted, rejected }
  }

  #key(id: string): string {
    return `${this.#digest}!${id}`
  }
}

/** What was counted of a goal, joined or not. */
export const countsOf = (store: Pick<Store, 'get'>, digest: string): Counts =>
  store.get(allCounts, COUNTS + digest) ?? { total: 0, accepted: 0, rejected: 0 }

/** Whether a contribution is in the way of another one with the same pack. */
const displaces = (one: Pick<Member, 'id' | 'contributor'>, other: Pick<Member, 'id' | 'contributor'>): boolean =>
  one.id < other.id || one.contributor === other.contributor

const bytesOf = (text: string): number => Buffer.byteLength(text) + STATE_BYTES

const keptOf = ({ id, record, contribution, text }: Admitted, verdict: Verdict | undefined): Kept => ({
  id,
  record,
  contributor: contribution.contributor_id,
  pack: contribution.pack_hash,
  bytes: bytesOf(text),
  state: verdict === undefined ? undefined : verdict.accepted ? 'accepted' : 'rejected',
})

const stateOf = (verdict: KeptState['verdict']): Kept['state'] =>
  verdict === undefined ? undefined : verdict === false ? 'rejected' : 'accepted'

const standingOf = (
  id: string,
  contributor: string,
  pack: string,
  { metrics, score, index, at }: Exclude<KeptState['verdict'], false | undefined>,
): Standing => ({ id, contributor, pack, metrics, score, logIndex: index, at })
