import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import type { EvaluationRequest, Evaluator } from '../../../src/kernel/plugins/packages/evaluators.ts'
import { evaluators } from '../../../src/kernel/plugins/packages/evaluators.ts'
import { isolatedRegistry } from '../../../src/providers/built-in.ts'
import { instrument, type MeteredExports } from '../../../src/providers/evaluators/instrument.ts'
import { alternate, compared, type Measurement, median } from '../measure.ts'
import type { Row } from '../row.ts'

const LEAST_PER_SECOND = 5000
/** Evaluations that one caller has under way. */
const AT_ONCE = 256
const PAGES = 8
const FUEL = 2n ** 62n

/** An evaluator around this code; `$n`, `$m` and `$x` are its locals. */
const around = (body: string, rest = ''): string => `(module (memory (export "memory") 8)
  (func (export "alloc") (param i32) (result i32) (i32.const 64))
  (func (export "evaluate") (param $at i32) (param $length i32) (param $seed i32) (result i32)
    (local $n i32) (local $m i32) (local $x f64)
    ${body} (i32.const 0)) ${rest})`

const TRIVIAL = around('(f64.store (i32.const 0) (f64.convert_i32_u (local.get $length)))')

/** What evaluators consist of: integers in memory, numbers of 64 bits, branches and calls. */
const KERNELS: Readonly<Record<string, string>> = {
  'primes below 300,000': around(`
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 300000))
    (local.set $n (i32.const 2))
    (loop $next
      (if (i32.eqz (i32.load8_u offset=1024 (local.get $n))) (then
        (local.set $m (i32.shl (local.get $n) (i32.const 1)))
        (block $done (loop $strike
          (br_if $done (i32.ge_u (local.get $m) (i32.const 300000)))
          (i32.store8 offset=1024 (local.get $m) (i32.const 1))
          (local.set $m (i32.add (local.get $m) (local.get $n)))
          (br $strike)))))
      (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 300000))))`),
  'products of vectors': around(`
    (loop $again
      (local.set $m (i32.const 0))
      (loop $next
        (local.set $x (f64.add (local.get $x) (f64.mul
          (f64.load offset=1024 (local.get $m)) (f64.load offset=132096 (local.get $m)))))
        (f64.store offset=263168 (local.get $m) (local.get $x))
        (br_if $next (i32.lt_u (local.tee $m (i32.add (local.get $m) (i32.const 8))) (i32.const 131072))))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 50))))`),
  'calls of small functions': around(
    '(drop (call $fibonacci (i32.const 25)))',
    `(func $fibonacci (param $n i32) (result i32)
      (if (result i32) (i32.lt_u (local.get $n) (i32.const 2)) (then (local.get $n)) (else
        (i32.add (call $fibonacci (i32.sub (local.get $n) (i32.const 1)))
          (call $fibonacci (i32.sub (local.get $n) (i32.const 2)))))))`,
  ),
}

export const evaluations: Row = {
  name: 'evaluations',
  title: 'evaluations of contributions',
  async run(context) {
    const lines: Measurement[] = []
    const both = { ours: 0, baseline: 0 }
    for (const [name, text] of Object.entries(KERNELS)) {
      const bytes = Uint8Array.from(await parse(text))
      const plain = runsPerSecond(new WebAssembly.Module(bytes), context.roundMs)
      const metered = runsPerSecond(new WebAssembly.Module(instrument(bytes).withPages(PAGES)), context.roundMs)
      const { ours, baseline } = await alternate(context.rounds, { ours: metered, baseline: plain })
      both.ours += 1 / median(ours)
      both.baseline += 1 / median(baseline)
      lines.push({
        label: `metered evaluator, ${name}`,
        unit: 'per s',
        ours: median(ours),
        baseline: median(baseline),
        ratio: median(ours) / median(baseline),
      })
    }
    const note = 'one after another; baseline: the same modules without meter'
    lines.unshift(compared('metered evaluator, all three', 'per s', [1 / both.ours], [1 / both.baseline], 0.5, note))
    lines.push(await throughput(context.roundMs, context.rounds))
    return lines
  },
}

/** Calls of `evaluate` in one instance. */
function runsPerSecond(module: WebAssembly.Module, milliseconds: number): () => Promise<number> {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES })
  const { exports: exported } = new WebAssembly.Instance(module, { env: { memory } })
  const exports = exported as unknown as Partial<MeteredExports>
  return async () => {
    const since = performance.now()
    for (let runs = 1; ; runs++) {
      if (exports.fuel !== undefined) exports.fuel.value = FUEL
      exports.evaluate?.(64, 0, 1)
      const passed = performance.now() - since
      if (passed >= milliseconds) return (runs * 1000) / passed
    }
  }
}

async function throughput(milliseconds: number, rounds: number): Promise<Measurement> {
  const evaluator = await isolatedRegistry().createProvider(evaluators, 'wasm')
  try {
    const digest = 'trivial'
    await evaluator.prepare(digest, await parse(TRIVIAL))
    const request = { digest, fuel: 1_000_000, memoryPages: PAGES, seed: 1, input: new Uint8Array(1000) }
    const { ours } = await alternate(rounds, { ours: () => evaluationsPerSecond(evaluator, request, milliseconds) })
    return {
      label: 'evaluations by a trivial evaluator, warm children, 256 at once',
      unit: 'per s',
      ours: median(ours),
      bound: { kind: 'above', value: LEAST_PER_SECOND },
      reached: median(ours) >= LEAST_PER_SECOND,
      note: 'inputs of 1,000 bytes, 8 pages of memory, each in an instance of its own',
    }
  } finally {
    await evaluator.close()
  }
}

async function evaluationsPerSecond(
  evaluator: Evaluator,
  request: EvaluationRequest,
  milliseconds: number,
): Promise<number> {
  const { signal } = new AbortController()
  const since = performance.now()
  let count = 0
  const caller = async (): Promise<void> => {
    while (performance.now() - since < milliseconds) {
      const { kind } = await evaluator.evaluate(request, signal)
      if (kind !== 'metrics') throw new Error(`a trivial evaluation ended with ${kind}`)
      count++
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, caller))
  return (count * 1000) / (performance.now() - since)
}
