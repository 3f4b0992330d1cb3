import { hashes, verify } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { isStrictPublicKey, isStrictSignature } from './ed25519-encoding.ts'

/**
 * Signature verification in plain JavaScript, for browsers, and as the reference for every verdict elsewhere. Browser-safe.
 */

hashes.sha512 = sha512

/** Verifies signatures. Both methods answer false for malformed input and never throw. */
export interface SignatureVerifier {
  /** Strict RFC 8032 verdict on a raw 32-byte key and a 64-byte signature; low-order and non-canonical keys are refused. */
  ed25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** FIPS 204 verdict, with an empty context, on a raw 1952-byte key and a 3309-byte signature. */
  mlDsa65(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
}

/** Verdicts of a {@link SignatureVerifier} that come later, because they are found beside the event loop. */
export interface AsyncSignatureVerifier {
  ed25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>
  mlDsa65(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>
}

/** Bytes of a raw ML-DSA-65 public key (FIPS 204, table 2). */
export const ML_DSA_65_KEY_BYTES = 1952
/** Bytes of an ML-DSA-65 signature (FIPS 204, table 2). */
export const ML_DSA_65_SIGNATURE_BYTES = 3309

/**
 * The reference verdict on an Ed25519 signature: `@noble/ed25519` with `zip215: false` (canonical S, canonical points, no
 * small-order key, cofactored equation). False for malformed input.
 */
export function verifyEd25519Pure(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  // The library refuses the same; asking first spares the curve arithmetic.
  if (!isStrictPublicKey(publicKey) || !isStrictSignature(signature)) return false
  return verify(signature, message, publicKey, { zip215: false })
}

/** The verdict on an ML-DSA-65 signature (FIPS 204, empty context). False for malformed input. */
export function verifyMlDsa65Pure(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== ML_DSA_65_KEY_BYTES || signature.length !== ML_DSA_65_SIGNATURE_BYTES) return false
  return ml_dsa65.verify(signature, message, publicKey)
}

/** Verification that works wherever JavaScript runs: about 1,000 Ed25519 signatures per second. */
export const pureVerifier: SignatureVerifier = { ed25519: verifyEd25519Pure, mlDsa65: verifyMlDsa65Pure }
