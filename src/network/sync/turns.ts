/** Milliseconds of work after which others get their turn. */
const TURN_MS = 4

/** Cuts long work in pieces, so that the event loop is not held. */
export class Turns {
  #since = performance.now()

  /** To be called often, in the middle of the work: waits for the event loop when it is time. */
  async next(): Promise<void> {
    if (performance.now() - this.#since < TURN_MS) return
    await new Promise((resolve) => setImmediate(resolve))
    this.#since = performance.now()
  }
}
