import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { EVALUATOR_LIMITS } from '../../../protocol/evaluator.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { EvaluatorCase } from '../../../scripts/vectors/evaluator.ts'
import { fromHex } from '../../../src/kernel/base/bytes.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { type EvaluationRequest, type Evaluator, evaluators } from '../../../src/kernel/plugins/packages/evaluators.ts'
import { evaluatorSuite } from '../../../src/kernel/plugins/suites/evaluators.ts'
import { isolatedRegistry } from '../../../src/providers/built-in.ts'
import { readVectors } from '../../vectors/read.ts'
import { assembled, evaluatorText, type Parts, reward, trivial } from './modules.ts'

const registry = isolatedRegistry()
const { signal } = new AbortController()
const create = (config = {}): Promise<Evaluator> => registry.createProvider(evaluators, 'wasm', config)

const { cases } = readVectors<{ cases: EvaluatorCase[] }>('evaluator.json')
const busy = cases.find(({ name }) => name.startsWith('calls with locals'))!

describe('the evaluator wasm', () => {
  evaluatorSuite({
    test: it,
    factory: () => create(),
    accepted: fromHex(busy.module),
    request: { fuel: busy.fuel, memoryPages: busy.memory_pages, seed: busy.seed, input: fromHex(busy.input) },
    refused: readFileSync(new URL('../../../node_modules/source-map/lib/mappings.wasm', import.meta.url)),
  })
})

/** A request that says nothing special. */
const request = (digest: string, special: Partial<EvaluationRequest> = {}): EvaluationRequest => ({
  digest,
  fuel: 1_000_000,
  memoryPages: 1,
  seed: 0,
  input: new Uint8Array(),
  ...special,
})

/** An evaluator that ends with the test, and modules in it by name. */
async function prepared(t: TestContext, modules: Record<string, Parts>, config = {}): Promise<Evaluator> {
  const evaluator = await create(config)
  t.after(() => evaluator.close())
  for (const [name, parts] of Object.entries(modules))
    await evaluator.prepare(name, await assembled(evaluatorText(parts)))
  return evaluator
}

const ENDLESS: Parts = { body: '(loop $again (br $again))' }
const ONE: Parts = { body: reward('(f64.const 1)') }
const METRICS = { kind: 'metrics', reward: 1, risk: 0, complexity: 0 } as const

describe('verdicts', () => {
  it('are those of the vectors, and a timeout with one unit of fuel less', async (t) => {
    const evaluator = await create()
    t.after(() => evaluator.close())
    for (const one of cases) {
      await evaluator.prepare(one.digest, fromHex(one.module))
      const asked = { digest: one.digest, memoryPages: one.memory_pages, seed: one.seed, input: fromHex(one.input) }
      const verdict = await evaluator.evaluate({ ...asked, fuel: one.fuel }, signal)
      assert.equal(verdict.kind, one.verdict, one.name)
      if (one.metrics !== undefined) assert.deepEqual(verdict, { kind: 'metrics', ...one.metrics }, one.name)
      const less = await evaluator.evaluate({ ...asked, fuel: one.fuel - 1 }, signal)
      assert.deepEqual(less, { kind: 'timeout' }, one.name)
    }
  })

  it('stay the same while the engine makes the code faster', async (t) => {
    const loop = `(loop $next (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 20000))))`
    const evaluator = await prepared(t, { loop: { body: loop + reward('(f64.const 1)') } })
    const used = 1 + 1 + 4 + 8 * 20_000 + 3
    const ask = (fuel: number) => evaluator.evaluate(request('loop', { fuel }), signal)
    for (let round = 0; round < 20; round++) {
      const verdicts = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(used - (index % 2))))
      for (const [index, verdict] of verdicts.entries()) {
        assert.deepEqual(verdict, index % 2 === 0 ? METRICS : { kind: 'timeout' })
      }
    }
  })

  it('know nothing of evaluations before', async (t) => {
    const body = `${reward('(f64.convert_i32_u (i32.add (global.get $count) (i32.load (i32.const 4096))))')}
      (global.set $count (i32.const 1)) (i32.store (i32.const 4096) (i32.const 1))`
    const evaluator = await prepared(t, { counter: { body, rest: '(global $count (mut i32) (i32.const 0))' } })
    for (let round = 0; round < 3; round++) {
      const verdict = await evaluator.evaluate(request('counter'), signal)
      assert.deepEqual(verdict, { ...METRICS, reward: 0 })
    }
  })

  it('depend on the pages of the goal', async (t) => {
    const size = reward('(f64.convert_i32_u (memory.size))')
    const evaluator = await prepared(t, { size: { body: size, memory: '(memory (export "memory") 2)' } })
    for (const memoryPages of [2, 3, 4, 5, 6, 7, 2, LIMITS.goalMemoryPages]) {
      const verdict = await evaluator.evaluate(request('size', { memoryPages }), signal)
      assert.deepEqual(verdict, { ...METRICS, reward: memoryPages })
    }
    assert.deepEqual(await evaluator.evaluate(request('size'), signal), {
      kind: 'error',
      reason: 'its memory begins with 2 pages, the goal gives it 1',
    })
  })

  it('come of evaluators that fill the largest memory, again and again', async (t) => {
    const pages = LIMITS.goalMemoryPages
    const fill = `(memory.fill (i32.const 0) (i32.const 1) (i32.const ${pages * 65_536}))
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 24)) ${reward('(f64.const 1)')}`
    const evaluator = await prepared(t, { fill: { body: fill } })
    const asked = request('fill', { memoryPages: pages, fuel: 100_000_000 })
    const verdicts = await Promise.all(Array.from({ length: 40 }, () => evaluator.evaluate(asked, signal)))
    for (const verdict of verdicts) assert.deepEqual(verdict, METRICS)
  })

  it('take inputs as large as contributions are', async (t) => {
    const body = reward(
      '(f64.convert_i32_u (i32.load8_u (i32.sub (i32.add (local.get $at) (local.get $length)) (i32.const 1))))',
    )
    const evaluator = await prepared(t, { last: { body } })
    const input = new Uint8Array(LIMITS.contributionParameterBytes + 100)
    input[input.length - 1] = 1
    const verdict = await evaluator.evaluate(request('last', { input, memoryPages: 16 }), signal)
    assert.deepEqual(verdict, METRICS)
    await assert.rejects(
      evaluator.evaluate(request('last', { input: new Uint8Array(2 ** 20) }), signal),
      /allowed are at most/,
    )
  })
})

describe('modules', () => {
  it('are refused with what was found and what is allowed', async (t) => {
    const evaluator = await prepared(t, {})
    const refused = async (bytes: Uint8Array, reason: RegExp) =>
      assert.rejects(
        evaluator.prepare('sha256:00', bytes),
        (error) => error instanceof ProviderError && error.status === 422 && reason.test(error.message),
      )
    await refused(new Uint8Array(EVALUATOR_LIMITS.moduleBytes + 1), /has 1048577 bytes, allowed are at most 1048576/)
    await refused(
      await assembled(evaluatorText({ body: '(drop (memory.atomic.notify (i32.const 0) (i32.const 1)))' })),
      /uses threads; allowed are/,
    )
    await refused(
      await assembled(evaluatorText({ body: '(i32.const 1)' })),
      /it is no WebAssembly module: .*evaluate|Compiling function/,
    )
  })

  it('that were not used the longest make room, and can come again', async (t) => {
    const evaluator = await create()
    t.after(() => evaluator.close())
    const bytes = await trivial()
    for (let number = 0; number <= LIMITS.goalTopics; number++) {
      await evaluator.prepare(`module ${number}`, bytes)
      await evaluator.evaluate(request('module 0'), signal)
    }
    assert.equal((await evaluator.evaluate(request('module 0'), signal)).kind, 'metrics')
    assert.match(JSON.stringify(await evaluator.evaluate(request('module 1'), signal)), /undetermined.*not prepared/)
    await evaluator.prepare('module 1', bytes)
    assert.equal((await evaluator.evaluate(request('module 1'), signal)).kind, 'metrics')
  })
})

describe('a child that is lost', () => {
  it('takes one evaluation with it, which determines nothing; the others go on', async (t) => {
    const evaluator = await prepared(t, { endless: ENDLESS, one: ONE }, { timeout: 500 })
    const slow = evaluator.evaluate(request('endless', { fuel: LIMITS.goalFuel }), signal)
    const quick = Array.from({ length: 200 }, () => evaluator.evaluate(request('one'), signal))
    for (const verdict of await Promise.all(quick)) assert.deepEqual(verdict, METRICS)
    assert.match(JSON.stringify(await slow), /undetermined.*not done within 500 ms/)
    assert.deepEqual(await evaluator.evaluate(request('one'), signal), METRICS)
  })

  it('is followed by another when it is killed, whatever it did', {
    skip: process.platform === 'linux' ? false : 'children are counted in /proc, which only Linux has',
  }, async (t) => {
    const evaluator = await prepared(t, { endless: ENDLESS, one: ONE })
    await evaluator.evaluate(request('one'), signal)
    const slow = [1, 2].map(() => evaluator.evaluate(request('endless', { fuel: LIMITS.goalFuel }), signal))
    const quick = Array.from({ length: 50 }, () => evaluator.evaluate(request('one'), signal))
    const killed = killChildren()
    assert.ok(killed > 0)
    for (const verdict of await Promise.all(slow)) assert.equal(verdict.kind, 'undetermined')
    for (const verdict of await Promise.all(quick)) assert.deepEqual(verdict, METRICS)
  })

  it('gives no evaluation back whose caller has gone', async (t) => {
    const evaluator = await prepared(t, { endless: ENDLESS, one: ONE }, { timeout: 500 })
    const abort = new AbortController()
    const slow = evaluator.evaluate(request('endless', { fuel: LIMITS.goalFuel }), abort.signal)
    abort.abort(new Error('gone'))
    await assert.rejects(slow, /gone/)
    assert.deepEqual(await evaluator.evaluate(request('one'), signal), METRICS)
  })
})

/** Kills the child processes of this one, which are those of the evaluators of the test under way. */
function killChildren(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean)
  for (const child of children) process.kill(Number(child), 'SIGKILL')
  return children.length
}
