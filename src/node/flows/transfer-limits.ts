import { LIMITS } from '../../../protocol/limits.ts'
import { ProviderError } from '../../kernel/base/errors.ts'

/** What packages on their way here may cost. */
export interface TransferLimits {
  /** Milliseconds without a byte after which the next provider is asked. */
  readonly stallMs: number
  /** Milliseconds for one chunk after which the next provider is asked. */
  readonly chunkMs: number
  /** Transfers at once. */
  readonly maxTransfers: number
  /** Providers beyond the first of each transfer that are received from at once. */
  readonly maxHelpers: number
  /** Bytes of packages that are on their way, or are read and will not be kept. */
  readonly maxBytes: number
}

/** The limits of a node. */
export const TRANSFER_LIMITS: TransferLimits = {
  stallMs: 15_000,
  // 35 kB/s: a provider that is slower only holds a place that a better one could have.
  chunkMs: 30_000,
  // As many as a node uploads: more would only make each of them slower.
  maxTransfers: 32,
  // Each may have a stream's window and a few chunks in memory, 25 MiB.
  maxHelpers: 16,
  // One of the largest, or four of what a node takes unless it is told otherwise; they lie on the disk beside the cache's own budget.
  maxBytes: LIMITS.packageBytes,
}

/** Counts the packages that are on their way here. */
export class Arrivals {
  readonly #limits: TransferLimits
  #transfers = 0
  #helpers = 0
  #bytes = 0

  constructor(limits: TransferLimits) {
    this.#limits = limits
  }

  /** Throws `PROV_013`, so that the client comes again, when there is no place for a package of `size` bytes. */
  enter(size: number): Arrival {
    const { maxTransfers, maxBytes } = this.#limits
    if (this.#transfers >= maxTransfers) {
      throw new ProviderError(
        'PROV_013',
        `${this.#transfers} packages are on their way here, which is the most at once`,
      )
    }
    if (this.#bytes + size > maxBytes) {
      throw new ProviderError(
        'PROV_013',
        `${this.#bytes} bytes of packages are on their way here; with these ${size} they would be more than ${maxBytes}`,
      )
    }
    this.#transfers++
    this.#bytes += size
    return {
      ended: once(() => this.#transfers--),
      gone: once(() => {
        this.#bytes -= size
      }),
    }
  }

  /** Places for providers that help the first one of a transfer, as many of `wanted` as there are; each is given back by calling it. */
  helpers(wanted: number): (() => void)[] {
    const count = Math.max(0, Math.min(wanted, this.#limits.maxHelpers - this.#helpers))
    this.#helpers += count
    return Array.from({ length: count }, () => once(() => this.#helpers--))
  }
}

/** The place of one package. Both functions count once. */
export interface Arrival {
  /** Its transfer is over. */
  ended(): void
  /** It is in the cache, or its file was removed. */
  gone(): void
}

function once(run: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) run()
    isDone = true
  }
}

/** Aborts when a provider sends nothing for a while, or takes too long for one chunk. Time in which the disk is waited for does not count. */
export class Deadlines {
  readonly #controller = new AbortController()
  readonly #timers: readonly NodeJS.Timeout[]
  #isPaused = false

  constructor({ stallMs, chunkMs }: Pick<TransferLimits, 'stallMs' | 'chunkMs'>) {
    const timer = (ms: number, reason: string): NodeJS.Timeout =>
      setTimeout(() => {
        if (!this.#isPaused) this.#controller.abort(new Error(reason))
      }, ms)
    this.#timers = [
      timer(stallMs, `no byte came for ${stallMs / 1000} s`),
      timer(chunkMs, `a chunk took longer than ${chunkMs / 1000} s`),
    ]
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Bytes came. */
  progress(): void {
    this.#timers[0]!.refresh()
  }

  /** The next chunk begins. */
  nextChunk(): void {
    for (const timer of this.#timers) timer.refresh()
  }

  /** Waits for something that the provider has no part in, and begins anew. */
  async pausedFor(wait: Promise<unknown>): Promise<void> {
    this.#isPaused = true
    try {
      await wait
    } finally {
      this.#isPaused = false
      this.nextChunk()
    }
  }

  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }
}
