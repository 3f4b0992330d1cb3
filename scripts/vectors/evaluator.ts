import { readFile } from 'node:fs/promises'
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { evaluateOnce, Memories } from '../../src/providers/evaluators/evaluate.ts'
import { instrument } from '../../src/providers/evaluators/instrument.ts'

/** A module, and its verdicts. */
export interface EvaluatorCase {
  readonly name: string
  /** Hexadecimal. */
  readonly module: string
  readonly digest: string
  readonly memory_pages: number
  readonly seed: number
  /** Hexadecimal. */
  readonly input: string
  /** The fuel with which this is the verdict; for metrics and errors it is the least, and with one unit less the verdict is a timeout. */
  readonly fuel: number
  readonly verdict: 'metrics' | 'timeout' | 'error'
  readonly metrics?: { readonly reward: number; readonly risk: number; readonly complexity: number }
}

/** A module around the body of `evaluate`, which answers 0, where the result is. */
const around = (body: string, rest = ''): string => `(module (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 64))
  (func (export "evaluate") (param $at i32) (param $length i32) (param $seed i32) (result i32)
    (local $n i32) (local $x f64)
    ${body} (i32.const 0)) ${rest})`

const MODULES: readonly (readonly [string, string])[] = [
  ['nothing but zeros', around('')],
  [
    'a loop over the seed, left in the middle',
    around(`(block $done (loop $next
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $done (i32.gt_u (local.get $n) (local.get $seed)))
      (f64.store (i32.const 0) (f64.convert_i32_u (local.get $n)))
      (br $next)))`),
  ],
  [
    'the bits of a NaN',
    around(`(local.set $x (f64.neg (f64.div (f64.const 0) (f64.const 0))))
      (f64.store (i32.const 8) (local.get $x))
      (f64.store (i32.const 0) (f64.convert_i32_u (i32.load (i32.const 12))))
      (f64.store (i32.const 8) (f64.copysign (f64.const 1) (local.get $x)))
      (f64.store (i32.const 16) (f64.convert_i64_u (i64.shr_u (i64.reinterpret_f64 (local.get $x)) (i64.const 48))))`),
  ],
  [
    'memory that is filled and copied, and does not grow',
    around(`(memory.fill (i32.const 1000) (i32.const 255) (i32.const 1001))
      (memory.copy (i32.const 5000) (i32.const 1000) (i32.const 99))
      (f64.store (i32.const 0) (f64.convert_i32_s (memory.grow (i32.const 1))))
      (f64.store (i32.const 8) (f64.convert_i32_u (memory.size)))
      (f64.store (i32.const 16) (f64.convert_i32_u (i32.load8_u (i32.const 5098))))`),
  ],
  [
    'calls with locals and results',
    around(
      '(f64.store (i32.const 0) (f64.convert_i32_u (call $fibonacci (i32.const 10))))',
      `(func $fibonacci (param $n i32) (result i32) (local i64 f32 i32)
        (if (i32.lt_u (local.get $n) (i32.const 2)) (then (return (local.get $n))))
        (i32.add (call $fibonacci (i32.sub (local.get $n) (i32.const 1)))
          (call $fibonacci (i32.sub (local.get $n) (i32.const 2)))))`,
    ),
  ],
  ['calls without end', around('(call $again)', '(func $again (call $again))')],
  ['a loop without end', around('(loop $again (br $again))')],
  ['a division by zero', around('(drop (i32.div_u (i32.const 1) (local.get $n)))')],
  ['a result that is not finite', around('(f64.store (i32.const 0) (f64.const inf))')],
]

/** Modules with the least fuel that decides them. */
export async function evaluatorVectors(): Promise<{ about: string; cases: EvaluatorCase[] }> {
  const nearest = await readFile(new URL('../evaluators/nearest.wat', import.meta.url), 'utf8')
  const parameters = new Uint8Array(Float64Array.of(0.25, -3, 0.5).buffer)
  const input = Uint8Array.of(0, 0, 0, 3, ...utf8('1.0'), ...parameters)
  const cases = []
  for (const [name, text] of [...MODULES, ['scripts/evaluators/nearest.wat', nearest] as const]) {
    cases.push(caseOf(name, await parse(text), input))
  }
  return {
    about:
      'README.md, "Evaluators". With the fuel of a case the verdict is that; where it is metrics or error, it is a timeout with one unit less.',
    cases,
  }
}

const PAGES = 2
const SEED = 7
const MOST_FUEL = 100_000

function caseOf(name: string, module: Uint8Array, input: Uint8Array): EvaluatorCase {
  const compiled = new WebAssembly.Module(instrument(module).withPages(PAGES))
  const memories = new Memories()
  const verdictWith = (fuel: number) =>
    evaluateOnce(compiled, memories.cleared(PAGES), { fuel, seed: SEED, input }).evaluation
  const evaluation = verdictWith(MOST_FUEL)
  const { kind } = evaluation
  if (kind === 'undetermined') throw new Error(`${name}: ${evaluation.reason}`)
  const common = {
    name,
    module: toHex(module),
    digest: `sha256:${sha256Hex(module)}`,
    memory_pages: PAGES,
    seed: SEED,
    input: toHex(input),
    fuel: kind === 'timeout' ? MOST_FUEL : leastFuel((fuel) => verdictWith(fuel).kind !== 'timeout'),
    verdict: kind,
  }
  if (kind !== 'metrics') return common
  const { reward, risk, complexity } = evaluation
  return { ...common, metrics: { reward, risk, complexity } }
}

/** The least fuel that is enough. */
function leastFuel(enough: (fuel: number) => boolean): number {
  let [least, most] = [1, MOST_FUEL]
  while (least < most) {
    const middle = Math.floor((least + most) / 2)
    if (enough(middle)) most = middle
    else least = middle + 1
  }
  return most
}
