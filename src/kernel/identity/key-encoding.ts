import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { concatBytes, fromHex } from '../base/bytes.ts'

/** Raw keys as `node:crypto` wants them: fixed DER headers, followed by the raw bytes. */

/** SubjectPublicKeyInfo up to the key (RFC 8410). */
const ED25519_SPKI = fromHex('302a300506032b6570032100')
/** PKCS #8 up to the seed (RFC 8410). */
const ED25519_PKCS8 = fromHex('302e020100300506032b657004220420')
/** The same for X25519 (RFC 8410). */
const X25519_SPKI = fromHex('302a300506032b656e032100')
const X25519_PKCS8 = fromHex('302e020100300506032b656e04220420')
/** SubjectPublicKeyInfo up to the key (RFC 9881). */
const ML_DSA_65_SPKI = fromHex('308207b2300b0609608648016503040312038207a100')
/** PKCS #8 up to the seed, in the form that holds the seed alone (RFC 9881). */
const ML_DSA_65_PKCS8 = fromHex('3034020100300b060960864801650304031204228020')

const importPublic = (header: Uint8Array, raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.from(concatBytes([header, raw])), format: 'der', type: 'spki' })

const importPrivate = (header: Uint8Array, seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.from(concatBytes([header, seed])), format: 'der', type: 'pkcs8' })

/** Imports 32 raw bytes. Whether they are a point shows at verification. */
export const ed25519PublicKey = (raw: Uint8Array): KeyObject => importPublic(ED25519_SPKI, raw)
/** Imports 32 raw bytes. */
export const x25519PublicKey = (raw: Uint8Array): KeyObject => importPublic(X25519_SPKI, raw)
/** Imports 1952 raw bytes. */
export const mlDsa65PublicKey = (raw: Uint8Array): KeyObject => importPublic(ML_DSA_65_SPKI, raw)
/** Derives a private key from its 32-byte seed. */
export const ed25519PrivateKey = (seed: Uint8Array): KeyObject => importPrivate(ED25519_PKCS8, seed)
/** Imports 32 raw bytes (RFC 7748 §5 clamps them). */
export const x25519PrivateKey = (raw: Uint8Array): KeyObject => importPrivate(X25519_PKCS8, raw)
/** Derives a private key from its 32-byte seed. */
export const mlDsa65PrivateKey = (seed: Uint8Array): KeyObject => importPrivate(ML_DSA_65_PKCS8, seed)

/** The raw public key of `key`, public or private: the end of its SubjectPublicKeyInfo. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  const header = key.asymmetricKeyType === 'ml-dsa-65' ? ML_DSA_65_SPKI : ED25519_SPKI
  const publicKey = key.type === 'public' ? key : createPublicKey(key)
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(header.length))
}
