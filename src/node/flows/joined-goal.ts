import type { ContributionResponse } from '../../../protocol/contribution.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { readRecord } from '../../domain/goals/contribution-record.ts'
import type { GoalEntry } from '../../domain/goals/goal-book.ts'
import { type GoalChange, GoalContributions } from '../../domain/goals/goal-contributions.ts'
import type { Standing } from '../../domain/goals/leaderboard.ts'
import { equalBytes, toHex, utf8 } from '../../kernel/base/bytes.ts'
import { MerkleLog } from '../../kernel/log/merkle-log.ts'
import type { Verdict } from '../../network/network.ts'
import type { NodeParts } from '../parts.ts'
import { ContributionRecords } from '../sets/contribution-records.ts'
import { PendingEvaluations } from './evaluate-pending.ts'
import { ContributionGossip } from './gossip-contributions.ts'
import type { ContributionJudge } from './judge-contribution.ts'

type Parts = Pick<NodeParts, 'config' | 'clock' | 'logger' | 'events' | 'keys' | 'store' | 'network'>

/** Bytes of an answer beside its contributions. */
const ENVELOPE_BYTES = 256

/** The log of a goal at this node. */
export const goalLog = (store: NodeParts['store'], digest: string): MerkleLog => new MerkleLog(store, `goal/${digest}`)

/** What is done with what happens to a goal. */
export interface JoinedGoalHooks {
  /** There is a verdict on what a peer brought. */
  judged(): void
  /** Judges a gossiped statement about somebody's log of the goal. */
  statement(bytes: Uint8Array): Verdict
}

/** A goal that this node works for: it evaluates, keeps and relays its contributions. */
export class JoinedGoal {
  readonly entry: GoalEntry
  readonly contributions: GoalContributions
  readonly set: ContributionRecords
  readonly gossip: ContributionGossip
  readonly #parts: Parts
  readonly #pending: PendingEvaluations
  readonly #hooks: JoinedGoalHooks
  #root: Uint8Array

  constructor(parts: Parts, judge: ContributionJudge, entry: GoalEntry, hooks: JoinedGoalHooks) {
    this.#hooks = hooks
    this.#parts = parts
    this.entry = entry
    const log = goalLog(parts.store, entry.digest)
    const { max_bytes_per_goal: mostBytes } = parts.config.goals
    this.contributions = new GoalContributions({ ...parts, log, mostBytes }, entry, (change) => this.#changed(change))
    this.set = new ContributionRecords(entry, parts.config.network.name, this.contributions)
    const { contributions } = this
    const has = (id: string): boolean => contributions.get(id) !== undefined || contributions.isBeyond(id)
    this.gossip = new ContributionGossip(parts, { goal: entry, set: this.set, has })
    this.#pending = new PendingEvaluations(parts, judge, { goal: entry, contributions }, hooks.judged)
    this.#root = contributions.board.root()
  }

  /** Reads what was kept before. */
  async load(): Promise<void> {
    this.set.changed({ added: await this.contributions.load(), evicted: [] })
    this.#root = this.contributions.board.root()
  }

  /** Once the network runs. */
  start(): void {
    const { network } = this.#parts
    network.joinTopic(`goal/${this.entry.digest}`, (bytes, from) =>
      isStatement(bytes) ? this.#hooks.statement(bytes) : this.gossip.gossiped(bytes, from),
    )
    this.#pending.start()
  }

  async stop(): Promise<void> {
    this.#parts.network.leaveTopic(`goal/${this.entry.digest}`)
    this.gossip.stop()
    await this.#pending.stop()
    await this.contributions.flush()
  }

  /** Contributions that were accepted here, of those asked for, in their order, as many as fit a frame. */
  answer(ids: readonly string[]): ContributionResponse['contributions'] {
    const found: ContributionResponse['contributions'] = []
    let room = LIMITS.frameBytes - ENVELOPE_BYTES
    for (const id of ids) {
      const result = this.contributions.resultOf(id)
      const text = result && this.contributions.text(id)
      const record = text === undefined ? undefined : readRecord(text)
      if (result === undefined || record === undefined) continue
      const one = { ...record, result }
      room -= Buffer.byteLength(JSON.stringify(one)) + 1
      if (room < 0) break
      found.push(one)
    }
    return found
  }

  #changed(change: GoalChange): void {
    this.set.changed(change)
    const goalId = this.entry.goal.goal_id
    const { events } = this.#parts
    for (const { id, pack, contributor, score, logIndex } of change.accepted) {
      events.emit('contribution_added', {
        goalId,
        contributionId: id,
        packHash: pack,
        contributorId: contributor,
        score,
        logIndex,
      })
    }
    this.#pending.wake()
    const { board } = this.contributions
    const root = board.root()
    if (equalBytes(root, this.#root)) return
    this.#root = root
    events.emit('leaderboard_update', { goalId, root: toHex(root), best: bestOf(board.entries()[0]) })
  }
}

/** Checkpoints share the topic of a goal with announcements. Both are RFC 8785 text, so their first member tells them apart. */
const STATEMENT = utf8('{"certificate":')

const isStatement = (bytes: Uint8Array): boolean => equalBytes(bytes.subarray(0, STATEMENT.length), STATEMENT)

const bestOf = (standing: Standing | undefined) =>
  standing === undefined
    ? null
    : {
        packHash: standing.pack,
        contributorId: standing.contributor,
        score: standing.score,
        logIndex: standing.logIndex,
      }
