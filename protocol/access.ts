import { type Static, Type } from 'typebox'
import { Base64Url, Milliseconds, ProviderId, Timestamp } from './fields.ts'
import { LIMITS } from './limits.ts'

/** Limits of keys and request signatures, each with its unit and its reason. */
export const ACCESS_LIMITS = {
  /** Keys that a node holds: all are in memory, so that no request waits for the disk to learn who calls. */
  keys: 10_000,
  /** Characters of a key's name. */
  keyName: 128,
  /** Milliseconds that a key is listed after it has expired or was revoked. */
  endedKeyMs: 90 * 24 * 60 * 60 * 1000,
  /** Characters of a quantum signature: a hybrid one with the longest path fits, and it fits the 16 KiB of a request's headers. */
  quantumSignature: 12 * 1024,
  /** Characters of the path that a request signature names, with the query. */
  requestPath: 2048,
  /** Milliseconds that a nonce is remembered: a signature that is `LIMITS.clockSkewMs` ahead holds that long. */
  nonceMs: 2 * LIMITS.clockSkewMs,
  /** Nonces that are remembered at a time: 1,600 signed requests a second, some 100 MB on disk. */
  nonces: 1_000_000,
} as const

/** Roles, each of which may do all that those before it may. */
const ROLES = ['reader', 'publisher', 'admin'] as const

/** `reader` asks, `publisher` also registers, `admin` also administers. */
export const AccessRole = Type.Union([Type.Literal('reader'), Type.Literal('publisher'), Type.Literal('admin')])
export type AccessRole = Static<typeof AccessRole>

/** Whether who has the role `held` may do what needs the role `needed`. */
export const roleCovers = (held: AccessRole, needed: AccessRole): boolean =>
  ROLES.indexOf(held) >= ROLES.indexOf(needed)

/** What names a key in lists and logs; it is part of the key, and no secret. */
export const ApiKeyId = Type.String({ pattern: '^[0-9a-f]{16}$', examples: ['00c1f2a9b37de845'] })

const ApiKeyName = Type.String({
  minLength: 1,
  maxLength: ACCESS_LIMITS.keyName,
  pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$',
  description: 'What people call it. Need not be unique.',
  examples: ['build server'],
})
const NullableTimestamp = Type.Union([Timestamp, Type.Null()])

/** Body of `POST /api/v1/keys`. */
export const ApiKeyCreation = Type.Object(
  {
    role: AccessRole,
    name: ApiKeyName,
    expires_at: Type.Optional(
      Type.String({
        pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,3})?Z$',
        description: 'From when on it is refused, ISO 8601 in UTC. Without it: never.',
        examples: ['2027-01-31T12:00:00Z'],
      }),
    ),
  },
  { additionalProperties: false, title: 'ApiKeyCreation' },
)
export type ApiKeyCreation = Static<typeof ApiKeyCreation>

const apiKeyFields = {
  key_id: ApiKeyId,
  name: ApiKeyName,
  role: AccessRole,
  status: Type.Union([Type.Literal('active'), Type.Literal('expired'), Type.Literal('revoked')]),
  created_at: Timestamp,
  expires_at: NullableTimestamp,
  revoked_at: NullableTimestamp,
  last_used: Type.Union([Type.String(), Type.Null()], {
    description: 'The day (UTC) of its last use, such as 2026-01-31.',
  }),
}

/** A key without its secret: an entry of the list, and the answer to `DELETE /api/v1/keys/{key_id}`. */
export const ApiKeyInfo = Type.Object(apiKeyFields, { title: 'ApiKeyInfo' })
export type ApiKeyInfo = Static<typeof ApiKeyInfo>

/** Answer to `POST /api/v1/keys`: the only time that the key itself is shown. */
export const ApiKeyCreated = Type.Object(
  {
    ...apiKeyFields,
    key: Type.String({ description: 'The key, for `X-API-Key` or `Authorization: Bearer`. It cannot be shown again.' }),
  },
  { title: 'ApiKeyCreated' },
)
export type ApiKeyCreated = Static<typeof ApiKeyCreated>

/** Query of `GET /api/v1/keys`. */
export const ApiKeyListQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxPage, default: LIMITS.defaultPage })),
  offset: Type.Optional(Type.Integer({ minimum: 0, default: 0 })),
})
export type ApiKeyListQuery = Static<typeof ApiKeyListQuery>

/** Answer to `GET /api/v1/keys`: oldest first, those that have ended included for `ACCESS_LIMITS.endedKeyMs`. */
export const ApiKeyList = Type.Object(
  {
    total: Type.Integer(),
    limit: Type.Integer(),
    offset: Type.Integer(),
    keys: Type.Array(ApiKeyInfo),
  },
  { title: 'ApiKeyList' },
)
export type ApiKeyList = Static<typeof ApiKeyList>

/** How a request is signed: `ed25519+ml-dsa-65` survives a quantum computer, and counts only with both parts. */
export const RequestAlgorithm = Type.Union([Type.Literal('ed25519'), Type.Literal('ed25519+ml-dsa-65')])
export type RequestAlgorithm = Static<typeof RequestAlgorithm>

/**
 * The header of a quantum signature, `qs1.<base64url(RFC 8785 bytes of the header)>.<base64url(signatures)>`. What is signed is
 * `{header, body}` (context `request`), where `body` is the JSON body without `quantum_signature`, left out for a request without body.
 * The signatures are raw bytes, one after the other in the order of `alg`: 64 of Ed25519, then 3309 of ML-DSA-65.
 */
export const QuantumSignatureHeader = Type.Object(
  {
    alg: RequestAlgorithm,
    /** The provider that the request is meant for; nobody else accepts it. */
    aud: ProviderId,
    /** Raw public keys in the order of `alg`. */
    keys: Type.Array(Base64Url, { minItems: 1, maxItems: 2 }),
    method: Type.String({ pattern: '^[A-Z]{1,16}$' }),
    /** At least 128 random bits. A key uses a nonce once. */
    nonce: Type.String({ pattern: '^[A-Za-z0-9_-]{22,64}$' }),
    /** Request target in origin form (RFC 9112 §3.2.1), with the query. */
    path: Type.String({ pattern: '^/[!-~]*$', maxLength: ACCESS_LIMITS.requestPath }),
    /** When it was signed: at most `LIMITS.clockSkewMs` before or after the time of the provider. */
    ts: Milliseconds,
  },
  { additionalProperties: false },
)
export type QuantumSignatureHeader = Static<typeof QuantumSignatureHeader>
