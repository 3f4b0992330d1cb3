import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { evaluateOnce, Memories } from '../../src/providers/evaluators/evaluate.ts'
import { instrument } from '../../src/providers/evaluators/instrument.ts'
import { evaluatorText } from '../providers/evaluators/modules.ts'
import { temporaryFolder } from '../support/folders.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/evaluator.ts', import.meta.url))
const EXAMPLE = fileURLToPath(new URL('../../scripts/evaluators/nearest.wat', import.meta.url))

const run = (...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [SCRIPT, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    )
  })

test('the example of an evaluator is assembled, and judges as its comment says', async (t) => {
  const target = join(await temporaryFolder(t), 'nearest.wasm')
  const { code, stdout, stderr } = await run(EXAMPLE, target)
  assert.equal(code, 0, stderr)
  const module = await readFile(target)
  assert.equal(stdout, `${target}: ${module.length} bytes, sha256:${sha256Hex(module)}\n`)
  const compiled = new WebAssembly.Module(instrument(module).withPages(1))
  const evaluate = (parameters: readonly number[], seed = 7) => {
    const input = Buffer.concat([Buffer.from([0, 0, 0, 3]), Buffer.from('1.0'), Buffer.alloc(8 * parameters.length)])
    for (const [index, value] of parameters.entries()) input.writeDoubleLE(value, 7 + 8 * index)
    return evaluateOnce(compiled, new Memories().cleared(1), { fuel: 10_000, seed, input }).evaluation
  }
  const next = (seed: number): number => (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  const first = next(7)
  const point = [first / 2 ** 32, next(first) / 2 ** 32]
  assert.deepEqual(evaluate(point), { kind: 'metrics', reward: 1, risk: Math.max(...point), complexity: 2 })
  const away = [point[0]! + 3, point[1]!]
  assert.deepEqual(evaluate(away), {
    kind: 'metrics',
    reward: 1 / (1 + (away[0]! - point[0]!) ** 2),
    risk: away[0],
    complexity: 2,
  })
  assert.notDeepEqual(evaluate(point, 8), evaluate(point))
  assert.deepEqual(evaluate([]), { kind: 'error', reason: 'it trapped: unreachable' })
})

test('what no node takes is not written, and the reason is told', async (t) => {
  const folder = await temporaryFolder(t)
  const target = join(folder, 'module.wasm')
  for (const [text, reason] of [
    ['(module', /expected/],
    ['(module (import "env" "now" (func)))', /imports env\.now; an evaluator imports nothing/],
    // What only the engine finds.
    [evaluatorText({ body: '(i32.const 1)' }), /it is no WebAssembly module/],
  ] as const) {
    const source = join(folder, 'source.wat')
    await writeFile(source, text)
    const { code, stderr } = await run(source, target)
    assert.equal(code, 1)
    assert.match(stderr, reason)
  }
  assert.equal((await run(EXAMPLE)).code, 2)
  assert.equal(existsSync(target), false)
})
