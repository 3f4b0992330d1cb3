import { EVALUATOR_LIMITS } from '../../../protocol/evaluator.ts'
import { concatBytes } from '../../kernel/base/bytes.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import type { Evaluator } from '../../kernel/plugins/packages/evaluators.ts'
import type { PackageSource } from '../api.ts'

/** Whether a goal's evaluator can be used. */
export type Preparation =
  | { readonly kind: 'ready' }
  /** Every node refuses it. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It could not be had, or not be made ready, for a reason that may pass. */
  | { readonly kind: 'undetermined'; readonly reason: string }

/** Milliseconds in which what could not be had is not asked for again. */
const REST_MS = 2000
/** Milliseconds for one package. */
const FETCH_MS = 60_000

/** Fetches the evaluators of goals like any other package, verified, and makes them ready. Each is under way once at a time. */
export class EvaluatorPackages {
  readonly #evaluator: Pick<Evaluator, 'prepare'>
  readonly #open: (digest: string, signal: AbortSignal) => Promise<PackageSource>
  /** By digest. */
  readonly #known = new Map<string, Promise<Preparation>>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #stop = new AbortController()

  constructor(
    evaluator: Pick<Evaluator, 'prepare'>,
    open: (digest: string, signal: AbortSignal) => Promise<PackageSource>,
  ) {
    this.#evaluator = evaluator
    this.#open = open
  }

  stop(): void {
    this.#stop.abort(new Error('the node is stopping'))
    for (const timer of this.#timers) clearTimeout(timer)
  }

  /** Never rejects. */
  ready(digest: string): Promise<Preparation> {
    const known = this.#known.get(digest)
    if (known !== undefined) return known
    const preparing = this.#prepare(digest)
    this.#known.set(digest, preparing)
    void preparing.then(({ kind }) => {
      if (kind === 'undetermined') this.#forgetLater(digest)
    })
    return preparing
  }

  /** It has to be made ready again: the evaluator does not know it any more. */
  forget(digest: string): void {
    this.#known.delete(digest)
  }

  #forgetLater(digest: string): void {
    if (this.#stop.signal.aborted) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#known.delete(digest)
    }, REST_MS)
    this.#timers.add(timer)
  }

  async #prepare(digest: string): Promise<Preparation> {
    let bytes: Uint8Array | string
    try {
      bytes = await this.#read(digest)
    } catch (error) {
      return { kind: 'undetermined', reason: `the evaluator could not be had: ${errorMessage(error)}` }
    }
    if (typeof bytes === 'string') return { kind: 'refused', reason: bytes }
    try {
      await this.#evaluator.prepare(digest, bytes)
      return { kind: 'ready' }
    } catch (error) {
      const kind = error instanceof ProviderError ? 'refused' : 'undetermined'
      return { kind, reason: `the evaluator could not be made ready: ${errorMessage(error)}` }
    }
  }

  /** The bytes; or why no node takes them, in words. */
  async #read(digest: string): Promise<Uint8Array | string> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(FETCH_MS)])
    const source = await this.#open(digest, signal)
    try {
      if (source.size > EVALUATOR_LIMITS.moduleBytes) {
        return `the evaluator has ${source.size} bytes; at most ${EVALUATOR_LIMITS.moduleBytes} are allowed`
      }
      const pieces: Uint8Array[] = []
      // A piece is valid only until the next one.
      for await (const piece of source.read(0, source.size - 1, signal)) pieces.push(new Uint8Array(piece))
      return concatBytes(pieces)
    } finally {
      await source.close()
    }
  }
}
