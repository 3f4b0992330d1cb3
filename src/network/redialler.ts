/** Milliseconds before the second dial, and at most between two; each wait is the one before, doubled. */
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 60_000
/** Milliseconds for one dial. */
export const DIAL_MS = 10_000

/** Milliseconds until the next dial after so many that failed in a row. */
export function waitAfter(failures: number, longest: number = LONGEST_WAIT_MS): number {
  return Math.min(longest, FIRST_WAIT_MS * 2 ** Math.max(0, Math.min(failures, 30) - 1))
}

/** Half of a wait is random, so that nodes which lost the same peer do not come back at the same moment. */
export const jittered = (ms: number): number => ms / 2 + (Math.random() * ms) / 2

/** Something that is kept connected. */
export interface RedialTarget {
  /** Provider id; undefined while it is not known who answers there. */
  peer(): string | undefined
  /** Connects. Rejects with why it cannot, or with the reason of `signal`. */
  dial(signal: AbortSignal): Promise<void>
  /** Hears of a dial that failed. False: it is not dialled again. */
  failed(error: unknown): boolean
}

interface Attempts {
  failures: number
  timer: NodeJS.Timeout | undefined
  dialling: boolean
}

/** Keeps targets connected: dials them, for ever, ever more slowly, and again when a connection is lost. */
export class Redialler {
  readonly #isConnected: (peer: string) => boolean
  readonly #targets = new Map<RedialTarget, Attempts>()
  #stop: AbortController | undefined

  constructor(isConnected: (peer: string) => boolean) {
    this.#isConnected = isConnected
  }

  start(): void {
    this.#stop = new AbortController()
    for (const target of this.#targets.keys()) this.#attempt(target)
  }

  stop(): void {
    this.#stop?.abort(new Error('the network stopped'))
    this.#stop = undefined
    for (const attempts of this.#targets.values()) {
      clearTimeout(attempts.timer)
      attempts.timer = undefined
    }
  }

  /** Dialled at once, if the network runs. */
  add(target: RedialTarget): void {
    if (this.#targets.has(target)) return
    this.#targets.set(target, { failures: 0, timer: undefined, dialling: false })
    this.#attempt(target)
  }

  remove(target: RedialTarget): void {
    clearTimeout(this.#targets.get(target)?.timer)
    this.#targets.delete(target)
  }

  /** To be called when the last connection to a peer is lost. */
  disconnected(peer: string): void {
    for (const target of this.#targets.keys()) if (target.peer() === peer) this.#schedule(target)
  }

  #schedule(target: RedialTarget): void {
    const attempts = this.#targets.get(target)
    if (this.#stop === undefined || attempts === undefined) return
    if (attempts.timer !== undefined || attempts.dialling) return
    attempts.timer = setTimeout(
      () => {
        attempts.timer = undefined
        this.#attempt(target)
      },
      jittered(waitAfter(attempts.failures)),
    )
  }

  #attempt(target: RedialTarget): void {
    const attempts = this.#targets.get(target)
    const stop = this.#stop?.signal
    if (stop === undefined || attempts === undefined || attempts.dialling || this.#isThere(target)) return
    attempts.dialling = true
    target
      .dial(AbortSignal.any([stop, AbortSignal.timeout(DIAL_MS)]))
      .then(
        () => {
          attempts.failures = 0
        },
        (error: unknown) => {
          if (stop.aborted) return
          attempts.failures++
          if (!target.failed(error)) this.remove(target)
        },
      )
      .finally(() => {
        attempts.dialling = false
        if (!this.#isThere(target)) this.#schedule(target)
      })
  }

  #isThere(target: RedialTarget): boolean {
    const peer = target.peer()
    return peer !== undefined && this.#isConnected(peer)
  }
}
