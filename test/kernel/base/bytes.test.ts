import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromBase64Url, fromHex, toBase64Url, toHex, utf8 } from '../../../src/kernel/base/bytes.ts'

const bytes = fc.uint8Array({ maxLength: 200 })

test('hexadecimal and base64url agree with the platform and come back', () => {
  fc.assert(
    fc.property(bytes, (value) => {
      const buffer = Buffer.from(value)
      assert.equal(toHex(value), buffer.toString('hex'))
      assert.equal(toBase64Url(value), buffer.toString('base64url'))
      assert.deepEqual([...fromHex(toHex(value))], [...value])
      assert.deepEqual([...fromBase64Url(toBase64Url(value))], [...value])
    }),
  )
})

test('UTF-8', () => {
  assert.deepEqual([...utf8('ö€\u{1f600}')], [...Buffer.from('ö€\u{1f600}')])
})

test('hexadecimal is read in either case, and nothing else is', () => {
  assert.deepEqual([...fromHex('0aFf')], [10, 255])
  for (const wrong of ['0', '0g', 'abc', ' 00', '0x00']) assert.throws(() => fromHex(wrong), `accepted ${wrong}`)
})

test('base64url has one spelling', () => {
  // The last character of 'AB' carries bits that no byte uses.
  for (const wrong of ['AA==', 'AB', 'A', 'A+/A', 'AA\n', ' AAA', 'AAAA=', 'é']) {
    assert.throws(() => fromBase64Url(wrong), TypeError, `accepted ${JSON.stringify(wrong)}`)
  }
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), (text) => {
      let decoded: Uint8Array
      try {
        decoded = fromBase64Url(text)
      } catch {
        return
      }
      assert.equal(toBase64Url(decoded), text)
    }),
  )
})
