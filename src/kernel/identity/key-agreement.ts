import { diffieHellman, randomBytes } from 'node:crypto'
import { rawPublicKey, x25519PrivateKey, x25519PublicKey } from './key-encoding.ts'

/** Bytes of an X25519 key and of what two of them agree on. */
export const X25519_BYTES = 32

/** An X25519 key pair for one use. The private half stays inside. */
export interface EphemeralKey {
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array
  /**
   * What this key and the other's public key come to (RFC 7748 §6.1): 32 bytes. Throws for a key of small order, with which every private key comes
   * to zero, and for one of another length.
   */
  agree(remote: Uint8Array): Uint8Array
}

/** A key pair of fresh random bytes; tests and vectors give their own. */
export function ephemeralKey(secret: Uint8Array = randomBytes(X25519_BYTES)): EphemeralKey {
  const privateKey = x25519PrivateKey(secret)
  return {
    publicKey: rawPublicKey(privateKey),
    agree(remote) {
      if (remote.length !== X25519_BYTES) {
        throw new TypeError(`an X25519 public key has ${X25519_BYTES} bytes, this one ${remote.length}`)
      }
      try {
        // OpenSSL refuses to derive 32 zero bytes.
        return diffieHellman({ privateKey, publicKey: x25519PublicKey(remote) })
      } catch (error) {
        throw new TypeError('an X25519 public key of small order', { cause: error })
      }
    },
  }
}
