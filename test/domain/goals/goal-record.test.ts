import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../../protocol/limits.ts'
import { readGoal, signGoal } from '../../../src/domain/goals/goal-record.ts'
import { canonicalJson } from '../../../src/kernel/base/canonical-json.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { NETWORK } from '../../support/cells.ts'
import { goalOf, newContributor, termsOf } from '../../support/goals.ts'

const refused = (reason: RegExp) => (error: unknown) =>
  error instanceof ProviderError && error.code === 'PROV_001' && reason.test(error.message)

describe('a goal', () => {
  it('is read as it was signed, and under no other network', () => {
    const { goal } = goalOf()
    assert.deepEqual(readGoal(canonicalJson(goal), NETWORK, nativeVerifier), goal)
    assert.throws(() => readGoal(canonicalJson(goal), 'other', nativeVerifier), refused(/not signed/))
  })

  it('is refused changed, in another spelling, unreadable or too large', () => {
    const { goal } = goalOf()
    const changed = canonicalJson({ ...goal, capacity: goal.capacity + 1 })
    assert.throws(() => readGoal(changed, NETWORK, nativeVerifier), refused(/not signed/))
    assert.throws(() => readGoal(JSON.stringify({ ...goal }, null, 1), NETWORK, nativeVerifier), refused(/RFC 8785/))
    assert.throws(() => readGoal('{', NETWORK, nativeVerifier), refused(/JSON/))
    assert.throws(() => readGoal(canonicalJson({ ...goal, more: 1 }), NETWORK, nativeVerifier), refused(/more/))
    assert.throws(() => readGoal('x'.repeat(LIMITS.goalBytes + 1), NETWORK, nativeVerifier), refused(/at most/))
  })

  it('with terms that mean nothing is not signed', () => {
    const sign = (change: Parameters<typeof termsOf>[0]) => () =>
      signGoal(newContributor(), NETWORK, termsOf(change), Date.now())
    assert.throws(sign({ goal_id: 'ab'.repeat(32) }), refused(/looks like a digest/))
    assert.throws(sign({ goal_id: 'checkpoint' }), refused(/goal_id/))
    assert.throws(sign({ capacity: 0 }), refused(/capacity/))
    assert.throws(sign({ invariants: { bounds: [{ of: 'risk', min: 2, max: 1 }] } }), refused(/allow no risk/))
    assert.throws(sign({ invariants: { schema: { $ref: '#' } } }), refused(/\$ref is a keyword that goals cannot use/))
    assert.throws(sign({ invariants: { schema: { pattern: '(a+)+$' } } }), refused(/pattern/))
    assert.throws(sign({ invariants: { schema: { properties: { version: { minimum: 'one' } } } } }), refused(/minimum/))
    assert.throws(sign({ invariants: { schema: { allOf: [] } } }), refused(/list of schemas/))
    const long = { description: 'x'.repeat(LIMITS.goalSchemaBytes) }
    assert.throws(sign({ invariants: { schema: long } }), refused(/bytes/))
  })
})
