import { Counts } from '../../kernel/base/counts.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import type { KnownLog } from './known-log.ts'

/** A log of a node: its own, or the one of a goal, by the goal's digest. */
export interface LogName {
  readonly provider: string
  readonly goal?: string | undefined
}

/** Logs that are followed, at some kilobytes of disk each. One that was never heard of is not taken beyond that: to forget a log would allow it a second face. */
const MAX_LOGS = 20_000
/**
 * The same for logs of goals, in all and of one goal: whoever makes up nodes keeps no other goal's logs out. A node has at most as many of them as
 * goals are joined here (`LIMITS.goalTopics`), because no other is taken.
 */
const MAX_GOAL_LOGS = 20_000
const MAX_PER_GOAL = MAX_GOAL_LOGS / 8

const logs = jsonKeyspace<KnownLog>(KEYSPACES.checkpoints)

const prefixOf = (goal: string | undefined): string => (goal === undefined ? 'k!' : `g!${goal}!`)

const keyOf = ({ provider, goal }: LogName): string => prefixOf(goal) + provider

/** What is known of logs, on disk. What was put is read at once, and durable soon after. */
export class KnownLogStore {
  readonly #store: Store
  readonly #logger: Logger
  /** What is on its way to the disk; null for what is being removed. */
  readonly #unwritten = new Map<string, KnownLog | null>()
  readonly #perGoal = new Counts()
  #count = 0
  #ofGoals = 0

  constructor(store: Store, logger: Logger) {
    this.#store = store
    this.#logger = logger
  }

  /** Reads all nodes' own logs, or those of a goal; to be called once for each. */
  async *load(goal?: string): AsyncGenerator<[LogName, KnownLog]> {
    const prefix = prefixOf(goal)
    for await (const [key, log] of this.#store.scan(logs, { prefix })) {
      const name = { provider: key.slice(prefix.length), goal }
      this.#counted(name, 1)
      yield [name, log]
    }
  }

  get(name: LogName): KnownLog | undefined {
    const key = keyOf(name)
    const coming = this.#unwritten.get(key)
    return coming === undefined ? this.#store.get(logs, key) : (coming ?? undefined)
  }

  /** Whether a log that is not known yet may be put. */
  hasRoom({ goal }: LogName): boolean {
    if (goal === undefined) return this.#count < MAX_LOGS
    return this.#ofGoals < MAX_GOAL_LOGS && this.#perGoal.of(goal) < MAX_PER_GOAL
  }

  put(name: LogName, log: KnownLog): void {
    if (this.get(name) === undefined) this.#counted(name, 1)
    void this.#write([[keyOf(name), log]])
  }

  /** Without effect on those that are not known. Never rejects; on disk when it resolves. */
  delete(names: readonly LogName[]): Promise<void> {
    const known = names.filter((name) => this.get(name) !== undefined)
    for (const name of known) this.#counted(name, -1)
    return this.#write(known.map((name) => [keyOf(name), null]))
  }

  /** The nodes whose own logs, or whose logs of a goal, are on disk, in order, after one of them. */
  async *providers({ goal, after }: { goal?: string | undefined; after?: string | undefined }): AsyncGenerator<string> {
    const prefix = prefixOf(goal)
    const range = { prefix, ...(after === undefined ? {} : { after: prefix + after }) }
    for await (const key of this.#store.keys(logs, range)) yield key.slice(prefix.length)
  }

  /** The nodes of which a log of this goal is on its way to the disk. */
  coming(goal: string): string[] {
    const prefix = prefixOf(goal)
    return [...this.#unwritten.keys()].flatMap((key) => (key.startsWith(prefix) ? key.slice(prefix.length) : []))
  }

  async #write(entries: readonly (readonly [string, KnownLog | null])[]): Promise<void> {
    for (const [key, log] of entries) this.#unwritten.set(key, log)
    try {
      await this.#store.transact((tx) => {
        for (const [key, log] of entries) {
          if (log === null) tx.delete(logs, key)
          else tx.put(logs, key, log)
        }
      })
      for (const [key, log] of entries) if (this.#unwritten.get(key) === log) this.#unwritten.delete(key)
    } catch (error) {
      this.#logger.error({ err: error }, 'what is known of a log could not be stored')
    }
  }

  #counted({ goal }: LogName, more: 1 | -1): void {
    if (goal === undefined) {
      this.#count += more
      return
    }
    this.#ofGoals += more
    this.#perGoal.add(goal, more)
  }
}
