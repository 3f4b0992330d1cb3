/** Bytes that all streams together hold of batches whose signature has not come: sixteen of the largest ones. */
export const INCOMPLETE_BYTES = 64 * 1024 * 1024

/** Who holds a part of a batch. */
export interface BatchHolder {
  abort(error: Error): void
}

/**
 * What peers have sent of batches that are not complete, over all streams. Nobody can be made to keep more: then the batch that was begun first is given
 * up with its stream. An honest one is complete after a moment, so those that are old belong to peers that take their time.
 */
export class IncompleteBatches {
  readonly #most: number
  /** Bytes by stream; who began first comes first. */
  readonly #held = new Map<BatchHolder, number>()
  #bytes = 0

  constructor(most: number = INCOMPLETE_BYTES) {
    this.#most = most
  }

  /** What a stream holds now; 0 when its batch is complete, or it has ended. */
  set(holder: BatchHolder, bytes: number): void {
    const before = this.#held.get(holder) ?? 0
    if (bytes === before) return
    this.#bytes += bytes - before
    if (bytes === 0) this.#held.delete(holder)
    else this.#held.set(holder, bytes)
    while (this.#bytes > this.#most) this.#giveUpOldest()
  }

  #giveUpOldest(): void {
    for (const [holder, bytes] of this.#held) {
      this.#held.delete(holder)
      this.#bytes -= bytes
      holder.abort(new Error(`a batch took too long, and ${this.#most} bytes of others were waiting`))
      return
    }
  }
}
