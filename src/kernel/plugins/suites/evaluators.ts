import assert from 'node:assert/strict'
import { ProviderError } from '../../base/errors.ts'
import type { EvaluationRequest, Evaluator } from '../packages/evaluators.ts'
import type { TestRunner } from './test-runner.ts'

/** What the suite needs. */
export interface EvaluatorSuiteOptions {
  readonly test: TestRunner
  /** Makes an evaluator. Each test closes its own. */
  readonly factory: () => Evaluator | Promise<Evaluator>
  /** A package that is taken. */
  readonly accepted: Uint8Array
  /** What it is evaluated with: enough fuel for metrics. */
  readonly request: Omit<EvaluationRequest, 'digest'>
  /** A package that is refused. */
  readonly refused: Uint8Array
}

const DIGEST = `sha256:${'ab'.repeat(32)}`

/** Declares tests of everything that `Evaluator` promises. For the author of any evaluator. */
export function evaluatorSuite({ test, factory, accepted, request, refused }: EvaluatorSuiteOptions): void {
  const { signal } = new AbortController()
  const asked: EvaluationRequest = { ...request, digest: DIGEST }
  const check = (name: string, run: (evaluator: Evaluator) => Promise<void>) =>
    test(name, async () => {
      const evaluator = await factory()
      try {
        await run(evaluator)
      } finally {
        await evaluator.close()
      }
    })

  check('evaluates what was prepared, and says the same again', async (evaluator) => {
    await evaluator.prepare(DIGEST, accepted)
    const first = await evaluator.evaluate(asked, signal)
    assert.equal(first.kind, 'metrics', JSON.stringify(first))
    if (first.kind !== 'metrics') return
    for (const number of [first.reward, first.risk, first.complexity]) {
      assert.ok(Number.isFinite(number) && !Object.is(number, -0), `${number} is no metric`)
    }
    const others = await Promise.all(Array.from({ length: 100 }, () => evaluator.evaluate(asked, signal)))
    for (const other of others) assert.deepEqual(other, first)
  })

  check('says the same as another one of its kind', async (evaluator) => {
    const other = await factory()
    try {
      for (const one of [evaluator, other]) await one.prepare(DIGEST, accepted)
      assert.deepEqual(await evaluator.evaluate(asked, signal), await other.evaluate(asked, signal))
    } finally {
      await other.close()
    }
  })

  check('prepares a package twice, also at once', async (evaluator) => {
    await Promise.all([evaluator.prepare(DIGEST, accepted), evaluator.prepare(DIGEST, accepted)])
    await evaluator.prepare(DIGEST, accepted)
    assert.equal((await evaluator.evaluate(asked, signal)).kind, 'metrics')
  })

  check('leaves the bytes of a package to the caller', async (evaluator) => {
    const bytes = Uint8Array.from(accepted)
    await evaluator.prepare(DIGEST, bytes)
    bytes.fill(0xff)
    assert.equal((await evaluator.evaluate(asked, signal)).kind, 'metrics')
  })

  check('stops when the fuel is exhausted', async (evaluator) => {
    await evaluator.prepare(DIGEST, accepted)
    assert.deepEqual(await evaluator.evaluate({ ...asked, fuel: 1 }, signal), { kind: 'timeout' })
    assert.equal((await evaluator.evaluate(asked, signal)).kind, 'metrics')
  })

  check('refuses what is no evaluator, in words', async (evaluator) => {
    for (const bytes of [refused, new Uint8Array(), accepted.subarray(0, accepted.length >> 1)]) {
      await assert.rejects(evaluator.prepare(DIGEST, bytes), ProviderError)
    }
    assert.equal((await evaluator.evaluate(asked, signal)).kind, 'undetermined')
    await evaluator.prepare(DIGEST, accepted)
    assert.equal((await evaluator.evaluate(asked, signal)).kind, 'metrics')
  })

  check('determines nothing of a package that it was never given', async (evaluator) => {
    assert.equal((await evaluator.evaluate(asked, signal)).kind, 'undetermined')
  })

  check('rejects with the reason of the signal', async (evaluator) => {
    await evaluator.prepare(DIGEST, accepted)
    const reason = new Error('no longer needed')
    await assert.rejects(evaluator.evaluate(asked, AbortSignal.abort(reason)), reason)
    const abort = new AbortController()
    const underWay = evaluator.evaluate(asked, abort.signal)
    abort.abort(reason)
    await assert.rejects(underWay, reason)
    assert.equal((await evaluator.evaluate(asked, signal)).kind, 'metrics')
  })

  check('rejects everything once it is closed, also what is under way, and closes twice', async (evaluator) => {
    await evaluator.prepare(DIGEST, accepted)
    const settled = Promise.allSettled(Array.from({ length: 10 }, () => evaluator.evaluate(asked, signal)))
    await evaluator.close()
    for (const { status } of await settled) assert.equal(status, 'rejected')
    await assert.rejects(evaluator.evaluate(asked, signal))
    await assert.rejects(evaluator.prepare(DIGEST, accepted))
    await evaluator.close()
  })
}
