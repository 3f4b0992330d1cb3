import { EVALUATOR_LIMITS } from '../../../protocol/evaluator.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Evaluation } from '../../kernel/plugins/packages/evaluators.ts'
import type { MeteredExports } from './instrument.ts'
import type { EvaluateAnswer, EvaluateMessage } from './messages.ts'

/** Bytes of a result: three numbers of 64 bits. */
const RESULT_BYTES = 24

/** Pages of all memories that are kept. */
const KEPT_PAGES = 2 * LIMITS.goalMemoryPages

/** The memories that evaluations have, one after another: making one takes longer than a small evaluation, and longer still to give it back. */
export class Memories {
  /** By pages, which no memory changes. */
  readonly #kept = new Map<number, WebAssembly.Memory>()
  #pages = 0

  /** A memory of zeros, which is its caller's until the next call. Throws where there is none. */
  cleared(pages: number): WebAssembly.Memory {
    const found = this.#kept.get(pages)
    if (found !== undefined) {
      new Uint8Array(found.buffer).fill(0)
      return found
    }
    for (const other of this.#kept.keys()) {
      if (this.#pages + pages <= KEPT_PAGES) break
      this.#kept.delete(other)
      this.#pages -= other
    }
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.#kept.set(pages, memory)
    this.#pages += pages
    return memory
  }
}

/** Runs a metered module once, in an instance of its own, with a memory of zeros. */
export function evaluateOnce(
  compiled: WebAssembly.Module,
  memory: WebAssembly.Memory,
  { fuel, seed, input }: Pick<EvaluateMessage, 'fuel' | 'seed' | 'input'>,
): EvaluateAnswer {
  let exports: MeteredExports | undefined
  try {
    exports = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as MeteredExports
    exports.fuel.value = BigInt(fuel)
    const evaluation = called(exports, memory, seed, input)
    return { evaluation, used: fuel - Number(exports.fuel.value) }
  } catch (thrown) {
    return { evaluation: failed(thrown, exports), used: fuel }
  }
}

function called(
  { start, alloc, evaluate }: MeteredExports,
  memory: WebAssembly.Memory,
  seed: number,
  input: Uint8Array,
): Evaluation {
  start?.()
  const size = memory.buffer.byteLength
  const pointer = alloc(input.length) >>> 0
  if (pointer + input.length > size) {
    return error(`alloc(${input.length}) answered ${pointer}: the input does not fit a memory of ${size} bytes there`)
  }
  new Uint8Array(memory.buffer, pointer, input.length).set(input)
  const at = evaluate(pointer, input.length, seed | 0) >>> 0
  if (at + RESULT_BYTES > size) {
    return error(`evaluate answered ${at}: no result of ${RESULT_BYTES} bytes is there, in a memory of ${size}`)
  }
  const view = new DataView(memory.buffer, at, RESULT_BYTES)
  const metrics = { reward: number(view, 0), risk: number(view, 8), complexity: number(view, 16) }
  for (const [name, value] of Object.entries(metrics)) {
    if (!Number.isFinite(value)) return error(`${name} is ${value}; allowed are finite numbers`)
  }
  return { kind: 'metrics', ...metrics }
}

/** −0 is 0. */
const number = (view: DataView, at: number): number => view.getFloat64(at, true) + 0

const error = (reason: string): Evaluation => ({ kind: 'error', reason })

/** A trap is a verdict, of what is told by the globals. Whatever else is thrown comes from this machine: no memory, no stack. */
function failed(thrown: unknown, exports: MeteredExports | undefined): Evaluation {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  if (!(thrown instanceof WebAssembly.RuntimeError)) return { kind: 'undetermined', reason: message }
  if (exports !== undefined && exports.fuel.value < 0n) return { kind: 'timeout' }
  if (exports !== undefined && exports.stack.value < 0) {
    return error(`its calls need more than ${EVALUATOR_LIMITS.stackSlots} slots of stack`)
  }
  return error(`it trapped: ${message}`)
}
