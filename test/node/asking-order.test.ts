import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ranked } from '../../src/domain/cells/resolver.ts'
import type { Tier } from '../../src/domain/cells/trust.ts'
import { inAskingOrder } from '../../src/node/flows/asking-order.ts'
import type { Elsewhere } from '../../src/node/flows/field.ts'

const offer = (provider: string, tier: Tier, offered = '1.0.0', version = offered): Ranked<Elsewhere> => ({
  tier,
  candidate: {
    id: `${provider}@${offered}`,
    publisher: 'p',
    cellType: 't',
    version,
    offered,
    status: 'active',
    registered: false,
    provider,
  },
})

const order = (offers: readonly Ranked<Elsewhere>[], places: Record<string, number> = {}, failing: string[] = []) =>
  inAskingOrder(offers, { isFailing: (one) => failing.includes(one), place: (one) => places[one] ?? 1 })

test('without experience, the order is that of what is announced', () => {
  assert.deepEqual(order([offer('c', 1), offer('a', 2), offer('b', 2), offer('a', 3)]), ['c', 'a', 'b'])
})

test('of the same version, who was reached comes first and who was not last', () => {
  const offers = [offer('lost', 2), offer('unknown', 2), offer('reached', 2)]
  assert.deepEqual(order(offers, { lost: 2, reached: 0 }), ['reached', 'unknown', 'lost'])
})

test('neither receipts nor failures cross a tier', () => {
  const offers = [offer('better', 1), offer('worse', 2)]
  assert.deepEqual(order(offers, { better: 2, worse: 0 }, ['better']), ['better', 'worse'])
})

test('receipts do not bring an older version before a newer one, of capability or cell', () => {
  assert.deepEqual(order([offer('new', 2, '2.0.0'), offer('old', 2)], { new: 2, old: 0 }), ['new', 'old'])
  const cells = [offer('new', 2, '1.0.0', '1.1.0'), offer('old', 2, '1.0.0', '1.0.0')]
  assert.deepEqual(order(cells, { new: 2, old: 0 }), ['new', 'old'])
})

test('who failed a moment ago comes last in its tier', () => {
  const offers = [offer('failing', 2, '2.0.0'), offer('old', 2), offer('worse', 3)]
  assert.deepEqual(order(offers, {}, ['failing']), ['old', 'failing', 'worse'])
})
