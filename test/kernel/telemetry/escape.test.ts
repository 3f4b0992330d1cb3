import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { escapeControls } from '../../../src/kernel/telemetry/escape.ts'

test('what a terminal acts upon is escaped', () => {
  const cases: [string, string][] = [
    ['\u001b[31mred', '\\u001b[31mred'],
    ['a\r\nb\tc', 'a\\u000d\\u000ab\\u0009c'],
    ['\u009b2J', '\\u009b2J'],
    ['x\u202egpj.exe', 'x\\u202egpj.exe'],
    ['\u2066a\u2069', '\\u2066a\\u2069'],
    ['\u2028\u2029', '\\u2028\\u2029'],
    ['\ufeff', '\\ufeff'],
    ['\ud800', '\\ud800'],
    ['\u{e0041}', '\\udb40\\udc41'],
  ]
  for (const [text, expected] of cases) assert.equal(escapeControls(text), expected)
})

test('readable text stays as it is', () => {
  for (const text of ['plain', 'Überprüfung', '日本語', '👩‍🚀', 'می‌خواهم', 'C:\\temp']) {
    assert.equal(escapeControls(text), text)
  }
})

test('JSON stays the same value', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.equal(JSON.parse(escapeControls(JSON.stringify(text))), text)
    }),
  )
})
