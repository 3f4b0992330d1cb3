import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { EVALUATOR_LIMITS } from '../../protocol/evaluator.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import type { PackageSource } from '../../src/node/api.ts'
import { EvaluatorPackages } from '../../src/node/flows/prepare-evaluators.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`

/** Packages of so many zeros, and what became of them. `failure` is thrown instead of a package, `verdict` by the evaluator. */
function packages(t: TestContext, { size = 4, failure, verdict }: { size?: number; failure?: Error; verdict?: Error }) {
  const seen = { opened: 0, closed: 0, prepared: [] as number[] }
  const open = async (digest: string): Promise<PackageSource> => {
    seen.opened++
    if (failure !== undefined) throw failure
    return {
      digest,
      size,
      complete: true,
      async *read() {
        // One piece for all: it is valid only until the next one.
        const piece = new Uint8Array(1)
        for (let at = 0; at < size; at++) {
          piece[0] = at
          yield piece
        }
      },
      close: async () => void seen.closed++,
    }
  }
  const prepare = async (_: string, bytes: Uint8Array): Promise<void> => {
    seen.prepared.push(...bytes)
    if (verdict !== undefined) throw verdict
  }
  const prepared = new EvaluatorPackages({ prepare }, open)
  t.after(() => prepared.stop())
  return { seen, prepared }
}

describe('the evaluator of a goal', () => {
  it('is fetched once, however many ask for it at once, and whole', async (t) => {
    const { seen, prepared } = packages(t, {})
    const kinds = await Promise.all([1, 2, 3].map(async () => (await prepared.ready(DIGEST)).kind))
    assert.deepEqual(kinds, ['ready', 'ready', 'ready'])
    assert.deepEqual(seen, { opened: 1, closed: 1, prepared: [0, 1, 2, 3] })
    prepared.forget(DIGEST)
    await prepared.ready(DIGEST)
    assert.equal(seen.opened, 2)
  })

  it('is refused without being read where it is larger than any module', async (t) => {
    const { seen, prepared } = packages(t, { size: EVALUATOR_LIMITS.moduleBytes + 1 })
    const { kind, ...rest } = await prepared.ready(DIGEST)
    assert.equal(kind, 'refused')
    assert.match(JSON.stringify(rest), /has 1048577 bytes; at most 1048576 are allowed/)
    assert.deepEqual(seen, { opened: 1, closed: 1, prepared: [] })
  })

  it('is refused for good where the module is, and asked for again where that could be chance', async (t) => {
    const refused = packages(t, { verdict: new ProviderError('PROV_005', 'it imports something') })
    assert.equal((await refused.prepared.ready(DIGEST)).kind, 'refused')
    const crashed = packages(t, { verdict: new Error('its process ended') })
    assert.equal((await crashed.prepared.ready(DIGEST)).kind, 'undetermined')
    const absent = packages(t, { failure: new ProviderError('PROV_002', 'nobody has it') })
    assert.equal((await absent.prepared.ready(DIGEST)).kind, 'undetermined')
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const away = packages(t, { failure: new Error('away') })
    await away.prepared.ready(DIGEST)
    await away.prepared.ready(DIGEST)
    assert.equal(away.seen.opened, 1)
    t.mock.timers.tick(60_000)
    await away.prepared.ready(DIGEST)
    assert.equal(away.seen.opened, 2)
  })
})
