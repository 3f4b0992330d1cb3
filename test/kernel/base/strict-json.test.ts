import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LIMITS } from '../../../protocol/limits.ts'
import { utf8 } from '../../../src/kernel/base/bytes.ts'
import { parseStrictJson, StrictJsonError } from '../../../src/kernel/base/strict-json.ts'

const refuses = (input: Uint8Array | string, message: RegExp) =>
  assert.throws(
    () => parseStrictJson(input),
    (error) => error instanceof StrictJsonError && message.test(error.message),
    `accepted ${String(input).slice(0, 60)}`,
  )

/** Without the one key that is refused, which the generator likes to write. */
const readable = fc
  .jsonValue({ maxDepth: 6, stringUnit: 'grapheme' })
  .filter((value) => !JSON.stringify(value).includes('__proto__'))

test('whatever JSON.stringify writes is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(readable, fc.nat(3), (value, indent) => {
      const text = JSON.stringify(value, null, indent)
      assert.deepEqual(parseStrictJson(text), JSON.parse(text))
      assert.deepEqual(parseStrictJson(utf8(text)), JSON.parse(text))
    }),
  )
})

test('the same key twice is refused, however it is spelled and wherever it stands', () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"a":2}',
    '{"x":{"y":[{"k":1,"b":2,"k":3}]}}',
    '{"":1,"":2}',
    '{"a\\"":1,"a\\u0022":2}',
    '{"1":1,"1":2}',
    '[{"a":1},{"a":1,"a":2}]',
  ]) {
    refuses(text, /same key twice/)
  }
})

test('colons, quotes and brackets inside strings count for nothing', () => {
  const value = { 'a:b': '::{"x":1}', 'c\\': '[[[["', d: '\\"', 'e"': ':' }
  assert.deepEqual(parseStrictJson(JSON.stringify(value)), value)
  assert.deepEqual(parseStrictJson(JSON.stringify('['.repeat(1000))), '['.repeat(1000))
})

test('equal keys of different objects are fine', () => {
  assert.deepEqual(parseStrictJson('[{"a":{"a":1}},{"a":2}]'), [{ a: { a: 1 } }, { a: 2 }])
})

test('the key __proto__ is refused, however it is spelled and wherever it stands', () => {
  for (const text of [
    '{"__proto__":{"polluted":true},"constructor":1}',
    '{"\\u005f_proto__":null}',
    '[{"a":{"__proto__":[]}}]',
  ]) {
    refuses(text, /__proto__/)
  }
  assert.ok(!('polluted' in {}))
  const value = { constructor: 1, prototype: 2, proto: '__proto__' }
  assert.deepEqual(parseStrictJson(JSON.stringify(value)), value)
})

test('depth is bounded before anything is built', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
  parseStrictJson(nested(LIMITS.jsonDepth))
  refuses(nested(LIMITS.jsonDepth + 1), /nested deeper than/)
  refuses('['.repeat(100_000), /nested deeper than/)
  refuses('{"a":'.repeat(100_000), /nested deeper than/)
  // Width is not depth.
  assert.equal((parseStrictJson(`[${'[],'.repeat(1000)}[]]`) as unknown[]).length, 1001)
})

test('bytes that are not UTF-8 are refused', () => {
  for (const wrong of [
    [0xff],
    [0xc3, 0x28],
    [0xed, 0xa0, 0x80],
    [0xc0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xe2, 0x82],
  ]) {
    refuses(Uint8Array.of(0x22, ...wrong, 0x22), /not UTF-8/)
  }
})

test('a byte order mark is refused', () => {
  refuses(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31), /not JSON/)
  refuses('\ufeff1', /not JSON/)
  refuses(Uint8Array.of(0xff, 0xfe, 0x31, 0x00), /not UTF-8/)
})

test('lone surrogates are refused in values and in keys', () => {
  for (const text of ['"\\ud800"', '["\\udc00\\ud800"]', '{"a":"x\\uDBFF"}', '"\ud800"'])
    refuses(text, /a string contains/)
  refuses('{"\\ud800":1}', /a key contains/)
  assert.equal(parseStrictJson('"\\ud83d\\ude00"'), '\u{1f600}')
})

test('numbers outside IEEE 754 are refused', () => {
  for (const text of ['1e400', '-1e400', '[1,{"a":1e999}]']) refuses(text, /IEEE 754/)
  assert.equal(parseStrictJson('1e308'), 1e308)
})

test('what JSON does not know is refused', () => {
  for (const text of [
    '',
    ' ',
    '{',
    '[1,]',
    "{'a':1}",
    '{a:1}',
    '01',
    '1.',
    'NaN',
    '"\t"',
    '1 2',
    '// x\n1',
    '"',
    '"\\',
    ']',
    '}',
  ]) {
    refuses(text, /not JSON/)
  }
})

test('any text gives a value or a StrictJsonError, and never two meanings', () => {
  const scraps = fc.constantFrom('{', '}', '[', ']', ':', ',', '"', '\\', 'a', '1', 'e', '-', '\\u0061', 'true', 'null')
  fc.assert(
    fc.property(fc.array(scraps, { maxLength: 24 }), (parts) => {
      const text = parts.join('')
      let value: unknown
      try {
        value = parseStrictJson(text)
      } catch (error) {
        assert.ok(error instanceof StrictJsonError)
        return
      }
      assert.deepEqual(value, JSON.parse(text))
    }),
    { numRuns: 2000 },
  )
})
