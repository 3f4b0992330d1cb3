import { fromHex, toHex } from '../base/bytes.ts'

/**
 * What strict verification demands of Ed25519 bytes before any curve arithmetic (RFC 8032 §5.1.3 and §5.1.7, and the refusal
 * of small-order keys). Browser-safe.
 */

/** Bytes of an Ed25519 public key, and of a seed. */
export const ED25519_KEY_BYTES = 32
/** Bytes of an Ed25519 signature: R, then S. */
const ED25519_SIGNATURE_BYTES = 64

/** 2^255 - 19, little-endian. */
const FIELD_PRIME = fromHex(`ed${'ff'.repeat(30)}7f`)
/** Order of the base point, little-endian. */
const GROUP_ORDER = fromHex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')

/** The eight canonical encodings of points of order 1, 2, 4 and 8, without their sign bits. */
const SMALL_ORDER = new Set([
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
])

/**
 * True when `publicKey` is 32 bytes, its y is below the field prime, and the point is not of small order. With a key of small
 * order one signature would stand for every message. (An x of zero with the sign bit set occurs only at orders 1 and 2.)
 * Whether the bytes are a point at all is left to the verification.
 */
export function isStrictPublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== ED25519_KEY_BYTES) return false
  const y = withoutSign(publicKey)
  return isBelow(y, FIELD_PRIME) && !SMALL_ORDER.has(toHex(y))
}

/** True when `signature` is 64 bytes and its S is below the group order. */
export function isStrictSignature(signature: Uint8Array): boolean {
  return signature.length === ED25519_SIGNATURE_BYTES && isBelow(signature.subarray(32), GROUP_ORDER)
}

function withoutSign(point: Uint8Array): Uint8Array {
  const y = point.slice()
  y[31] = y[31]! & 0x7f
  return y
}

/** Compares little-endian numbers of one length. */
function isBelow(value: Uint8Array, bound: Uint8Array): boolean {
  for (let i = bound.length - 1; i >= 0; i--) {
    if (value[i] !== bound[i]) return value[i]! < bound[i]!
  }
  return false
}
