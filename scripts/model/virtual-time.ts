import type { Random } from '../simulate/random.ts'

/** Who a piece of work belongs to: an incarnation of a node. What a dead one planned never happens. */
export interface Owner {
  readonly name: string
}

interface Planned {
  readonly at: number
  readonly run: () => void
  readonly owner: Owner | undefined
}

/** What `setTimeout` and `setInterval` return while time is virtual. */
class VirtualTimer {
  planned: Planned | undefined
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

const REAL = { setImmediate }
const REPLACED = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const

/**
 * Time that passes only from one event to the next, with everything between two of them done. The same seed gives the same run: timers, the
 * time and random numbers of everything in the process come from here while it is installed.
 */
export class VirtualTime {
  readonly #random: Random
  /** Ordered by time; what was planned first is first. */
  readonly #planned: Planned[] = []
  #now = 0
  #owner: Owner | undefined

  constructor(random: Random) {
    this.#random = random
  }

  /** Milliseconds since the run began. */
  get now(): number {
    return this.#now
  }

  /** Plans work for whoever is at work now, or for `owner`. */
  after(ms: number, run: () => void, owner: Owner | undefined = this.#owner): Planned {
    const planned = { at: this.#now + Math.max(0, ms), run, owner }
    let low = 0
    let high = this.#planned.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#planned[middle]!.at <= planned.at) low = middle + 1
      else high = middle
    }
    this.#planned.splice(low, 0, planned)
    return planned
  }

  /** Resolves after so many milliseconds of virtual time. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  /** Does `work`, and all that follows from it at once, in the name of `owner`. */
  async as<Result>(owner: Owner | undefined, work: () => Result | Promise<Result>): Promise<Result> {
    const before = this.#owner
    this.#owner = owner
    try {
      const result = work()
      await settled()
      return await result
    } finally {
      this.#owner = before
    }
  }

  /** Takes away everything that `owner` planned. */
  forget(owner: Owner): void {
    for (let i = this.#planned.length - 1; i >= 0; i--) {
      if (this.#planned[i]!.owner === owner) this.#planned.splice(i, 1)
    }
  }

  /** Lets `ms` milliseconds pass. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      const [next] = this.#planned
      if (next === undefined || next.at > end) break
      this.#planned.shift()
      this.#now = next.at
      this.#owner = next.owner
      next.run()
      await settled()
      this.#owner = undefined
    }
    this.#now = end
  }

  /** Replaces timers, `performance.now`, `AbortSignal.timeout` and `Math.random` of this process; the function that is returned puts them back. */
  install(): () => void {
    const globals = globalThis as unknown as Record<(typeof REPLACED)[number], unknown>
    const before = Object.fromEntries(REPLACED.map((name) => [name, globals[name]])) as typeof globals
    const { now } = performance
    const { timeout } = AbortSignal
    const { random } = Math
    globals.setTimeout = (work: (...all: unknown[]) => void, ms = 0, ...all: unknown[]) => {
      const timer = new VirtualTimer()
      timer.planned = this.after(ms, () => work(...all))
      return timer
    }
    globals.setInterval = (work: () => void, ms: number) => {
      const timer = new VirtualTimer()
      const again = (): void => {
        timer.planned = this.after(ms, again)
        work()
      }
      timer.planned = this.after(ms, again)
      return timer
    }
    const clear = (timer: VirtualTimer | undefined): void => {
      const at = timer?.planned === undefined ? -1 : this.#planned.indexOf(timer.planned)
      if (at !== -1) this.#planned.splice(at, 1)
    }
    globals.clearTimeout = clear
    globals.clearInterval = clear
    performance.now = () => this.#now
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController()
      this.after(ms, () =>
        controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')),
      )
      return controller.signal
    }
    Math.random = () => this.#random.next()
    return () => {
      Object.assign(globals, before)
      performance.now = now
      AbortSignal.timeout = timeout
      Math.random = random
    }
  }
}

/** Resolves when nothing is left that can be done without time passing. */
const settled = (): Promise<void> => new Promise((resolve) => REAL.setImmediate(resolve))
