import type { ContributionRequest } from '../../protocol/contribution.ts'
import type { ContributionVerdict, GoalTerms, LeaderboardEntry } from '../../protocol/goal.ts'
import type { Administration } from '../domain/access/administration.ts'
import type { GoalBook, GoalEntry } from '../domain/goals/goal-book.ts'
import { countsOf } from '../domain/goals/goal-contributions.ts'
import { signGoal } from '../domain/goals/goal-record.ts'
import type { Standing } from '../domain/goals/leaderboard.ts'
import { toHex } from '../kernel/base/bytes.ts'
import { ProviderError } from '../kernel/base/errors.ts'
import type { Part } from '../kernel/base/lifecycle.ts'
import type { MerkleLog } from '../kernel/log/merkle-log.ts'
import { EMPTY_ROOT, leafHash } from '../kernel/log/tree.ts'
import type { AnswerTo } from '../network/handlers.ts'
import { IdIndex } from '../network/sync/id-index.ts'
import { SetRoot } from '../network/sync/set-root.ts'
import { ContributionDesk } from './flows/contribute.ts'
import { goalLog, JoinedGoal } from './flows/joined-goal.ts'
import { ContributionJudge, type JudgeInit } from './flows/judge-contribution.ts'
import type { EvaluatorPackages } from './flows/prepare-evaluators.ts'
import type { Reconciler } from './flows/reconcile.ts'
import type { LogWatcher } from './flows/watch-logs.ts'
import type { GoalLogEntry, GoalProof, GoalStatus, Goals, KnownGoal, Submission } from './goals-api.ts'
import type { NodeParts } from './parts.ts'

type Parts = Pick<NodeParts, 'config' | 'clock' | 'logger' | 'events' | 'keys' | 'store' | 'network' | 'knownLogs'>

/** What the node's goals are made of. */
export interface NodeGoalsInit extends JudgeInit {
  readonly book: GoalBook
  readonly packages: EvaluatorPackages
  readonly administration: Administration
  readonly reconciler: Pick<Reconciler, 'add' | 'remove' | 'changed'>
  readonly watcher: Pick<LogWatcher, 'gossiped'>
}

/** Goals as the doors see them. */
export class NodeGoals implements Goals, Part {
  readonly name = 'goals'
  readonly #parts: Parts
  readonly #init: NodeGoalsInit
  readonly #judge: ContributionJudge
  readonly #desk: ContributionDesk
  /** By digest. */
  readonly #joined = new Map<string, JoinedGoal>()
  #isRunning = false
  #changing: Promise<unknown> = Promise.resolve()
  /** Contributions since the node started: that clients and peers brought, and that were judged. */
  #received = 0
  #processed = 0

  constructor(parts: Parts, init: NodeGoalsInit) {
    this.#parts = parts
    this.#init = init
    this.#judge = new ContributionJudge(init)
    this.#desk = new ContributionDesk(parts, this.#judge)
  }

  /** Reads the goals that were joined before. To be called once, before the reconciler starts. */
  async load(): Promise<void> {
    for (const entry of this.#init.book.list()) if (entry.joined) await this.#open(entry)
  }

  /** Once the network runs. */
  start(): void {
    this.#isRunning = true
    for (const joined of this.#joined.values()) joined.start()
  }

  async stop(): Promise<void> {
    this.#isRunning = false
    this.#desk.stop()
    this.#init.packages.stop()
    await this.#changing
    await Promise.all(Array.from(this.#joined.values(), (joined) => joined.stop()))
  }

  /** Aliases of the goals that this node works for, in order. */
  get joinedIds(): string[] {
    return Array.from(this.#joined.values(), ({ entry }) => entry.goal.goal_id).sort()
  }

  get counts(): { readonly received: number; readonly processed: number } {
    return { received: this.#received, processed: this.#processed }
  }

  /** The logs of the goals that this node works for. */
  *logs(): Generator<{ readonly name: string; readonly goal: string; readonly log: MerkleLog }> {
    for (const { entry, contributions } of this.#joined.values()) {
      yield { name: contributions.log.name, goal: entry.digest, log: contributions.log }
    }
  }

  create(terms: GoalTerms, by: string): Promise<KnownGoal> {
    const { keys, config, clock } = this.#parts
    return this.#changed(async () => {
      const goal = signGoal(keys.identity, config.network.name, terms, clock.now())
      const { book, administration } = this.#init
      return book.create(goal, (tx, details) => administration.add(tx, { act: 'goal_created', by, details }))
    })
  }

  list(): KnownGoal[] {
    return this.#init.book.list().map(known)
  }

  get(goalId: string): KnownGoal {
    return known(this.#init.book.find(goalId))
  }

  join(goalId: string, by: string): Promise<KnownGoal> {
    const { book, administration } = this.#init
    return this.#changed(() =>
      book.join(goalId, (tx, details) => administration.add(tx, { act: 'goal_joined', by, details })),
    )
  }

  leave(goalId: string, by: string): Promise<KnownGoal> {
    const { book, administration } = this.#init
    return this.#changed(() =>
      book.leave(goalId, (tx, details) => administration.add(tx, { act: 'goal_left', by, details })),
    )
  }

  async contribute(submission: Submission): Promise<ContributionVerdict> {
    const joined = this.#joinedGoal(submission.goal_id)
    if (!this.#parts.config.goals.accept_contributions) {
      throw new ProviderError('PROV_015', 'this node takes no contributions from clients (goals.accept_contributions)')
    }
    this.#received++
    const verdict = await this.#desk.submit(joined, submission)
    if (verdict.accepted || verdict.rejection_type !== null) this.#processed++
    if (verdict.accepted) this.#init.reconciler.changed()
    return verdict
  }

  leaderboard(goalId: string, limit: number): { entries: readonly LeaderboardEntry[]; total: number } {
    const entries = this.#joinedGoal(goalId).contributions.board.entries()
    return { entries: entries.slice(0, limit).map(entryOf), total: entries.length }
  }

  policy(goalId: string): LeaderboardEntry | null {
    const best = this.#joinedGoal(goalId).contributions.board.entries()[0]
    return best === undefined ? null : entryOf(best, 0)
  }

  status(goalId: string): GoalStatus {
    const { goal, digest } = this.#init.book.find(goalId)
    const joined = this.#joined.get(digest)
    const log = goalLog(this.#parts.store, digest)
    const { size } = log
    const counts = joined?.contributions.counts ?? countsOf(this.#parts.store, digest)
    return {
      goal_id: goal.goal_id,
      log_size: size,
      leaderboard_size: joined?.contributions.board.entries().length ?? 0,
      total_contributions: counts.total,
      accepted_contributions: counts.accepted,
      rejected_contributions: counts.rejected,
      log_root: toHex(log.root(size)),
      leaderboard_root: toHex(joined?.contributions.board.root() ?? EMPTY_ROOT),
      set_root: toHex(joined?.set.root ?? new SetRoot(new IdIndex()).readNow()),
    }
  }

  async log(
    goalId: string,
    { from, limit }: { readonly from: number; readonly limit: number },
  ): Promise<GoalLogEntry[]> {
    const log = goalLog(this.#parts.store, this.#init.book.find(goalId).digest)
    const entries: GoalLogEntry[] = []
    for (let index = from; index < Math.min(log.size, from + limit); index++) {
      const leaf = log.leaf(index)!
      entries.push({ log_index: index, leaf_hash: toHex(leafHash(leaf)), leaf: Buffer.from(leaf).toString() })
    }
    return entries
  }

  async proof(goalId: string, index: number): Promise<GoalProof> {
    const log = goalLog(this.#parts.store, this.#init.book.find(goalId).digest)
    const { size } = log
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
      throw new ProviderError('PROV_001', `Log index ${index} out of bounds [0, ${size})`, { status: 404 })
    }
    const leaf = log.leaf(index)!
    return {
      ...log.mmrInclusion(index, size),
      log_index: index,
      leaf: Buffer.from(leaf).toString(),
      leafHash: leafHash(leaf),
      size,
      root: log.root(size),
      inclusion: log.inclusion(index, size),
    }
  }

  /** What a peer that asks for contributions is told. */
  answer({ goal, contributions }: ContributionRequest): AnswerTo<'contribution_request'> {
    return { contributions: this.#joined.get(goal)?.answer(contributions) ?? [] }
  }

  #joinedGoal(goalId: string): JoinedGoal {
    const { goal, digest } = this.#init.book.find(goalId)
    const joined = this.#joined.get(digest)
    if (joined !== undefined) return joined
    const message = `this node does not work for the goal ${goal.goal_id}: its operator has not joined it`
    throw new ProviderError('PROV_001', message, { status: 409 })
  }

  /** Changes by the operator happen one after the other, each with what follows from it. */
  #changed(change: () => Promise<GoalEntry>): Promise<KnownGoal> {
    const result = this.#changing.then(async () => {
      const entry = await change()
      if (entry.joined) await this.#open(entry)
      else await this.#close(entry)
      this.#init.reconciler.changed()
      return known(entry)
    })
    this.#changing = result.catch(() => undefined)
    return result
  }

  async #open(entry: GoalEntry): Promise<void> {
    if (this.#joined.has(entry.digest)) return
    const joined = new JoinedGoal(this.#parts, this.#judge, entry, {
      judged: () => {
        this.#received++
        this.#processed++
      },
      statement: (bytes) => this.#init.watcher.gossiped(bytes, entry.digest),
    })
    await joined.load()
    this.#joined.set(entry.digest, joined)
    this.#init.reconciler.add(joined.set)
    if (this.#isRunning) joined.start()
  }

  async #close({ digest }: GoalEntry): Promise<void> {
    const joined = this.#joined.get(digest)
    if (joined === undefined) return
    this.#joined.delete(digest)
    this.#init.reconciler.remove(joined.set.name)
    await joined.stop()
    await this.#parts.knownLogs.forgetGoal(digest)
  }
}

const known = ({ goal, digest, joined }: GoalEntry): KnownGoal => ({ goal, digest, joined })

const entryOf = ({ pack, contributor, score, metrics, logIndex, at }: Standing, place: number): LeaderboardEntry => ({
  rank: place + 1,
  pack_hash: pack,
  contributor_id: contributor,
  score,
  metrics,
  log_index: logIndex,
  timestamp_ms: at,
})
