import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ContributionPack } from '../../../protocol/contribution.ts'
import { brokenBound, fulfilsSchema, schemaProblem } from '../../../src/domain/goals/invariants.ts'
import { meanMetrics, scoreOf } from '../../../src/domain/goals/score.ts'
import { toBase64Url } from '../../../src/kernel/base/bytes.ts'

const pack = (change: Partial<ContributionPack> = {}): ContributionPack => ({
  version: '1.0',
  parameters: toBase64Url(new Uint8Array(10)),
  ...change,
})

describe("a goal's schema", () => {
  it('sees version, number of parameter bytes and metadata, and nothing else', () => {
    const schema = {
      type: 'object',
      properties: {
        version: { const: '1.0' },
        parameters_bytes: { type: 'integer', maximum: 10 },
        metadata: { type: 'object', required: ['strategy'], additionalProperties: { maxLength: 5 } },
      },
      additionalProperties: false,
    }
    assert.equal(schemaProblem(schema), undefined)
    const fulfils = (change: Partial<ContributionPack>) => fulfilsSchema({ invariants: { schema } }, pack(change))
    assert.equal(fulfils({ metadata: { strategy: 'hold' } }), true)
    assert.equal(fulfils({ metadata: { strategy: 'hold' }, proofs: { seal: 'AAAA' } }), true)
    assert.equal(fulfils({}), false)
    assert.equal(fulfils({ metadata: { strategy: 'momentum' } }), false)
    assert.equal(fulfils({ metadata: { strategy: 'hold' }, version: '2.0' }), false)
    const parameters = toBase64Url(new Uint8Array(11))
    assert.equal(fulfils({ metadata: { strategy: 'hold' }, parameters }), false)
  })

  it('may combine schemas, and then every keyword counts', () => {
    // As text, because a schema may have the keyword `then`.
    const schema = JSON.parse(`{
      "if": { "properties": { "version": { "enum": ["1.0", "1.1"] } } },
      "then": { "properties": { "parameters_bytes": { "exclusiveMaximum": 11 } } },
      "else": { "not": { "properties": { "parameters_bytes": { "maximum": 20 } } } },
      "propertyNames": { "minLength": 2 },
      "anyOf": [{ "minProperties": 3 }, { "type": ["array", "null"] }]
    }`)
    assert.equal(schemaProblem(schema), undefined)
    assert.equal(fulfilsSchema({ invariants: { schema } }, pack()), true)
    assert.equal(fulfilsSchema({ invariants: { schema } }, pack({ version: '2.0' })), false)
    assert.equal(fulfilsSchema({ invariants: {} }, pack()), true)
  })

  it('uses no references, regular expressions, formats or unknown keywords', () => {
    for (const keyword of ['$ref', '$dynamicRef', 'pattern', 'patternProperties', 'format', 'multipleOf', 'x-mine']) {
      assert.match(schemaProblem({ properties: { a: { [keyword]: 'b' } } }) ?? '', /cannot use/, keyword)
    }
    assert.match(schemaProblem({ type: 'text' }) ?? '', /not allowed/)
    assert.match(schemaProblem({ not: 'this' }) ?? '', /no schema/)
    assert.match(schemaProblem({ properties: [] }) ?? '', /object of schemas/)
  })
})

describe('bounds', () => {
  it('are inclusive, and one that is broken is named', () => {
    const invariants = {
      bounds: [
        { of: 'risk' as const, min: 0, max: 1 },
        { of: 'score' as const, min: 5 },
      ],
    }
    const result = { reward: 9, risk: 1, complexity: 0, score: 5 }
    assert.equal(brokenBound({ invariants }, result), undefined)
    assert.match(brokenBound({ invariants }, { ...result, risk: 1.5 }) ?? '', /risk is 1.5.*at least 0 and at most 1/)
    assert.match(brokenBound({ invariants }, { ...result, score: 4 }) ?? '', /score is 4.*at least 5/)
  })
})

describe('a score', () => {
  it('is the weighted sum of the means over the seeds', () => {
    const metrics = meanMetrics([
      { reward: 1, risk: 0.1, complexity: 0.4 },
      { reward: 1.4, risk: 0.1, complexity: 0.4 },
    ])
    assert.deepEqual(metrics, { reward: 1.2, risk: 0.1, complexity: 0.4 })
    assert.equal(scoreOf({ weights: { reward: 1, risk: -0.5, complexity: -0.01 } }, metrics!), 1.146)
  })

  it('is never minus zero, and there is none that is not finite', () => {
    const weights = { reward: 1, risk: 1, complexity: 1 }
    const zero = meanMetrics([{ reward: -0, risk: -0, complexity: -0 }])
    assert.deepEqual(
      Object.values(zero!).map((value) => Object.is(value, 0)),
      [true, true, true],
    )
    assert.ok(Object.is(scoreOf({ weights: { reward: -1, risk: -1, complexity: -1 } }, zero!), 0))
    assert.equal(
      meanMetrics([
        { reward: Number.MAX_VALUE, risk: 0, complexity: 0 },
        { reward: Number.MAX_VALUE, risk: 0, complexity: 0 },
      ]),
      undefined,
    )
    assert.equal(scoreOf({ weights }, { reward: Number.MAX_VALUE, risk: Number.MAX_VALUE, complexity: 0 }), undefined)
  })
})
