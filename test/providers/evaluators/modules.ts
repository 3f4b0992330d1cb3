import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import type { Evaluation } from '../../../src/kernel/plugins/packages/evaluators.ts'
import { evaluateOnce, Memories } from '../../../src/providers/evaluators/evaluate.ts'
import { instrument } from '../../../src/providers/evaluators/instrument.ts'
import type { EvaluateAnswer } from '../../../src/providers/evaluators/messages.ts'

/** Parts of a module that is an evaluator. */
export interface Parts {
  /** Code of `evaluate` before it answers `result`; it has locals `$n` (i32), `$l` (i64), `$f` (f32) and `$x` (f64). */
  readonly body?: string
  /** What `evaluate` answers. */
  readonly result?: string
  /** What `alloc` answers. */
  readonly pointer?: string
  readonly memory?: string
  /** Further definitions. */
  readonly rest?: string
}

/** The text of an evaluator. */
export const evaluatorText = ({ body = '', result, pointer, memory, rest = '' }: Parts): string => `(module
  ${memory ?? '(memory (export "memory") 1)'}
  (func (export "alloc") (param $length i32) (result i32) ${pointer ?? '(i32.const 64)'})
  (func (export "evaluate") (param $at i32) (param $length i32) (param $seed i32) (result i32)
    (local $n i32) (local $l i64) (local $f f32) (local $x f64)
    ${body}
    ${result ?? '(i32.const 0)'})
  ${rest})`

/** The bytes of a module in text. */
export const assembled = async (text: string): Promise<Uint8Array<ArrayBuffer>> => Uint8Array.from(await parse(text))

/** A module that answers zeros. */
export const trivial = (): Promise<Uint8Array> => assembled(evaluatorText({}))

/** What an evaluation uses unless something else is said. */
const DEFAULTS = { fuel: 1_000_000, pages: 1, seed: 0, input: new Uint8Array() }

/** Evaluates in this process. */
export async function evaluated(
  parts: Parts | string,
  options: Partial<typeof DEFAULTS> = {},
): Promise<EvaluateAnswer> {
  const { pages, ...request } = { ...DEFAULTS, ...options }
  const bytes = await assembled(typeof parts === 'string' ? parts : evaluatorText(parts))
  return evaluateOnce(
    new WebAssembly.Module(instrument(bytes).withPages(pages)),
    new Memories().cleared(pages),
    request,
  )
}

/** The first number of a result. Throws where there is none. */
export async function rewardOf(parts: Parts, options: Partial<typeof DEFAULTS> = {}): Promise<number> {
  const { evaluation } = await evaluated(parts, options)
  if (evaluation.kind !== 'metrics') throw new Error(JSON.stringify(evaluation))
  return evaluation.reward
}

/** Stores the number as reward. */
export const reward = (number: string): string => `(f64.store (i32.const 0) ${number})`

/** The reason of an error. Throws for any other verdict. */
export function reasonOf(evaluation: Evaluation): string {
  if (evaluation.kind !== 'error') throw new Error(`no error: ${JSON.stringify(evaluation)}`)
  return evaluation.reason
}
