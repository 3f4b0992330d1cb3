import { EVALUATOR_LIMITS } from '../../../protocol/evaluator.ts'
import type { Evaluation } from '../../kernel/plugins/packages/evaluators.ts'

/** What the node asks a child. */
const LOAD = 1
const EVALUATE = 2
/** What the child answers. */
const LOADED = 1
const REFUSED = 2
const METRICS = 3
const TIMEOUT = 4
const ERROR = 5
const UNDETERMINED = 6

const EVALUATE_BYTES = 1 + 4 + 8 + 4 + 4
const METRICS_BYTES = 1 + 8 + 3 * 8

/** Bytes of an input: more than a contribution's version and parameters have. */
export const INPUT_BYTES = 512 * 1024
/** Bytes of a message: the largest brings a module. */
export const MESSAGE_BYTES = EVALUATOR_LIMITS.moduleBytes + 1024

/** Characters of a reason. */
const REASON_LENGTH = 300
/** Bytes of an answer: a reason in UTF-8, and a few more. */
export const ANSWER_BYTES = 4 * REASON_LENGTH + 64

/** Puts a module into one of the child's slots. */
export interface LoadMessage {
  readonly slot: number
  readonly module: Uint8Array
}

/** Evaluates with the module in a slot. */
export interface EvaluateMessage {
  readonly slot: number
  readonly fuel: number
  readonly pages: number
  readonly seed: number
  readonly input: Uint8Array
}

/** What became of a module: undefined when it was loaded, else why it is refused. */
export type LoadAnswer = string | undefined

/** A verdict, and the fuel that it took: all of it where that is not known, after a trap. */
export interface EvaluateAnswer {
  readonly evaluation: Evaluation
  readonly used: number
}

export function encodeLoad({ slot, module }: LoadMessage): Uint8Array {
  const out = new Uint8Array(5 + module.length)
  const view = new DataView(out.buffer)
  view.setUint8(0, LOAD)
  view.setUint32(1, slot)
  out.set(module, 5)
  return out
}

export function encodeEvaluate({ slot, fuel, pages, seed, input }: EvaluateMessage): Uint8Array {
  const out = new Uint8Array(EVALUATE_BYTES + input.length)
  const view = new DataView(out.buffer)
  view.setUint8(0, EVALUATE)
  view.setUint32(1, slot)
  view.setFloat64(5, fuel)
  view.setUint32(13, pages)
  view.setUint32(17, seed)
  out.set(input, EVALUATE_BYTES)
  return out
}

/** Calls what answers a message of this node. */
export function dispatchMessage(
  message: Uint8Array,
  answers: { load(message: LoadMessage): LoadAnswer; evaluate(message: EvaluateMessage): EvaluateAnswer },
): Uint8Array {
  const view = viewOf(message)
  const slot = view.getUint32(1)
  if (view.getUint8(0) === LOAD) {
    const refused = answers.load({ slot, module: message.subarray(5) })
    return refused === undefined ? Uint8Array.of(LOADED) : withText(REFUSED, 0, refused)
  }
  const { evaluation, used } = answers.evaluate({
    slot,
    fuel: view.getFloat64(5),
    pages: view.getUint32(13),
    seed: view.getUint32(17),
    input: message.subarray(EVALUATE_BYTES),
  })
  switch (evaluation.kind) {
    case 'metrics': {
      const out = new Uint8Array(METRICS_BYTES)
      const numbers = new DataView(out.buffer)
      numbers.setUint8(0, METRICS)
      const values = [used, evaluation.reward, evaluation.risk, evaluation.complexity]
      for (const [index, value] of values.entries()) numbers.setFloat64(1 + 8 * index, value)
      return out
    }
    case 'timeout':
      return withText(TIMEOUT, used, '')
    case 'error':
      return withText(ERROR, used, evaluation.reason)
    case 'undetermined':
      return withText(UNDETERMINED, used, evaluation.reason)
  }
}

/** Throws for an answer that has another form. */
export function readLoadAnswer(answer: Uint8Array): LoadAnswer {
  if (answer[0] === LOADED) return undefined
  if (answer[0] === REFUSED) return textOf(answer)
  throw new Error(`an answer of the kind ${answer[0]} to a module`)
}

/** Throws for an answer that has another form: what a child says is as trustworthy as the module that ran in it. */
export function readEvaluateAnswer(answer: Uint8Array): EvaluateAnswer {
  const view = viewOf(answer)
  const used = view.getFloat64(1)
  switch (view.getUint8(0)) {
    case METRICS: {
      const [reward, risk, complexity] = [view.getFloat64(9), view.getFloat64(17), view.getFloat64(25)]
      if (![reward, risk, complexity].every(Number.isFinite)) throw new Error('metrics that are not finite')
      return { used, evaluation: { kind: 'metrics', reward, risk, complexity } }
    }
    case TIMEOUT:
      return { used, evaluation: { kind: 'timeout' } }
    case ERROR:
      return { used, evaluation: { kind: 'error', reason: textOf(answer) } }
    case UNDETERMINED:
      return { used, evaluation: { kind: 'undetermined', reason: textOf(answer) } }
    default:
      throw new Error(`an answer of the kind ${answer[0]} to an evaluation`)
  }
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength)

function withText(kind: number, used: number, text: string): Uint8Array {
  const encoded = new TextEncoder().encode(text.slice(0, REASON_LENGTH))
  const out = new Uint8Array(9 + encoded.length)
  const view = viewOf(out)
  view.setUint8(0, kind)
  view.setFloat64(1, used)
  out.set(encoded, 9)
  return out
}

const textOf = (answer: Uint8Array): string => new TextDecoder().decode(answer.subarray(9))
