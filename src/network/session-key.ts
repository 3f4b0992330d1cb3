import { hkdfSync } from 'node:crypto'
import { concatBytes, utf8 } from '../kernel/base/bytes.ts'
import { sha256 } from '../kernel/base/hash.ts'

/** Bytes of a session key, and of the keys that are derived from it. */
const KEY_BYTES = 32

/** What a session key is made of, beside the secret. */
export interface KeyBinding {
  readonly network: string
  readonly challengeNonce: Uint8Array
  readonly responseNonce: Uint8Array
  /** Provider ids of both ends, in any order. */
  readonly ends: readonly [string, string]
}

/**
 * The key of a session: HKDF-SHA256 (RFC 5869) of what the ephemeral keys agreed on, salted with
 * SHA-256(challenge nonce ‖ response nonce ‖ lower id ‖ higher id).
 */
export function sessionKey(shared: Uint8Array, binding: KeyBinding): Uint8Array {
  const [lower, higher] = [...binding.ends].sort() as [string, string]
  const salt = sha256(concatBytes([binding.challengeNonce, binding.responseNonce, utf8(lower), utf8(higher)]))
  return hkdf(shared, salt, `cytoplex/${binding.network}/session-key/v1`)
}

/** A session as its users see it. Each direction has a stream, and so a session, of its own: what is agreed on belongs to the opener's. */
export interface PeerSession {
  /** Hexadecimal, the same at both ends. */
  readonly id: string
  /** A key of 32 bytes for one use, named by `label`: both ends derive the same, and what is done with it betrays no other. */
  derive(label: string): Uint8Array
}

/** The users' view of a session with this key. */
export const peerSession = (id: string, key: Uint8Array, network: string): PeerSession => ({
  id,
  derive: (label) => hkdf(key, new Uint8Array(), `cytoplex/${network}/session-key/${label}/v1`),
})

const hkdf = (secret: Uint8Array, salt: Uint8Array, info: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, salt, info, KEY_BYTES))
