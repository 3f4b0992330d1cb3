import { EVALUATOR_LIMITS } from '../../../protocol/evaluator.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { Evaluation, EvaluationRequest, Evaluator } from '../../kernel/plugins/packages/evaluators.ts'
import { encodeEvaluate, INPUT_BYTES, type LoadAnswer, readEvaluateAnswer, readLoadAnswer } from './messages.ts'
import { EvaluatorPool, PooledModule } from './pool.ts'

/** Modules that are kept prepared: one for each goal that a node may have joined. The least recently used makes room. */
const MODULES = LIMITS.goalTopics
/** Milliseconds to check, meter and compile a module, where nothing runs yet. */
const PREPARE_MS = 30_000
/** Milliseconds of one evaluation when the configuration says nothing. */
const DEFAULT_TIMEOUT_MS = 60_000
/** Milliseconds that an evaluation may take beside what its fuel stands for, on a machine that is busy. */
const GRACE_MS = 5_000
/** Units of fuel that the slowest machine in mind uses in a millisecond. */
const LEAST_FUEL_PER_MS = 10_000
/** Bytes of inputs that wait or are evaluated; beyond it a caller is told at once. */
const WAITING_BYTES = 64 * 1024 * 1024
/** Bytes that each of them counts beside its input. */
const WAITING_OVERHEAD = 512
/** How quickly a large use of fuel is forgotten. */
const FORGETTING = 0.95

/** Configuration of the evaluator. */
export interface WasmEvaluatorConfig {
  /** Milliseconds after which one evaluation is given up. */
  readonly timeout?: number
}

/**
 * Runs evaluators that are WebAssembly modules: metered, in warm children of the sandbox, each evaluation in an instance of its own.
 * protocol/README.md, "Evaluators", has the interface and the rules.
 */
export const createWasmEvaluator = (_signal: AbortSignal, config: WasmEvaluatorConfig): Evaluator =>
  new WasmEvaluator(config)

interface Prepared {
  readonly module: PooledModule
  /** Evaluations that are not settled: it keeps its slot as long. */
  active: number
}

class WasmEvaluator implements Evaluator {
  readonly #timeoutMs: number
  readonly #pool = new EvaluatorPool()
  /** By digest, the least recently used first. */
  readonly #modules = new Map<string, Prepared>()
  /** Modules that are being prepared. */
  readonly #preparing = new Map<string, Promise<void>>()
  /** Slots that no module has. */
  readonly #free = Array.from({ length: MODULES }, (_, slot) => slot)
  /** How to reject what is under way. */
  readonly #underWay = new Set<(reason: Error) => void>()
  #waitingBytes = 0
  #closed = false

  constructor(config: WasmEvaluatorConfig) {
    this.#timeoutMs = config.timeout ?? DEFAULT_TIMEOUT_MS
  }

  async prepare(digest: string, bytes: Uint8Array): Promise<void> {
    this.#checkOpen()
    if (this.#modules.has(digest)) return
    let preparing = this.#preparing.get(digest)
    if (preparing === undefined) {
      preparing = this.#prepare(digest, bytes).finally(() => this.#preparing.delete(digest))
      this.#preparing.set(digest, preparing)
    }
    await preparing
  }

  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Evaluation> {
    this.#checkOpen()
    signal.throwIfAborted()
    const { digest, input } = request
    if (input.length > INPUT_BYTES)
      throw new RangeError(`an input of ${input.length} bytes, allowed are at most ${INPUT_BYTES}`)
    const prepared = this.#modules.get(digest)
    if (prepared === undefined) return undetermined(`the evaluator ${digest} is not prepared`)
    this.#modules.delete(digest)
    this.#modules.set(digest, prepared)
    const bytes = input.length + WAITING_OVERHEAD
    if (this.#waitingBytes + bytes > WAITING_BYTES) return undetermined('too many evaluations wait')
    this.#waitingBytes += bytes
    prepared.active++
    try {
      return await this.#run(prepared.module, request, signal)
    } finally {
      prepared.active--
      this.#waitingBytes -= bytes
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const reason = new Error('the evaluator was closed')
    for (const reject of this.#underWay) reject(reason)
    await this.#pool.close()
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error('the evaluator is closed')
  }

  async #prepare(digest: string, bytes: Uint8Array): Promise<void> {
    const most = EVALUATOR_LIMITS.moduleBytes
    if (bytes.length > most) throw refused(digest, `it has ${bytes.length} bytes, allowed are at most ${most}`)
    const module = new PooledModule(this.#slot(), Uint8Array.from(bytes))
    try {
      const reason = await this.#load(digest, module)
      if (reason !== undefined) throw refused(digest, reason)
      this.#modules.set(digest, { module, active: 0 })
    } catch (error) {
      this.#free.push(module.slot)
      throw error
    }
  }

  #slot(): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    for (const [digest, { module, active }] of this.#modules) {
      if (active > 0) continue
      this.#modules.delete(digest)
      return module.slot
    }
    throw new Error(`${MODULES} evaluators are in use, more are not kept`)
  }

  async #load(digest: string, module: PooledModule): Promise<LoadAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<LoadAnswer>()
    this.#underWay.add(reject)
    this.#pool.run({
      module,
      fuel: Number.POSITIVE_INFINITY,
      deadlineMs: PREPARE_MS,
      message: undefined,
      dropped: () => false,
      answered: (answer) => resolve(readLoadAnswer(answer)),
      lost: (reason) =>
        reject(new Error(`the evaluator ${digest} could not be prepared: its process ended: ${reason}`)),
    })
    try {
      return await promise
    } finally {
      this.#underWay.delete(reject)
    }
  }

  async #run(module: PooledModule, request: EvaluationRequest, signal: AbortSignal): Promise<Evaluation> {
    const { fuel, memoryPages: pages, seed, input } = request
    const { slot } = module
    const { promise, resolve, reject } = Promise.withResolvers<Evaluation>()
    const giveUp = (): void => reject(signal.reason)
    let over = false
    this.#underWay.add(reject)
    signal.addEventListener('abort', giveUp, { once: true })
    this.#pool.run({
      module,
      fuel,
      deadlineMs: Math.min(this.#timeoutMs, GRACE_MS + fuel / LEAST_FUEL_PER_MS),
      message: () => encodeEvaluate({ slot, fuel, pages, seed, input }),
      dropped: () => over,
      answered(answer) {
        const { evaluation, used } = readEvaluateAnswer(answer)
        if (!(used >= 0 && used <= fuel)) throw new Error(`an evaluation that took ${used} of ${fuel} units of fuel`)
        const { expectedFuel } = module
        module.expectedFuel =
          expectedFuel === Number.POSITIVE_INFINITY ? used : Math.max(used, FORGETTING * expectedFuel)
        resolve(evaluation)
      },
      lost: (reason) => resolve(undetermined(`its process ended: ${reason}`)),
    })
    try {
      return await promise
    } finally {
      over = true
      this.#underWay.delete(reject)
      signal.removeEventListener('abort', giveUp)
    }
  }
}

const undetermined = (reason: string): Evaluation => ({ kind: 'undetermined', reason })

const refused = (digest: string, reason: string): ProviderError =>
  new ProviderError('PROV_005', `the evaluator ${digest} is refused: ${reason}`, { status: 422 })
