import { type KeyObject, randomBytes, sign } from 'node:crypto'
import type { SignatureContext } from '../../../protocol/contexts.ts'
import { toBase64Url } from '../base/bytes.ts'
import { ed25519PrivateKey, mlDsa65PrivateKey, rawPublicKey } from './key-encoding.ts'
import { signedBytes } from './signed.ts'

export { verifyObject } from './signed.ts'

/** Bytes of a seed, of either algorithm. */
export const SEED_BYTES = 32

/** A key pair that signs. The private half stays inside. */
export interface SigningKey {
  /** Raw bytes: 32 for Ed25519, 1952 for ML-DSA-65. */
  readonly publicKey: Uint8Array
  /** 64 bytes for Ed25519 (deterministic), 3309 for ML-DSA-65 (randomised). */
  sign(message: Uint8Array): Uint8Array
}

/** 32 fresh random bytes. */
export const newSeed = (): Uint8Array => new Uint8Array(randomBytes(SEED_BYTES))

/** The Ed25519 key of a 32-byte seed (RFC 8032 §5.1.5). Throws `TypeError` for another length. */
export const ed25519FromSeed = (seed: Uint8Array): SigningKey => signingKey(ed25519PrivateKey(seedOf(seed)))

/** The ML-DSA-65 key of a 32-byte seed (FIPS 204, algorithm 6). Throws `TypeError` for another length. */
export const mlDsa65FromSeed = (seed: Uint8Array): SigningKey => signingKey(mlDsa65PrivateKey(seedOf(seed)))

/** Signs `object` without its `signature` property (see `signedBytes`): base64url. */
export function signObject(key: SigningKey, network: string, context: SignatureContext, object: object): string {
  return toBase64Url(key.sign(signedBytes(network, context, object)))
}

function seedOf(seed: Uint8Array): Uint8Array {
  if (seed.length !== SEED_BYTES) throw new TypeError(`a seed has ${SEED_BYTES} bytes, this one ${seed.length}`)
  return seed
}

function signingKey(privateKey: KeyObject): SigningKey {
  return {
    publicKey: rawPublicKey(privateKey),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  }
}
