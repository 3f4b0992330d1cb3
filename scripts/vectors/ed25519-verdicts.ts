import { Point, verify } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import { concatBytes, fromHex, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { ed25519FromSeed } from '../../src/kernel/identity/keys.ts'
// Sets the library's hash function.
import '../../src/kernel/identity/verify-pure.ts'
import { namedSeed } from './seeds.ts'

/** One signature and the verdict on it; key, message and signature in hexadecimal. */
export interface VerdictCase {
  readonly about: string
  readonly public_key: string
  readonly message: string
  readonly signature: string
  readonly valid: boolean
}

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const PRIME = 2n ** 255n - 19n
const SIGN_BIT = 2n ** 255n

/** A point of order eight, and so a generator of the torsion group. */
const TORSION = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a')
/** The eight points of the torsion group: multiples 0 to 7 of the generator. */
const TORSION_GROUP = Array.from({ length: 8 }, (_, i) => (i === 0 ? Point.ZERO : TORSION.multiply(BigInt(i), false)))

/** Little-endian. */
const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes.slice().reverse())}`)

/** 32 bytes, little-endian. */
const bytesOf = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, '0')).reverse()

const scalar = (name: string): bigint => numberOf(namedSeed(name)) % ORDER

const SIGNER = scalar('signer')
const NONCE = scalar('nonce')
const MESSAGE = utf8('cytoplex edge case')

/** Edge cases of Ed25519 verification, each with the strict verdict. */
export function ed25519Verdicts(): { about: string; cases: VerdictCase[] } {
  return {
    about:
      'Strict Ed25519 verdicts: S below the group order, A and R canonical (y below 2^255-19, no x of zero with a sign bit), ' +
      'A not of small order, and [8][S]B = [8]R + [8][k]A. All fields are hexadecimal.',
    cases: [
      ...honest(),
      ...smallOrderKeys(),
      ...smallOrderNonces(),
      ...mixedOrders(),
      ...nonCanonical(),
      ...scalarRange(),
      ...flippedBits(),
      ...shapes(),
    ],
  }
}

function honest(): VerdictCase[] {
  return [0, 1, 64, 1000].map((length) => {
    const key = ed25519FromSeed(namedSeed(`honest ${length}`))
    const message = Uint8Array.from({ length }, (_, i) => i % 251)
    return verdict(`honest signature over ${length} bytes`, key.publicKey, message, key.sign(message))
  })
}

function smallOrderKeys(): VerdictCase[] {
  return TORSION_GROUP.flatMap((point, i) => {
    const A = point.toBytes()
    const R = base(NONCE).toBytes()
    return [
      // With a key of small order k·A vanishes behind the cofactor, so S = r satisfies the equation for every message.
      verdict(`key is ${i} times the torsion generator, S = r`, A, MESSAGE, concatBytes([R, bytesOf(NONCE)])),
      verdict(`key and R are ${i} times the torsion generator, S = 0`, A, MESSAGE, concatBytes([A, bytesOf(0n)])),
    ]
  })
}

function smallOrderNonces(): VerdictCase[] {
  const A = base(SIGNER).toBytes()
  return TORSION_GROUP.map((point, i) => {
    const signature = signed(A, SIGNER, point.toBytes(), 0n, MESSAGE)
    return verdict(`R is ${i} times the torsion generator, honest key`, A, MESSAGE, signature)
  })
}

/** Torsion in the key, in R, or in both. Three messages, so that the parts cancel out in some cases and not in others. */
function mixedOrders(): VerdictCase[] {
  const cases: VerdictCase[] = []
  for (const i of [0, 1, 2, 4]) {
    for (const j of [0, 1, 2, 4]) {
      if (i === 0 && j === 0) continue
      const A = base(SIGNER).add(TORSION_GROUP[i]!).toBytes()
      const R = base(NONCE).add(TORSION_GROUP[j]!).toBytes()
      for (const text of ['a', 'b', 'c']) {
        const message = utf8(text)
        const about = `key has ${i} times the torsion generator added, R has ${j} times, message ${text}`
        cases.push(verdict(about, A, message, signed(A, SIGNER, R, NONCE, message)))
      }
    }
  }
  return cases
}

function nonCanonical(): VerdictCase[] {
  const cases: VerdictCase[] = []
  const honestKey = base(SIGNER).toBytes()
  for (let y = 0n; y < 19n; y++) {
    for (const sign of [0n, SIGN_BIT]) {
      const encoded = bytesOf(PRIME + y + sign)
      const name = `y = p + ${y}${sign === 0n ? '' : ', sign bit set'}`
      const R = base(NONCE).toBytes()
      cases.push(verdict(`key with ${name}`, encoded, MESSAGE, signed(encoded, 0n, R, NONCE, MESSAGE)))
      cases.push(verdict(`R with ${name}`, honestKey, MESSAGE, signed(honestKey, SIGNER, encoded, 0n, MESSAGE)))
    }
  }
  for (const y of [1n, PRIME - 1n]) {
    const encoded = bytesOf(y + SIGN_BIT)
    const name = `x = 0 and the sign bit set, y = ${y === 1n ? '1' : 'p - 1'}`
    const R = base(NONCE).toBytes()
    cases.push(verdict(`key with ${name}`, encoded, MESSAGE, signed(encoded, 0n, R, NONCE, MESSAGE)))
    cases.push(verdict(`R with ${name}`, honestKey, MESSAGE, signed(honestKey, SIGNER, encoded, 0n, MESSAGE)))
  }
  return cases
}

function scalarRange(): VerdictCase[] {
  const A = base(SIGNER).toBytes()
  const R = base(NONCE).toBytes()
  const S = scalarOf(A, SIGNER, R, NONCE, MESSAGE)
  const zero = Point.ZERO.toBytes()
  const withS = (value: bigint) => concatBytes([R, bytesOf(value)])
  return [
    verdict('honest S, for comparison', A, MESSAGE, withS(S)),
    verdict('S plus the group order', A, MESSAGE, withS(S + ORDER)),
    verdict('S plus eight times the group order', A, MESSAGE, withS(S + 8n * ORDER)),
    verdict('S with bit 253 set', A, MESSAGE, withS(S | (1n << 253n))),
    verdict('S with bit 255 set', A, MESSAGE, withS(S | (1n << 255n))),
    verdict('S is the group order', A, MESSAGE, withS(ORDER)),
    verdict('S is the group order less one', A, MESSAGE, withS(ORDER - 1n)),
    verdict('S is all ones', A, MESSAGE, concatBytes([R, new Uint8Array(32).fill(0xff)])),
    verdict('R is the identity, S is zero', A, MESSAGE, concatBytes([zero, bytesOf(0n)])),
    verdict('R is the identity, S is the group order', A, MESSAGE, concatBytes([zero, bytesOf(ORDER)])),
  ]
}

function flippedBits(): VerdictCase[] {
  const key = ed25519FromSeed(namedSeed('flipped'))
  const signature = key.sign(MESSAGE)
  const cases: VerdictCase[] = []
  for (const bit of [0, 7, 100, 254, 255]) {
    cases.push(verdict(`bit ${bit} of the key flipped`, flip(key.publicKey, bit), MESSAGE, signature))
    cases.push(verdict(`bit ${bit} of R flipped`, key.publicKey, MESSAGE, flip(signature, bit)))
    cases.push(verdict(`bit ${bit} of S flipped`, key.publicKey, MESSAGE, flip(signature, 256 + bit)))
  }
  cases.push(verdict('first bit of the message flipped', key.publicKey, flip(MESSAGE, 0), signature))
  return cases
}

function shapes(): VerdictCase[] {
  const key = ed25519FromSeed(namedSeed('shapes'))
  const signature = key.sign(MESSAGE)
  const longer = (bytes: Uint8Array) => concatBytes([bytes, Uint8Array.of(0)])
  return [
    verdict('key of 31 bytes', key.publicKey.subarray(0, 31), MESSAGE, signature),
    verdict('key of 33 bytes', longer(key.publicKey), MESSAGE, signature),
    verdict('key of no bytes', new Uint8Array(), MESSAGE, signature),
    verdict('signature of 63 bytes', key.publicKey, MESSAGE, signature.subarray(0, 63)),
    verdict('signature of 65 bytes', key.publicKey, MESSAGE, longer(signature)),
    verdict('signature of no bytes', key.publicKey, MESSAGE, new Uint8Array()),
    verdict('key that is no point', bytesOf(2n), MESSAGE, signature),
    verdict('R that is no point', key.publicKey, MESSAGE, concatBytes([bytesOf(2n), signature.subarray(32)])),
    verdict('signature of zeros', key.publicKey, MESSAGE, new Uint8Array(64)),
  ]
}

function verdict(about: string, key: Uint8Array, message: Uint8Array, signature: Uint8Array): VerdictCase {
  return {
    about,
    public_key: toHex(key),
    message: toHex(message),
    signature: toHex(signature),
    valid: strict(key, message, signature),
  }
}

/** The reference itself, without checks of ours. */
function strict(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== 32 || signature.length !== 64) return false
  return verify(signature, message, key, { zip215: false })
}

/** A signature with the given R; `secret` and `nonce` are the parts of A and R on the base point. */
function signed(A: Uint8Array, secret: bigint, R: Uint8Array, nonce: bigint, message: Uint8Array): Uint8Array {
  return concatBytes([R, bytesOf(scalarOf(A, secret, R, nonce, message))])
}

/** S = r + k·a (RFC 8032 §5.1.6), where k hashes the encodings as they stand. */
function scalarOf(A: Uint8Array, secret: bigint, R: Uint8Array, nonce: bigint, message: Uint8Array): bigint {
  const k = numberOf(sha512(concatBytes([R, A, message]))) % ORDER
  return (nonce + k * secret) % ORDER
}

const base = (factor: bigint): Point => Point.BASE.multiply(factor)

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[bit >> 3] = copy[bit >> 3]! ^ (1 << (bit & 7))
  return copy
}
