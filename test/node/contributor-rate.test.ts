import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import { contributionOf, FakeEvaluator, newContributor, packOf, submissionOf, termsOf } from '../support/goals.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeInProcess, registerBytes } from '../support/node-pairs.ts'

const PER_MINUTE = 60

it('contributions of one contributor that come somewhat too fast wait, and none of them is refused', async (t) => {
  const settings = { 'goals.contributions_per_minute': String(PER_MINUTE) }
  const { node } = await nodeInProcess(t, { evaluator: new FakeEvaluator(), settings })
  const { manifest } = await registerBytes(node, await readFile(SMALL_MODULE), {
    metadata: { cell_type: 'evaluator', version: '1.0.0', capabilities: [{ name: 'evaluate', version: '1.0.0' }] },
  })
  const evaluator = { digest: manifest.package.digest, fuel: 1000, memory_pages: 1 }
  const { digest } = await node.goals.create(termsOf({ evaluator }), 'admin')
  const answered: string[] = []
  const submit = async (who: string, key = newContributor(), name = ''): Promise<void> => {
    const record = contributionOf(digest, packOf({ reward: 1 }, name), key)
    const { accepted, reason } = await node.goals.contribute(submissionOf('my-goal', record))
    assert.equal(accepted, true, reason)
    answered.push(who)
  }
  const busy = newContributor()
  // As many as may come at once are answered, then two that have to wait a second each.
  const all = Array.from({ length: PER_MINUTE + 2 }, (_, i) => submit('busy', busy, String(i)))
  await Promise.race(all)
  await submit('other', newContributor(), 'other')
  assert.ok(answered.length < all.length + 1, 'somebody waits still')
  await Promise.all(all)
  assert.deepEqual([answered.length, answered.at(-1)], [all.length + 1, 'busy'])
})
