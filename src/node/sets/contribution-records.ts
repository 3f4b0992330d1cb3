import type { Acceptance } from '../../../protocol/rpc.ts'
import { contributionId, inadmissible, isSigned, readRecord } from '../../domain/goals/contribution-record.ts'
import type { GoalEntry } from '../../domain/goals/goal-book.ts'
import type { GoalChange, GoalContributions } from '../../domain/goals/goal-contributions.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import { pooledVerifier } from '../../kernel/identity/verify.ts'
import type { IdIndex } from '../../network/sync/id-index.ts'
import type { RecordSet } from '../../network/sync/record-set.ts'
import { SetRoot } from '../../network/sync/set-root.ts'
import { KeyedRecords } from './keyed-records.ts'

/**
 * The contributions to a goal that nodes share. A record is the RFC 8785 text of `{contribution, pack}`. What comes in depends on its bytes and
 * the goal's alone; what it is worth, each node finds out afterwards.
 */
export class ContributionRecords implements RecordSet {
  readonly name: string
  readonly isPermanent = true
  readonly #goal: GoalEntry
  readonly #network: string
  readonly #contributions: GoalContributions
  readonly #records = new KeyedRecords()
  readonly #root: SetRoot

  constructor(goal: GoalEntry, network: string, contributions: GoalContributions) {
    this.name = `goal/${goal.digest}`
    this.#goal = goal
    this.#network = network
    this.#contributions = contributions
    this.#root = new SetRoot(this.#records.ids)
  }

  get ids(): IdIndex {
    return this.#records.ids
  }

  /** 32 bytes. */
  get root(): Uint8Array {
    return this.#root.readNow()
  }

  changed({ added, evicted }: Pick<GoalChange, 'added' | 'evicted'>): void {
    for (const { id } of evicted) this.#records.set(id, undefined)
    for (const { id, record } of added) this.#records.set(id, record)
  }

  text(record: string): string | undefined {
    const id = this.#records.keyOf(record)
    return id === undefined ? undefined : this.#contributions.text(id)
  }

  async accept(text: string): Promise<Acceptance> {
    const record = readRecord(text)
    if (record === undefined || inadmissible({ ...this.#goal, network: this.#network }, record) !== undefined) {
      return 'rejected'
    }
    const { contribution } = record
    if (!(await isSigned(pooledVerifier, this.#network, contribution))) return 'rejected'
    const id = contributionId(contribution)
    const { kind } = await this.#contributions.take(
      { id, record: sha256Hex(text), contribution, text },
      undefined,
      false,
    )
    return kind === 'taken' ? 'accepted' : 'ignored'
  }
}
