import assert from 'node:assert/strict'
import type { Characteristics, Ranker } from '../packages/rankers.ts'
import type { TestRunner } from './test-runner.ts'

const VALUES = [undefined, 0, 1, 7, 2 ** 40]

/** Cells with every combination of a few values. */
const CELLS: readonly Characteristics[] = VALUES.flatMap((size) =>
  VALUES.flatMap((memory) =>
    VALUES.slice(0, 3).map((compileMs) => ({
      size,
      memory,
      compileMs,
      declaredMemoryMb: size,
      declaredStartupMs: memory,
    })),
  ),
)

/** What every provider of `rankers` must do. `factory` makes one. */
export function rankerSuite({ test, factory }: { test: TestRunner; factory: () => Ranker | Promise<Ranker> }): void {
  test('compares with a number, and says the opposite the other way round', async () => {
    const ranker = await factory()
    for (const a of CELLS) {
      for (const b of CELLS) {
        const order = ranker.compare(a, b)
        assert.ok(Number.isFinite(order), `${JSON.stringify(a)} and ${JSON.stringify(b)} compare to ${order}`)
        assert.equal(Math.sign(order), -Math.sign(ranker.compare(b, a)) + 0)
      }
      assert.equal(ranker.compare(a, a), 0)
    }
  })

  test('is an order: what is better than the better is better', async () => {
    const ranker = await factory()
    const sorted = [...CELLS].sort((a, b) => ranker.compare(a, b))
    for (const [position, a] of sorted.entries()) {
      for (const b of sorted.slice(position + 1)) assert.ok(ranker.compare(a, b) <= 0)
    }
  })

  test('gives the same answer again, and changes nothing', async () => {
    const [one, other] = [await factory(), await factory()]
    const [a, b] = [Object.freeze({ size: 3, memory: 9 }), Object.freeze({ size: 4, compileMs: 2 })]
    const first = one.compare(a, b)
    assert.equal(one.compare(a, b), first)
    assert.equal(other.compare(a, b), first)
  })
}
