import { unlessAborted } from './racing.ts'

/** Seconds for which unused room is kept. */
const BURST_SECONDS = 0.1

/** A cap on bytes per second that streams share: who asked first goes first, so that streams that ask for equal pieces get equal shares. */
export class RateCap {
  readonly #perSecond: number
  /** Bytes that may go at once; below 0 while some that have gone are still paid for. */
  #room = 0
  #since = performance.now()
  #waiting: { readonly bytes: number; readonly go: () => void }[] = []
  #timer: NodeJS.Timeout | undefined

  /** `perSecond`: bytes; 0 is no cap. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  get isNone(): boolean {
    return this.#perSecond === 0
  }

  /** Resolves when that many bytes may go. Throws the reason of `signal` when that fires first; then they do not count. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.isNone) return
    signal.throwIfAborted()
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiting = { bytes, go: resolve }
    this.#waiting.push(waiting)
    this.#serve()
    try {
      await unlessAborted(promise, signal)
    } catch (error) {
      this.#waiting = this.#waiting.filter((other) => other !== waiting)
      if (this.#waiting.length === 0) {
        clearTimeout(this.#timer)
        this.#timer = undefined
      }
      throw error
    }
  }

  #serve(): void {
    const now = performance.now()
    const gained = ((now - this.#since) * this.#perSecond) / 1000
    this.#room = Math.min(this.#room + gained, this.#perSecond * BURST_SECONDS)
    this.#since = now
    while (this.#room >= 0) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#room -= next.bytes
      next.go()
    }
    if (this.#waiting.length === 0 || this.#timer !== undefined) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#serve()
      },
      Math.ceil((-this.#room * 1000) / this.#perSecond),
    )
  }
}
