import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/**
 * AES-256-GCM (NIST SP 800-38D) with a random nonce of 12 bytes before the ciphertext and a tag of 16 behind it. One key seals at most 2^32 times
 * (§8.3).
 */
const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Bytes of a key. */
export const AES_KEY_BYTES = 32

/** `bytes`, sealed: whoever lacks the key reads nothing of it, and it opens only with the same additional data. */
export function seal(key: Uint8Array, bytes: Uint8Array, additional: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(additional)
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
}

/** What {@link seal} was given. Throws for what was sealed with another key or other additional data, or was changed since. */
export function unseal(key: Uint8Array, sealed: Uint8Array, additional: Uint8Array): Buffer {
  const end = sealed.length - TAG_BYTES
  if (end < NONCE_BYTES) throw new TypeError('what is sealed is too short')
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(additional)
  decipher.setAuthTag(sealed.subarray(end))
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()])
}
