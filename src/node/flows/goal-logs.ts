import { LIMITS } from '../../../protocol/limits.ts'
import { toHex } from '../../kernel/base/bytes.ts'
import { logOrigin, parseLogOrigin } from '../../kernel/log/checkpoint.ts'
import type { MerkleLog } from '../../kernel/log/merkle-log.ts'
import type { NodeParts } from '../parts.ts'
import type { Cosignatures } from './cosignatures.ts'
import type { LogEpochs } from './log-epochs.ts'
import { LogReader, type ReadableLog } from './log-reader.ts'

interface Parts {
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'log'>
  readonly config: Pick<NodeParts['config'], 'network'>
}

/** What the logs have in common with the node's own. */
export interface GoalLogsNeeds {
  readonly epochs: Pick<LogEpochs, 'newest'>
  readonly cosignatures: Pick<Cosignatures, 'of'>
  /** The log of a goal by its digest, named `goal/…`, empty where there is none. */
  tree(digest: string): MerkleLog
  /** The digest of a goal. Throws `ProviderError` where the id names none, or several. */
  digestOf(goalId: string): string
}

/** The logs of goals at this node, each a tree of its own with checkpoints of its own; empty for goals that it never joined. */
export class GoalLogs {
  readonly #parts: Parts
  readonly #needs: GoalLogsNeeds
  /** Kept for the checkpoint that each has signed last. */
  readonly #readers = new Map<string, { readonly log: MerkleLog; readonly reader: LogReader }>()

  constructor(parts: Parts, needs: GoalLogsNeeds) {
    this.#parts = parts
    this.#needs = needs
  }

  /** Throws as {@link GoalLogsNeeds.digestOf} does. */
  of(goalId: string): ReadableLog {
    const log = this.tree(this.#needs.digestOf(goalId))
    const known = this.#readers.get(goalId)
    // Another goal may have taken the id.
    if (known !== undefined && known.log.name === log.name) return known.reader
    const { keys, config } = this.#parts
    const { epochs, cosignatures } = this.#needs
    const reader = new LogReader({
      log,
      keys,
      network: config.network.name,
      // By the goal's digest, after which its log is named: an alias may mean another goal one day.
      origin: () => logOrigin(keys.providerId, log.name.slice(log.name.indexOf('/') + 1), epochs.newest),
      cosignatures: (origin, size) => cosignatures.of(origin, size),
    })
    if (this.#readers.size >= LIMITS.goalTopics) this.#readers.clear()
    this.#readers.set(goalId, { log, reader })
    return reader
  }

  /** The log of the goal with that digest, joined or not; empty where there is none. */
  tree(digest: string): MerkleLog {
    return this.#needs.tree(digest)
  }

  /** What a peer that asks for a consistency proof is told; nothing of another epoch or of leaves that are not here. Undefined where no goal's log is meant. */
  prove({
    origin,
    from,
    to,
  }: {
    origin: string
    from: number
    to: number
  }): { from_root?: string; hashes?: string[] } | undefined {
    const { providerId, epoch, goalId } = parseLogOrigin(origin) ?? {}
    if (goalId === undefined) return undefined
    if (providerId !== this.#parts.keys.providerId || epoch !== this.#needs.epochs.newest) return {}
    const log = this.tree(goalId)
    if (from > to || to > log.size) return {}
    return { from_root: toHex(log.root(from)), hashes: log.consistency(from, to).map(toHex) }
  }
}
