import { randomBytes } from 'node:crypto'
import { Compile } from 'typebox/compile'
import { LIMITS } from '../../protocol/limits.ts'
import { HandshakeChallenge, HandshakeResponse, type RoleCertificate } from '../../protocol/rpc.ts'
import { concatBytes, fromBase64Url, toBase64Url, utf8 } from '../kernel/base/bytes.ts'
import { type Clock, systemClock } from '../kernel/base/clock.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { sha256Hex } from '../kernel/base/hash.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import type { SigningKey } from '../kernel/identity/keys.ts'
import { verifyRoleCertificate } from '../kernel/identity/roles.ts'
import type { SignatureVerifier } from '../kernel/identity/verify.ts'

/** The other end did not prove that it may sign for the peer that the transport authenticated. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError'
}

/** Bytes of a handshake nonce. */
const NONCE_BYTES = 32
/** Bytes of a handshake frame at most: one certificate, one nonce and two names. */
export const HANDSHAKE_FRAME_BYTES = 4096

/** Who this node is on the wire. */
export interface WireIdentity {
  readonly network: string
  readonly providerId: string
  readonly key: SigningKey
  readonly certificate: RoleCertificate
  readonly verifier: SignatureVerifier
  readonly clock?: Clock
}

/** What both ends agreed on. */
export interface Session {
  /** Hexadecimal SHA-256 of challenge nonce ‖ response nonce ‖ opener's id ‖ other's id. */
  readonly id: string
  /** Provider id of the other end. */
  readonly remote: string
  /** The other end's certified wire key. */
  readonly remoteKey: Uint8Array
}

const challengeSchema = Compile(HandshakeChallenge)
const responseSchema = Compile(HandshakeResponse)

/**
 * The opener's side: the challenge to send, and what to do with the answer. `remote` is the peer that the transport authenticated. `finish`
 * throws `HandshakeError`.
 */
export function openHandshake(
  self: WireIdentity,
  remote: string,
): { challenge: string; finish(frame: Uint8Array): Session } {
  const nonce = randomBytes(NONCE_BYTES)
  return {
    challenge: handshakeText('handshake_challenge', self, nonce),
    finish(frame) {
      const response = parseHandshake(frame, responseSchema)
      const { remoteKey, remoteNonce } = checkRemote(self, remote, response)
      return { id: sessionId(nonce, remoteNonce, self.providerId, remote), remote, remoteKey }
    },
  }
}

/** The other side: checks a challenge, and makes the answer to send. Throws `HandshakeError`. */
export function answerHandshake(
  self: WireIdentity,
  remote: string,
  frame: Uint8Array,
): { response: string; session: Session } {
  const challenge = parseHandshake(frame, challengeSchema)
  const { remoteKey, remoteNonce } = checkRemote(self, remote, challenge)
  const nonce = randomBytes(NONCE_BYTES)
  return {
    response: handshakeText('handshake_response', self, nonce),
    session: { id: sessionId(remoteNonce, nonce, remote, self.providerId), remote, remoteKey },
  }
}

function handshakeText(
  type: 'handshake_challenge' | 'handshake_response',
  self: WireIdentity,
  nonce: Uint8Array,
): string {
  return JSON.stringify({
    type,
    sender_id: self.providerId,
    timestamp: (self.clock ?? systemClock).now(),
    nonce: toBase64Url(nonce),
    certificate: self.certificate,
  } satisfies { type: typeof type } & Omit<HandshakeChallenge, 'type'>)
}

function parseHandshake<T>(frame: Uint8Array, schema: { Check(value: unknown): value is T }): T {
  let value: unknown
  try {
    value = parseStrictJson(frame)
  } catch (error) {
    throw new HandshakeError(`the handshake is not JSON: ${errorMessage(error)}`, { cause: error })
  }
  if (!schema.Check(value)) throw new HandshakeError('the handshake has another form than the schema')
  return value
}

function checkRemote(self: WireIdentity, remote: string, message: HandshakeChallenge | HandshakeResponse) {
  const now = (self.clock ?? systemClock).now()
  if (message.sender_id !== remote) {
    throw new HandshakeError(`the handshake names ${message.sender_id}, but the connection is to ${remote}`)
  }
  const skew = Math.abs(message.timestamp - now)
  if (skew > LIMITS.clockSkewMs) {
    throw new HandshakeError(`the peer's clock differs by ${skew} ms; at most ${LIMITS.clockSkewMs} are allowed`)
  }
  try {
    const remoteNonce = fromBase64Url(message.nonce)
    if (remoteNonce.byteLength !== NONCE_BYTES)
      throw new TypeError(`a nonce of ${remoteNonce.byteLength} bytes, not ${NONCE_BYTES}`)
    const remoteKey = verifyRoleCertificate(self.verifier, self.network, message.certificate, {
      providerId: remote,
      role: 'wire',
      now,
    })
    return { remoteKey, remoteNonce }
  } catch (error) {
    throw new HandshakeError(`the handshake of ${remote} is refused: ${errorMessage(error)}`, { cause: error })
  }
}

function sessionId(challengeNonce: Uint8Array, responseNonce: Uint8Array, opener: string, other: string): string {
  return sha256Hex(concatBytes([challengeNonce, responseNonce, utf8(opener), utf8(other)]))
}
