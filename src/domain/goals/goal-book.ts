import type { Goal } from '../../../protocol/goal.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { Counts } from '../../kernel/base/counts.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

/** A goal that is known here. */
export interface GoalEntry {
  readonly goal: Goal
  /** SHA-256 of the record, lower-case hexadecimal. */
  readonly digest: string
  readonly joined: boolean
  /** The peer that told of it; absent where this node created or joined it. */
  readonly source?: string
}

/** Called in the transaction of a change, so that what belongs to it is written with it or not at all. */
type Witness = (tx: Transaction, details: object) => void

/** Goals that others created and nobody here joined: in all, of one creator, and told by one peer. All are in memory, 96 KiB each at the worst. */
const MAX_STRANGERS = 2048
const MAX_PER_CREATOR = 64
const MAX_PER_SOURCE = MAX_STRANGERS / 8

const goals = jsonKeyspace<{ readonly goal: Goal; readonly source?: string }>(KEYSPACES.goals)
const joined = jsonKeyspace<{ readonly at: number }>(KEYSPACES.goals)
const GOAL = 'goal!'
const JOINED = 'joined!'

/** The goals that this node knows, and which of them its operator joined. */
export class GoalBook {
  readonly #store: Store
  readonly #clock: Clock
  readonly #self: string
  readonly #entries = new Map<string, GoalEntry>()
  readonly #aliases = new Map<string, readonly string[]>()
  readonly #byCreator = new Counts()
  readonly #bySource = new Counts()
  #strangers = 0
  #changing: Promise<unknown> = Promise.resolve()
  #watcher: (entry: GoalEntry) => void = () => undefined

  constructor(parts: { readonly store: Store; readonly clock: Clock; readonly self: string }) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.#self = parts.self
  }

  async load(): Promise<void> {
    for await (const [key, { goal, source }] of this.#store.scan(goals, { prefix: GOAL })) {
      const digest = key.slice(GOAL.length)
      const isJoined = this.#store.get(joined, JOINED + digest) !== undefined
      this.#set({ goal, digest, joined: isJoined, ...(source === undefined ? {} : { source }) })
    }
  }

  /** `watcher` hears of goals that become known from now on. */
  watch(watcher: (entry: GoalEntry) => void): void {
    this.#watcher = watcher
  }

  /** In the order of their aliases. */
  list(): GoalEntry[] {
    return [...this.#entries.values()].sort((a, b) =>
      a.goal.goal_id === b.goal.goal_id ? (a.digest < b.digest ? -1 : 1) : a.goal.goal_id < b.goal.goal_id ? -1 : 1,
    )
  }

  byDigest(digest: string): GoalEntry | undefined {
    return this.#entries.get(digest)
  }

  isJoined(digest: string): boolean {
    return this.#entries.get(digest)?.joined === true
  }

  /** Digests of the goals that the operator joined. */
  joined(): string[] {
    return [...this.#entries.values()].flatMap((entry) => (entry.joined ? entry.digest : []))
  }

  /**
   * The goal with that digest, else the one with that alias: the joined one, else this node's own, else the only one. Throws `PROV_001`: status 404 where
   * there is none, 409 where there are several.
   */
  find(goalId: string): GoalEntry {
    const named = this.#entries.get(goalId)
    if (named !== undefined) return named
    const all = (this.#aliases.get(goalId) ?? []).map((digest) => this.#entries.get(digest)!)
    const chosen =
      all.find((entry) => entry.joined) ??
      all.find(({ goal }) => goal.creator === this.#self) ??
      (all.length === 1 ? all[0] : undefined)
    if (chosen !== undefined) return chosen
    if (all.length === 0) {
      throw new ProviderError('PROV_001', `there is no goal ${goalId.slice(0, GOAL_ID_LENGTH)} here`, { status: 404 })
    }
    const digests = all.map(({ digest }) => digest).join(', ')
    throw new ProviderError('PROV_001', `several goals are called ${goalId}: name one by its digest: ${digests}`, {
      status: 409,
    })
  }

  /** Keeps a goal of this node, and joins it. Durable when it resolves. Throws `PROV_007` for an alias that is taken, and `PROV_014`. */
  create(goal: Goal, witness: Witness): Promise<GoalEntry> {
    return this.#afterOthers(() => this.#create(goal, witness))
  }

  /** Durable when it resolves. Throws as `find` does, `PROV_007` while another goal of that alias is joined, and `PROV_014`. */
  join(goalId: string, witness: Witness): Promise<GoalEntry> {
    return this.#afterOthers(async () => {
      const known = this.find(goalId)
      return known.joined ? known : this.#join(known, witness)
    })
  }

  /** Durable when it resolves. The goal stays known. Throws as `find` does. */
  leave(goalId: string, witness: Witness): Promise<GoalEntry> {
    return this.#afterOthers(async () => {
      const known = this.find(goalId)
      if (!known.joined) return known
      const entry = { ...known, joined: false }
      await this.#store.transact((tx) => {
        tx.delete(joined, JOINED + entry.digest)
        witness(tx, detailsOf(entry))
      })
      this.#set(entry)
      return entry
    })
  }

  async #create(goal: Goal, witness: Witness): Promise<GoalEntry> {
    const taken = (this.#aliases.get(goal.goal_id) ?? []).map((digest) => this.#entries.get(digest)!)
    if (taken.some((other) => other.joined || other.goal.creator === this.#self)) {
      throw new ProviderError('PROV_007', `there is a goal ${goal.goal_id} here already`)
    }
    return this.#join({ goal, digest: digestOf(goal) }, witness)
  }

  /** Keeps a goal that `source` told of, if there is room. */
  async hear(goal: Goal, source: string): Promise<'kept' | 'known' | 'no room'> {
    const digest = digestOf(goal)
    if (this.#entries.has(digest)) return 'known'
    if (!this.#hasRoom(goal, source)) return 'no room'
    const entry = { goal, digest, joined: false, source }
    // Counted before it is durable, so that those who are told of at once find no more room than there is.
    this.#set(entry)
    try {
      await this.#store.transact((tx) => tx.put(goals, GOAL + digest, { goal, source }))
    } catch (error) {
      this.#delete(digest)
      throw error
    }
    this.#watcher(entry)
    return 'kept'
  }

  async #join({ goal, digest }: Pick<GoalEntry, 'goal' | 'digest'>, witness: Witness): Promise<GoalEntry> {
    const others = this.list().filter((other) => other.joined)
    const same = others.find((other) => other.goal.goal_id === goal.goal_id)
    if (same !== undefined) {
      const message = `another goal ${goal.goal_id} is joined here (${same.digest}): leave it first`
      throw new ProviderError('PROV_007', message)
    }
    if (others.length >= LIMITS.goalTopics) {
      throw new ProviderError('PROV_014', `this node has joined ${others.length} goals, the most that it can`)
    }
    const entry = { goal, digest, joined: true }
    await this.#store.transact((tx) => {
      tx.put(goals, GOAL + digest, { goal })
      tx.put(joined, JOINED + digest, { at: this.#clock.now() })
      witness(tx, detailsOf(entry))
    })
    const isNew = !this.#entries.has(digest)
    this.#set(entry)
    if (isNew) this.#watcher(entry)
    return entry
  }

  /** Changes by the operator happen one after the other. */
  #afterOthers<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#changing.then(change, change)
    this.#changing = result.catch(() => undefined)
    return result
  }

  #hasRoom({ creator }: Goal, source: string): boolean {
    return (
      this.#strangers < MAX_STRANGERS &&
      this.#byCreator.of(creator) < MAX_PER_CREATOR &&
      this.#bySource.of(source) < MAX_PER_SOURCE
    )
  }

  #set(entry: GoalEntry): void {
    this.#delete(entry.digest)
    this.#entries.set(entry.digest, entry)
    const { goal_id: alias, creator } = entry.goal
    this.#aliases.set(alias, [...(this.#aliases.get(alias) ?? []), entry.digest])
    if (entry.source === undefined) return
    this.#strangers++
    this.#byCreator.add(creator, 1)
    this.#bySource.add(entry.source, 1)
  }

  #delete(digest: string): void {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return
    this.#entries.delete(digest)
    const { goal_id: alias, creator } = entry.goal
    const others = (this.#aliases.get(alias) ?? []).filter((other) => other !== digest)
    if (others.length > 0) this.#aliases.set(alias, others)
    else this.#aliases.delete(alias)
    if (entry.source === undefined) return
    this.#strangers--
    this.#byCreator.add(creator, -1)
    this.#bySource.add(entry.source, -1)
  }
}

/** Characters of an alias that a message repeats. */
const GOAL_ID_LENGTH = 64

const digestOf = (goal: Goal): string => sha256Hex(canonicalJson(goal))

const detailsOf = ({ digest, goal }: GoalEntry): object => ({ goal_id: goal.goal_id, goal: digest })
