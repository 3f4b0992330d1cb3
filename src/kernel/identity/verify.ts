import { type KeyObject, verify } from 'node:crypto'
import { isStrictPublicKey, isStrictSignature } from './ed25519-encoding.ts'
import { ed25519PublicKey, mlDsa65PublicKey } from './key-encoding.ts'
import {
  type AsyncSignatureVerifier,
  ML_DSA_65_KEY_BYTES,
  ML_DSA_65_SIGNATURE_BYTES,
  type SignatureVerifier,
  verifyEd25519Pure,
} from './verify-pure.ts'

export type { SignatureVerifier } from './verify-pure.ts'

/**
 * The verdict of {@link verifyEd25519Pure} at native speed (about 15,000 per second). False for malformed input.
 *
 * Why both agree. OpenSSL accepts when S < L, A decodes, and the *bytes* of the encoded point [S]B - [k]A equal R. Those
 * bytes are canonical, so R decodes strictly; the pre-checks refuse the keys that strict decoding and the small-order rule
 * refuse; and an equation that holds without the cofactor holds multiplied by eight. So a native yes behind the pre-checks is
 * a strict yes. The reverse is not so: where A or R has a small-order part, only the cofactored equation may hold. Therefore
 * a native no is not final: the reference decides. An honest signature never takes that path.
 */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!isStrictSignature(signature)) return false
  const key = importedKey(publicKey)
  if (key === undefined) return false
  return verify(null, message, key, signature) || verifyEd25519Pure(publicKey, message, signature)
}

/** The verdict on an ML-DSA-65 signature (FIPS 204, empty context) at native speed. False for malformed input. */
export function verifyMlDsa65(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== ML_DSA_65_KEY_BYTES || signature.length !== ML_DSA_65_SIGNATURE_BYTES) return false
  return verify(null, message, mlDsa65PublicKey(publicKey), signature)
}

/** Verification on Node. */
export const nativeVerifier: SignatureVerifier = { ed25519: verifyEd25519, mlDsa65: verifyMlDsa65 }

/**
 * Verification on Node in the thread pool: the event loop goes on meanwhile. Takes an eighth more processor time than {@link nativeVerifier}, and
 * pays where requests come at the same time.
 */
export const pooledVerifier: AsyncSignatureVerifier = {
  async ed25519(publicKey, message, signature) {
    if (!isStrictSignature(signature)) return false
    const key = importedKey(publicKey)
    if (key === undefined) return false
    return (await verifyInPool(message, key, signature)) || verifyEd25519Pure(publicKey, message, signature)
  },
  async mlDsa65(publicKey, message, signature) {
    if (publicKey.length !== ML_DSA_65_KEY_BYTES || signature.length !== ML_DSA_65_SIGNATURE_BYTES) return false
    return await verifyInPool(message, mlDsa65PublicKey(publicKey), signature)
  },
}

/**
 * The native verdict alone, in the thread pool: whatever it accepts is a strict yes. For who is the only judge of a signature, and would pay the
 * reference's time on the event loop for every wrong one, which grows with the message.
 */
export async function verifyEd25519Natively(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const key = isStrictSignature(signature) ? importedKey(publicKey) : undefined
  return key !== undefined && (await verifyInPool(message, key, signature))
}

const verifyInPool = (message: Uint8Array, key: KeyObject, signature: Uint8Array): Promise<boolean> =>
  new Promise((resolve, reject) => {
    verify(null, message, key, signature, (error, isValid) => (error === null ? resolve(isValid) : reject(error)))
  })

/**
 * Imported keys by their bytes; importing costs a fifth of a verification. Two generations bound the cache without moving an
 * entry at every use: when the young one is full it becomes the old one, and what is not used again is forgotten with it.
 */
const GENERATION = 2048
let young = new Map<string, KeyObject>()
let old = new Map<string, KeyObject>()

/** The key, imported; undefined when it fails the pre-checks. Only keys that passed are in the cache. */
function importedKey(publicKey: Uint8Array): KeyObject | undefined {
  const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength).toString('latin1')
  let key = young.get(name)
  if (key !== undefined) return key
  key = old.get(name)
  if (key === undefined) {
    if (!isStrictPublicKey(publicKey)) return undefined
    key = ed25519PublicKey(publicKey)
  }
  if (young.size >= GENERATION) {
    old = young
    young = new Map()
  }
  young.set(name, key)
  return key
}
