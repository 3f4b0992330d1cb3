import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bindConstraint, readConstraint, readOrder } from '../../../src/domain/assurance/constraint.ts'
import { ConstraintBook } from '../../../src/domain/assurance/constraint-book.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { NETWORK, openCells, TestClock } from '../../support/cells.ts'
import { type ConstraintTerms, signedConstraint } from '../../support/constraints.ts'

const LENGTH: ConstraintTerms = { kind: 'maximum_length', parameters: { characters: 100 } }
const pattern = (text: string): ConstraintTerms => ({
  kind: 'forbidden_pattern',
  parameters: { pattern: text, target: 'query' },
})
const read = (json: unknown) => readConstraint(json, NETWORK, nativeVerifier)
const refused = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ProviderError)
  assert.equal(error.code, code)
  assert.match(error.message, message)
  return true
}

describe('a constraint is refused', () => {
  for (const [name, json, message] of [
    [
      'of a kind that there is not',
      { ...signedConstraint('a', LENGTH), kind: 'magic' },
      /allowed are json_schema, .*allowed_sources/,
    ],
    [
      'with parameters of another kind',
      { ...signedConstraint('a', LENGTH), parameters: { pattern: 'x' } },
      /characters/,
    ],
    ['with a field that nobody knows', { ...signedConstraint('a', LENGTH), more: 1 }, /more/],
    ['with an expression that is none', signedConstraint('a', pattern('(')), /pattern/],
    ['with a reference back, which RE2 has not', signedConstraint('a', pattern('(a)\\1')), /pattern/],
    [
      'with an expression that is a large program',
      signedConstraint('a', pattern('((a{0,9}){0,9}){0,9}')),
      /instructions/,
    ],
    [
      'with a schema with expressions',
      signedConstraint('a', { kind: 'json_schema', parameters: { schema: { pattern: '(a+)+$' } } }),
      /cannot use/,
    ],
    [
      'with a schema that refers to others',
      signedConstraint('a', { kind: 'json_schema', parameters: { schema: { $ref: '#' } } }),
      /cannot use/,
    ],
    [
      'that is too large',
      signedConstraint('a', { kind: 'json_schema', parameters: { schema: { const: 'x'.repeat(20_000) } } }),
      /bytes/,
    ],
    ['that is no object', null, /object/],
  ] as [string, unknown, RegExp][]) {
    test(name, () => assert.throws(() => read(json), refused('PROV_001', message)))
  }

  test('when it was changed after it was signed, or is signed for another network', () => {
    const signed = signedConstraint('a', LENGTH)
    assert.doesNotThrow(() => read(signed))
    for (const change of [
      { version: 2 },
      { constraint_id: 'b' },
      { parameters: { characters: 101 } },
      { description: 'x' },
      { public_key: 'A'.repeat(43) },
      { signature: '' },
    ])
      assert.throws(() => read({ ...signed, ...change }), ProviderError)
    assert.throws(() => readConstraint(signed, 'other', nativeVerifier), refused('PROV_005', /not signed/))
  })
})

test('an expression that takes other engines forever takes this one no time, however it is written', () => {
  const text = `${'a'.repeat(16_000)}!`
  for (const bad of ['(a+)+$', '(a|aa)+$', '(a*)*b', '(.*)(.*)(.*)(.*)(.*)x', '^(([a-z])+.)+[A-Z]([a-z])+$']) {
    const bound = bindConstraint(signedConstraint('a', pattern(bad)))
    const before = process.cpuUsage().user
    bound.question({ query: text, jurisdiction: undefined })
    // A backtracking engine would need longer than the universe is old.
    assert.ok(process.cpuUsage().user - before < 5_000_000, bad)
  }
})

test('the body of an order says who a constraint is for', () => {
  assert.deepEqual(readOrder({ constraint: 1, operator_id: 'me' }), { constraint: 1, operatorId: 'me' })
  for (const body of [null, {}, { constraint: 1, operator_id: '' }, { constraint: 1, more: 1 }])
    assert.throws(() => readOrder(body), refused('PROV_001', /body/))
})

test('a book keeps the newest version, across restarts, and says what was done', async (t) => {
  const { store } = await openCells(t)
  const parts = { store, clock: new TestClock(), network: NETWORK, verifier: nativeVerifier }
  const book = new ConstraintBook(parts)
  const told: object[] = []
  const witness = (_: unknown, details: object): void => void told.push(details)
  await book.add(signedConstraint('short', LENGTH, 2), { by: 'admin' }, witness)
  for (const version of [1, 2]) {
    await assert.rejects(
      book.add(signedConstraint('short', LENGTH, version), { by: 'admin' }, witness),
      (error) => error instanceof ProviderError && error.status === 409,
    )
  }
  await book.add(signedConstraint('short', LENGTH, 3), { by: 'admin' }, witness)
  await book.add(signedConstraint('short', LENGTH), { operatorId: 'me', by: 'admin' }, witness)
  const again = new ConstraintBook(parts)
  await again.load()
  assert.deepEqual(again.list(), book.list())
  assert.equal(again.list('me').length, 1)
  assert.equal(again.find('me', 'short')?.version, 1)
  assert.equal(again.find('you', 'short')?.version, 3)
  assert.equal(again.find('you', 'long'), undefined)
  await again.remove('short', 'me', witness)
  assert.equal(again.find('me', 'short')?.version, 3)
  assert.equal(told.length, 4)
  await assert.rejects(
    again.remove('short', 'me', witness),
    (error) => error instanceof ProviderError && error.status === 404,
  )
})
