/** A part that runs: it starts, and later stops. `stop` may be called once after `start` resolved. */
export interface Part {
  readonly name: string
  start(): Promise<void> | void
  stop(): Promise<void> | void
}

/**
 * Starts parts in order and stops them in reverse. When a part fails to start, the parts before it are stopped and the
 * failure is thrown. Stopping goes on past a part that fails, and throws what failed at the end.
 */
export class Lifecycle {
  readonly #started: Part[] = []

  async start(part: Part): Promise<void> {
    try {
      await part.start()
    } catch (error) {
      await this.stop().catch(() => {
        // The failure to start is the one to show.
      })
      throw error
    }
    this.#started.push(part)
  }

  async stop(): Promise<void> {
    const failures: unknown[] = []
    for (let part = this.#started.pop(); part !== undefined; part = this.#started.pop()) {
      try {
        await part.stop()
      } catch (error) {
        failures.push(new Error(`${part.name} did not stop cleanly`, { cause: error }))
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything stopped cleanly')
  }
}
