import { type CheckpointKey, signCheckpoint } from './checkpoint.ts'
import type { MerkleLog } from './merkle-log.ts'

/** Signs the checkpoints of one log. Only what is durable is signed: a size that a power cut took back could be contradicted later. */
export class CheckpointSigner {
  readonly origin: string
  readonly #log: Pick<MerkleLog, 'size' | 'root'>
  readonly #key: CheckpointKey
  #latest: { readonly size: number; readonly note: string } | undefined

  constructor(log: Pick<MerkleLog, 'size' | 'root'>, origin: string, key: CheckpointKey) {
    this.#log = log
    this.origin = origin
    this.#key = key
  }

  /** The checkpoint of all leaves that are durable now, signed once for each size. */
  latest(): string {
    const { size } = this.#log
    if (this.#latest?.size !== size) {
      const note = signCheckpoint({ origin: this.origin, size, root: this.#log.root(size) }, this.#key)
      this.#latest = { size, note }
    }
    return this.#latest.note
  }
}
