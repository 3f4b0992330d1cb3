import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import { Point, verify as reference } from '@noble/ed25519'
import fc from 'fast-check'
import { toHex, utf8 } from '../../../src/kernel/base/bytes.ts'
import { isStrictPublicKey } from '../../../src/kernel/identity/ed25519-encoding.ts'
import { ed25519FromSeed, mlDsa65FromSeed } from '../../../src/kernel/identity/keys.ts'
import { verifyEd25519, verifyMlDsa65 } from '../../../src/kernel/identity/verify.ts'
import { verifyEd25519Pure, verifyMlDsa65Pure } from '../../../src/kernel/identity/verify-pure.ts'

const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })
const flip = (bytes: Uint8Array, bit: number) => {
  const copy = bytes.slice()
  copy[bit >> 3]! ^= 1 << (bit & 7)
  return copy
}

test('native, pure and the bare reference agree on honest and on damaged signatures', () => {
  const damage = fc.record({ part: fc.constantFrom('none', 'key', 'message', 'signature'), bit: fc.nat(511) })
  fc.assert(
    fc.property(seed, fc.uint8Array({ minLength: 1, maxLength: 300 }), damage, (secret, message, { part, bit }) => {
      const key = ed25519FromSeed(secret)
      const signature = key.sign(message)
      const A = part === 'key' ? flip(key.publicKey, bit % 256) : key.publicKey
      const M = part === 'message' ? flip(message, bit % (message.length * 8)) : message
      const S = part === 'signature' ? flip(signature, bit) : signature
      const expected = reference(S, M, A, { zip215: false })
      assert.equal(expected, part === 'none')
      assert.equal(verifyEd25519(A, M, S), expected)
      assert.equal(verifyEd25519Pure(A, M, S), expected)
    }),
    { numRuns: 150 },
  )
})

test('native and pure agree on random points with torsion, where S is honest for the part on the base point', () => {
  const torsion = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a')
  const message = utf8('torsion')
  fc.assert(
    fc.property(seed, fc.integer({ min: 1, max: 7 }), (secret, multiple) => {
      const key = ed25519FromSeed(secret)
      const A = Point.fromBytes(key.publicKey)
        .add(torsion.multiply(BigInt(multiple), false))
        .toBytes()
      const signature = key.sign(message)
      const expected = reference(signature, message, A, { zip215: false })
      assert.equal(verifyEd25519(A, message, signature), expected)
      assert.equal(verifyEd25519Pure(A, message, signature), expected)
    }),
    { numRuns: 30 },
  )
})

test('the pre-check on keys refuses exactly what strict decoding and the small-order rule refuse of points', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      let point: Point
      try {
        point = Point.fromBytes(bytes)
      } catch {
        return
      }
      assert.equal(isStrictPublicKey(bytes), !point.isSmallOrder())
    }),
  )
  const torsion = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a')
  for (let i = 1n; i <= 8n; i++) assert.ok(!isStrictPublicKey(torsion.multiply(i, false).toBytes()), `multiple ${i}`)
})

test('the key cache stays right beyond its size, for refused keys too', () => {
  const message = utf8('cache')
  const honest = ed25519FromSeed(new Uint8Array(32).fill(9))
  const signature = honest.sign(message)
  const identity = Uint8Array.of(1, ...new Uint8Array(31))
  const checkBoth = () => {
    assert.equal(verifyEd25519(honest.publicKey, message, signature), true)
    assert.equal(verifyEd25519(identity, message, signature), false)
  }
  checkBoth()
  const seed = new Uint8Array(32)
  for (let i = 0; i < 4200; i++) {
    new DataView(seed.buffer).setUint32(0, i)
    const key = ed25519FromSeed(seed)
    assert.equal(verifyEd25519(key.publicKey, message, key.sign(message)), true)
    if (i % 1500 === 0) checkBoth()
  }
  checkBoth()
})

test('malformed input is false and never throws', () => {
  const key = ed25519FromSeed(new Uint8Array(32))
  const signature = key.sign(utf8('x'))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 70 }), (A, S) => {
      for (const verify of [verifyEd25519, verifyEd25519Pure, verifyMlDsa65, verifyMlDsa65Pure]) {
        assert.equal(verify(A, utf8('x'), S), false)
        assert.equal(verify(key.publicKey, utf8('x'), S), false)
        assert.equal(verify(A, utf8('x'), signature), false)
      }
    }),
  )
})

test('ML-DSA-65: native and pure agree', () => {
  const key = mlDsa65FromSeed(new Uint8Array(32).fill(3))
  const message = utf8('quantum')
  const signature = key.sign(message)
  assert.deepEqual([key.publicKey.length, signature.length], [1952, 3309])
  const cases: [Uint8Array, Uint8Array, Uint8Array, boolean][] = [
    [key.publicKey, message, signature, true],
    [key.publicKey, utf8('other'), signature, false],
    [mlDsa65FromSeed(new Uint8Array(32).fill(4)).publicKey, message, signature, false],
    [key.publicKey.subarray(1), message, signature, false],
    [key.publicKey, message, signature.subarray(1), false],
    [new Uint8Array(1952), message, signature, false],
    [new Uint8Array(1952).fill(255), message, signature, false],
    [key.publicKey, message, new Uint8Array(3309), false],
    [key.publicKey, message, new Uint8Array(3309).fill(255), false],
  ]
  // Bits of the commitment hash, of z, and of the hint's indices and counts.
  for (const bit of [0, 383, 5000, 20000, 25984, 25990, 26400, 26471]) {
    cases.push([key.publicKey, message, flip(signature, bit), false])
  }
  for (const [A, M, S, expected] of cases) {
    assert.equal(verifyMlDsa65(A, M, S), expected)
    assert.equal(verifyMlDsa65Pure(A, M, S), expected)
  }
})

test('ML-DSA-65: the raw key is the end of its SubjectPublicKeyInfo', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ml-dsa-65')
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const message = utf8('spki')
  assert.equal(toHex(spki.subarray(0, 22)), '308207b2300b0609608648016503040312038207a100')
  assert.ok(verifyMlDsa65(spki.subarray(22), message, sign(null, message, privateKey)))
})
