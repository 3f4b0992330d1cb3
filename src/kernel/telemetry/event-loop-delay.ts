import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Milliseconds between two samples. A sample is the time between two timers, so it contains this. */
const RESOLUTION_MS = 20
/** Milliseconds that a reading looks back, at most; at least half of it. */
const WINDOW_MS = 5 * 60_000

/**
 * How late the event loop is, over a sliding window. Two histograms run side by side and are emptied in turn, each after a whole
 * window: the one that was emptied longer ago is read.
 */
export class EventLoopDelay {
  #older = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  #newer = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  #timer: NodeJS.Timeout | undefined

  start(): void {
    this.#older.enable()
    this.#newer.enable()
    this.#timer = setInterval(() => {
      const emptied = this.#older
      emptied.reset()
      this.#older = this.#newer
      this.#newer = emptied
    }, WINDOW_MS / 2)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#older.disable()
    this.#newer.disable()
  }

  /** Milliseconds that 99 % of the samples stay below, and how many there are. */
  read(): { readonly p99Ms: number; readonly samples: number } {
    const { count } = this.#older
    return { p99Ms: count === 0 ? 0 : Math.max(0, this.#older.percentile(99) / 1e6 - RESOLUTION_MS), samples: count }
  }
}
