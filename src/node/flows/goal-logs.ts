import { LIMITS } from '../../../protocol/limits.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { logOrigin } from '../../kernel/log/checkpoint.ts'
import type { MerkleLog } from '../../kernel/log/merkle-log.ts'
import type { NodeParts } from '../parts.ts'
import type { LogEpochs } from './log-epochs.ts'
import { LogReader, type ReadableLog } from './log-reader.ts'

interface Parts {
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'log'>
  readonly config: Pick<NodeParts['config'], 'network'>
}

/** The logs of the goals that this node has joined, each a tree of its own with checkpoints of its own. */
export class GoalLogs {
  readonly #parts: Parts
  readonly #epochs: Pick<LogEpochs, 'newest'>
  readonly #find: (goalId: string) => MerkleLog | undefined
  /** Kept for the checkpoint that each has signed last. */
  readonly #readers = new Map<string, { readonly log: MerkleLog; readonly reader: LogReader }>()

  /** `find` gives the log of a goal, named `goal/…`; undefined for a goal that has none here. */
  constructor(parts: Parts, epochs: Pick<LogEpochs, 'newest'>, find: (goalId: string) => MerkleLog | undefined) {
    this.#parts = parts
    this.#epochs = epochs
    this.#find = find
  }

  /** Throws `PROV_001` with status 404 for a goal that has no log here. */
  of(goalId: string): ReadableLog {
    const log = this.#find(goalId)
    if (log === undefined) {
      this.#readers.delete(goalId)
      throw new ProviderError('PROV_001', `there is no goal ${goalId}`, { status: 404 })
    }
    const known = this.#readers.get(goalId)
    // Another goal may have taken the id.
    if (known !== undefined && known.log.name === log.name) return known.reader
    const { keys, config } = this.#parts
    const reader = new LogReader({
      log,
      keys,
      network: config.network.name,
      // By the goal's digest, after which its log is named: an alias may mean another goal one day.
      origin: () => logOrigin(keys.providerId, log.name.slice(log.name.indexOf('/') + 1), this.#epochs.newest),
      cosignatures: () => [],
    })
    if (this.#readers.size >= LIMITS.goalTopics) this.#readers.clear()
    this.#readers.set(goalId, { log, reader })
    return reader
  }
}
