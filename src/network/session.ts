import { randomBytes } from 'node:crypto'
import { CONTEXTS } from '../../protocol/contexts.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { HandshakeChallenge, HandshakeResponse, type RoleCertificate } from '../../protocol/rpc.ts'
import { concatBytes, fromBase64Url, toBase64Url, utf8 } from '../kernel/base/bytes.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { type Clock, systemClock } from '../kernel/base/clock.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { sha256Hex } from '../kernel/base/hash.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import { type EphemeralKey, ephemeralKey } from '../kernel/identity/key-agreement.ts'
import { type SigningKey, signObject, verifyObject } from '../kernel/identity/keys.ts'
import { verifyRoleCertificate } from '../kernel/identity/roles.ts'
import type { SignatureVerifier } from '../kernel/identity/verify.ts'
import { sessionKey } from './session-key.ts'

/** The other end did not prove that it may sign for the peer that the transport authenticated. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError'
}

/** Bytes of a handshake nonce. */
const NONCE_BYTES = 32
/** Bytes of a handshake frame at most: one certificate, one nonce, one key, two signatures and three names. */
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
  /** 32 bytes that nobody else can know, whoever reads the identities' keys later. Not used as it is: `peerSession` derives one for each purpose. */
  readonly key: Uint8Array
  /** Provider id of the other end. */
  readonly remote: string
  /** The other end's certified wire key. */
  readonly remoteKey: Uint8Array
}

/** What one end adds to one handshake. */
export interface HandshakeSecrets {
  readonly nonce: Uint8Array
  readonly ephemeral: EphemeralKey
}

const challengeSchema = checkerOf(HandshakeChallenge)
const responseSchema = checkerOf(HandshakeResponse)

const newSecrets = (): HandshakeSecrets => ({ nonce: randomBytes(NONCE_BYTES), ephemeral: ephemeralKey() })

/**
 * The opener's side: the challenge to send, and what to do with the answer. `remote` is the peer that the transport authenticated. `finish`
 * throws `HandshakeError`. Only vectors choose the secrets.
 */
export function openHandshake(
  self: WireIdentity,
  remote: string,
  secrets: HandshakeSecrets = newSecrets(),
): { challenge: string; finish(frame: Uint8Array): Session } {
  const challenge = handshakeText(self, remote, secrets, { type: 'handshake_challenge' })
  return {
    challenge,
    finish(frame) {
      const response = parseHandshake(frame, responseSchema)
      const peer = checkRemote(self, remote, response)
      if (response.challenge !== sha256Hex(challenge)) {
        throw new HandshakeError(`the answer of ${remote} is to another challenge`)
      }
      return agree(self, peer, secrets, [secrets.nonce, peer.nonce], [self.providerId, remote])
    },
  }
}

/** The other side: checks a challenge, and makes the answer to send. Throws `HandshakeError`. */
export function answerHandshake(
  self: WireIdentity,
  remote: string,
  frame: Uint8Array,
  secrets: HandshakeSecrets = newSecrets(),
): { response: string; session: Session } {
  const peer = checkRemote(self, remote, parseHandshake(frame, challengeSchema))
  const session = agree(self, peer, secrets, [peer.nonce, secrets.nonce], [remote, self.providerId])
  const response = handshakeText(self, remote, secrets, { type: 'handshake_response', challenge: sha256Hex(frame) })
  return { response, session }
}

function handshakeText(
  self: WireIdentity,
  remote: string,
  { nonce, ephemeral }: HandshakeSecrets,
  own: Pick<HandshakeChallenge, 'type'> | Pick<HandshakeResponse, 'type' | 'challenge'>,
): string {
  const message = {
    ...own,
    sender_id: self.providerId,
    recipient_id: remote,
    timestamp: (self.clock ?? systemClock).now(),
    nonce: toBase64Url(nonce),
    ephemeral_key: toBase64Url(ephemeral.publicKey),
    certificate: self.certificate,
  } satisfies Omit<HandshakeChallenge, 'signature'> | Omit<HandshakeResponse, 'signature'>
  return JSON.stringify({ ...message, signature: signObject(self.key, self.network, CONTEXTS.handshake, message) })
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

/** The other end, as far as its message proves it. */
interface Remote {
  readonly id: string
  readonly wireKey: Uint8Array
  readonly nonce: Uint8Array
  readonly ephemeralKey: Uint8Array
}

function checkRemote(self: WireIdentity, remote: string, message: HandshakeChallenge | HandshakeResponse): Remote {
  const now = (self.clock ?? systemClock).now()
  if (message.sender_id !== remote) {
    throw new HandshakeError(`the handshake names ${message.sender_id}, but the connection is to ${remote}`)
  }
  if (message.recipient_id !== self.providerId) {
    throw new HandshakeError(`the handshake of ${remote} is meant for ${message.recipient_id}, not for this node`)
  }
  const skew = Math.abs(message.timestamp - now)
  if (skew > LIMITS.clockSkewMs) {
    const [seconds, most] = [Math.round(skew / 1000), LIMITS.clockSkewMs / 1000]
    const direction = message.timestamp > now ? 'ahead of' : 'behind'
    throw new HandshakeError(
      `the peer's clock differs: it is ${seconds} s ${direction} this one, at most ${most} s are allowed. Set the one that is wrong: timedatectl set-ntp true`,
    )
  }
  try {
    const wireKey = verifyRoleCertificate(self.verifier, self.network, message.certificate, {
      providerId: remote,
      role: 'wire',
      now,
    })
    if (!verifyObject(self.verifier, wireKey, self.network, CONTEXTS.handshake, message, message.signature)) {
      throw new TypeError('its signature is wrong')
    }
    return {
      id: remote,
      wireKey,
      nonce: fromBase64Url(message.nonce),
      ephemeralKey: fromBase64Url(message.ephemeral_key),
    }
  } catch (error) {
    throw refused(remote, error)
  }
}

function agree(
  { network }: WireIdentity,
  peer: Remote,
  { ephemeral }: HandshakeSecrets,
  [challengeNonce, responseNonce]: readonly [Uint8Array, Uint8Array],
  [opener, other]: readonly [string, string],
): Session {
  try {
    const shared = ephemeral.agree(peer.ephemeralKey)
    return {
      id: sha256Hex(concatBytes([challengeNonce, responseNonce, utf8(opener), utf8(other)])),
      key: sessionKey(shared, { network, challengeNonce, responseNonce, ends: [opener, other] }),
      remote: peer.id,
      remoteKey: peer.wireKey,
    }
  } catch (error) {
    throw refused(peer.id, error)
  }
}

const refused = (remote: string, error: unknown): HandshakeError =>
  new HandshakeError(`the handshake of ${remote} is refused: ${errorMessage(error)}`, { cause: error })
