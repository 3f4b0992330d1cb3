import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Characteristics } from '../../../src/kernel/plugins/packages/rankers.ts'
import { rankers } from '../../../src/kernel/plugins/packages/rankers.ts'
import { rankerSuite } from '../../../src/kernel/plugins/suites/rankers.ts'
import { isolatedRegistry } from '../../../src/providers/built-in.ts'

const registry = isolatedRegistry()
const create = (name: string) => registry.createProvider(rankers, name)

for (const name of registry.listProviders('rankers')) {
  describe(`the ranker ${name}`, () => rankerSuite({ test: it, factory: () => create(name) }))
}

describe('the rankers that come with the node', () => {
  const small: Characteristics = { size: 1, memory: 900, compileMs: 90 }
  const lean: Characteristics = { size: 100, memory: 5, compileMs: 50 }
  const quick: Characteristics = { size: 50, memory: 500, compileMs: 1 }
  const boaster: Characteristics = { declaredMemoryMb: 0, declaredStartupMs: 0 }
  const silent: Characteristics = {}
  const order = async (name: string) => {
    const ranker = await create(name)
    return [silent, boaster, small, lean, quick].sort(ranker.compare)
  }

  it('prefer what was measured, then what was declared', async () => {
    assert.deepEqual(await order('memory'), [lean, quick, small, boaster, silent])
    assert.deepEqual(await order('speed'), [quick, lean, small, boaster, silent])
  })

  it('prefer the smaller package on a battery', async () => {
    assert.deepEqual(await order('battery'), [small, quick, lean, silent, boaster])
  })

  it('prefer nothing without a priority', async () => {
    assert.deepEqual(await order('default'), [silent, boaster, small, lean, quick])
  })
})
