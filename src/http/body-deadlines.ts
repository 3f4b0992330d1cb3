import type { IncomingMessage } from 'node:http'

/** Milliseconds between two looks at the bodies that are still arriving. */
const SWEEP_MS = 1000

/**
 * Bodies that have to arrive by a time of their own. The server's `requestTimeout` cannot tell a JSON body from an upload of
 * gigabytes, and a timer for each request would cost more than reading it.
 */
export class BodyDeadlines {
  readonly #open = new Map<IncomingMessage, number>()
  #timer: NodeJS.Timeout | undefined

  /** `request` must be complete within `ms` milliseconds, or its connection is closed. Replaces an earlier deadline. */
  expect(request: IncomingMessage, now: number, ms: number): void {
    this.#open.set(request, now + ms)
  }

  /** `request` is complete, or may take as long as it wants. */
  release(request: IncomingMessage): void {
    this.#open.delete(request)
  }

  start(): void {
    this.#timer = setInterval(() => this.sweep(performance.now()), SWEEP_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#open.clear()
  }

  /** Closes the connections whose bodies are late at `now` (as `performance.now()`). */
  sweep(now: number): void {
    for (const [request, deadline] of this.#open) {
      if (!request.complete && !request.socket.destroyed && now < deadline) continue
      this.#open.delete(request)
      if (!request.complete) request.socket.destroy()
    }
  }
}
