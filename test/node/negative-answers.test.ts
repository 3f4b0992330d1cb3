import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Coverage } from '../../protocol/cells.ts'
import type { RequestOutcome } from '../../src/node/api.ts'
import { NegativeAnswers } from '../../src/node/flows/negative-answers.ts'

const name = { by: 'capability', name: 'parse' } as const

const notFound = (
  code: 'PROV_002' | 'PROV_003',
  dht: Coverage['sources'][number]['outcome'] = 'answered',
  peers: Coverage['peers'] = [],
): RequestOutcome & { status: 'not_found' } => ({
  status: 'not_found',
  code,
  alternatives: [],
  coverage: { sources: [{ source: 'dht', outcome: dht, candidates: 0 }], peers, oldest_answer_ms: 0 },
})

test('that nobody offers a name is remembered for two seconds', () => {
  let now = 0
  const negatives = new NegativeAnswers(() => now)
  const outcome = notFound('PROV_003', 'answered', [{ provider_id: 'a', outcome: 'not_found' }])
  negatives.add(name, outcome)
  assert.equal(negatives.get(name), outcome)
  assert.equal(negatives.get({ ...name, by: 'cell_type' }), undefined)
  now = 1999
  assert.equal(negatives.get(name), outcome)
  now = 2000
  assert.equal(negatives.get(name), undefined)
})

test('what is not the answer of everybody is not remembered', () => {
  const negatives = new NegativeAnswers(() => 0)
  const outcomes: RequestOutcome[] = [
    notFound('PROV_002'),
    notFound('PROV_003', 'timed_out'),
    notFound('PROV_003', 'failed'),
    notFound('PROV_003', 'answered', [{ provider_id: 'a', outcome: 'unreachable' }]),
    { status: 'pending', estimatedWaitMs: 1 },
  ]
  for (const outcome of outcomes) {
    negatives.add(name, outcome)
    assert.equal(negatives.get(name), undefined)
  }
})
