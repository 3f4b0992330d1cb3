import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson } from '../../../src/kernel/base/canonical-json.ts'
import { parseStrictJson } from '../../../src/kernel/base/strict-json.ts'

const json = fc.jsonValue({ maxDepth: 6, stringUnit: 'grapheme' })
/** Without the one key that is refused, which the generator likes to write. */
const readable = json.filter((value) => !JSON.stringify(value).includes('__proto__'))

test('parsing the canonical form gives the value back', () => {
  fc.assert(
    fc.property(readable, (value) => {
      assert.deepEqual(parseStrictJson(canonicalJson(value)), JSON.parse(JSON.stringify(value)))
    }),
  )
})

test('the canonical form does not depend on the order of properties, and is its own', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), json), (object) => {
      const text = canonicalJson(object)
      assert.equal(canonicalJson(Object.fromEntries(Object.entries(object).reverse())), text)
      assert.equal(canonicalJson(JSON.parse(text)), text)
    }),
  )
})

test('properties are ordered by UTF-16 code units', () => {
  // The surrogates of U+1F600 come before U+FB33 as code units, and after it as code points.
  assert.equal(
    canonicalJson({ '\ufb33': 1, '\u{1f600}': 2, a: 3, 10: 4, 9: 5 }),
    '{"10":4,"9":5,"a":3,"😀":2,"\ufb33":1}',
  )
})

test('numbers and escapes', () => {
  assert.equal(canonicalJson([-0, 1e21, 1e-7, 0.1, 1.0]), '[0,1e+21,1e-7,0.1,1]')
  assert.equal(canonicalJson('\u0000\b\t\n\f\r"\\/\u007f\u2028'), '"\\u0000\\b\\t\\n\\f\\r\\"\\\\/\u007f\u2028"')
})

test('undefined properties are left out, as is usual; undefined items are refused', () => {
  assert.equal(canonicalJson({ b: undefined, a: 1, c: undefined }), '{"a":1}')
  assert.equal(canonicalJson({ a: undefined }), '{}')
  assert.throws(() => canonicalJson([undefined]), TypeError)
})

test('a property named __proto__ is a property', () => {
  assert.equal(canonicalJson(JSON.parse('{"__proto__":{"a":1},"b":2}')), '{"__proto__":{"a":1},"b":2}')
})

test('what has no canonical form is refused', () => {
  const wrong = [NaN, Infinity, -Infinity, 1n, () => 1, Symbol('x'), undefined, '\ud800', { '\udc00': 1 }, ['\ud800x']]
  for (const value of wrong) assert.throws(() => canonicalJson(value), TypeError)
})
