import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../telemetry/logger.ts'

/** Milliseconds that a change waits for others, so that a burst is written together. */
const GATHER_MS = 250

/** What brings an index up to date, in runs that never overlap. A run looks at everything there is to do, and goes on from where one failed. */
export class Feed {
  readonly #run: (signal: AbortSignal) => Promise<void>
  readonly #logger: Logger
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  /** The run after the one under way, for those who need one that began later. */
  #next: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #failed = false

  constructor(run: (signal: AbortSignal) => Promise<void>, logger: Logger) {
    this.#run = run
    this.#logger = logger
  }

  /** There is something to do, soon. */
  later(): void {
    if (this.#stopping.signal.aborted) return
    this.#timer ??= setTimeout(() => void this.now(), GATHER_MS)
  }

  /** Resolves when everything that was to do has been done, or could not be. Never rejects. */
  now(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#running === undefined) return this.#begin()
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      return this.#begin()
    })
    return this.#next
  }

  /** Ends the run under way. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  #begin(): Promise<void> {
    this.#running ??= this.#attempt().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #attempt(): Promise<void> {
    const { signal } = this.#stopping
    if (signal.aborted) return
    try {
      await this.#run(signal)
      this.#failed = false
    } catch (error) {
      if (signal.aborted) return
      // Once, until it succeeds: whatever keeps it from its file does so again.
      if (!this.#failed)
        this.#logger.warn({ reason: errorMessage(error) }, 'the text index could not be brought up to date')
      this.#failed = true
    }
  }
}
