import { type Static, Type } from 'typebox'
import { Base64Url, Correlation, Milliseconds, ProviderId, Sha256Hex } from './fields.ts'
import { LIMITS } from './limits.ts'
import { RoleCertificate } from './roles.ts'

const closed = { additionalProperties: false } as const

/** 32 bytes: a nonce, or an X25519 public key. */
const Bytes32 = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' })

/** What both handshake messages carry. */
const handshake = {
  sender_id: ProviderId,
  /** Who it is meant for: nobody else takes it. */
  recipient_id: ProviderId,
  timestamp: Milliseconds,
  nonce: Bytes32,
  /** X25519, used for this stream only. */
  ephemeral_key: Bytes32,
  /** Of the sender's `wire` key, by the identity that the transport authenticated. */
  certificate: RoleCertificate,
  /** By the certified key, context `handshake`. */
  signature: Base64Url,
} as const

/**
 * First frame of the node that opens a stream, and the other's answer; both stand outside batches. Both nonces and both ids make the session,
 * SHA-256(challenge nonce ‖ response nonce ‖ opener's id ‖ other's id); the ephemeral keys make its key.
 */
export const HandshakeChallenge = Type.Object({ type: Type.Literal('handshake_challenge'), ...handshake }, closed)
export const HandshakeResponse = Type.Object(
  {
    type: Type.Literal('handshake_response'),
    ...handshake,
    /** SHA-256 of the challenge's bytes, as they came. */
    challenge: Sha256Hex,
  },
  closed,
)
export type HandshakeChallenge = Static<typeof HandshakeChallenge>
export type HandshakeResponse = Static<typeof HandshakeResponse>

/**
 * Closes a batch: signs every frame since the batch before (context `batch`, over `{session, from, sequence, count, root}`).
 * `root` is the RFC 9162 tree root over the frames' bytes. A receiver acts on no frame before it has verified this one.
 */
export const BatchSignature = Type.Object(
  {
    type: Type.Literal('batch'),
    sequence: Type.Integer({ minimum: 0 }),
    count: Type.Integer({ minimum: 1, maximum: LIMITS.batchFrames }),
    signature: Base64Url,
  },
  closed,
)
export type BatchSignature = Static<typeof BatchSignature>

/** Any request may be answered with this. */
export const ErrorMessage = Type.Object(
  {
    type: Type.Literal('error'),
    ...Correlation,
    code: Type.Union([Type.Literal('bad_request'), Type.Literal('busy'), Type.Literal('internal')]),
    message: Type.String({ maxLength: 512 }),
  },
  closed,
)
export type ErrorMessage = Static<typeof ErrorMessage>
