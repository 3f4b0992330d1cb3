import { type Static, Type } from 'typebox'
import { Domain, Jurisdiction, OperatorId } from './assurance.ts'
import { Base64Url, Timestamp } from './fields.ts'
import { LIMITS } from './limits.ts'

/** Those who ask signed questions, and what they may ("API Contracts", sections 4 and 6). */

const closed = { additionalProperties: false } as const

export const Tier = Type.Union([Type.Literal('free'), Type.Literal('standard'), Type.Literal('enterprise')])
export type Tier = Static<typeof Tier>

/** Limits of operators, each with its unit and its reason. */
export const OPERATOR_LIMITS = {
  /** Operators that a node holds, suspended ones included: all are in memory, a kilobyte each. */
  operators: 10_000,
  /** Characters of a nonce, of base64url: at least 128 random bits. */
  nonce: 64,
} as const

/** What a tier allows, where the configuration says nothing else; null is no limit. */
export const TIERS = {
  free: { perMinute: 10, perDay: 1000, batch: 10 },
  standard: { perMinute: 100, perDay: 50_000, batch: 100 },
  enterprise: { perMinute: null, perDay: null, batch: 10_000 },
} as const satisfies Record<Tier, { perMinute: number | null; perDay: number | null; batch: number }>

/** An operator has exactly one algorithm; a request cannot choose another. */
export const OperatorAlgorithm = Type.Union([Type.Literal('ed25519'), Type.Literal('hmac-sha256')])
export type OperatorAlgorithm = Static<typeof OperatorAlgorithm>

/** What an operator may ask about. */
export const Permission = Type.Object(
  {
    domain: Domain,
    /** Null: every jurisdiction. */
    jurisdictions: Type.Union([Type.Array(Jurisdiction, { minItems: 1, maxItems: 64 }), Type.Null()]),
  },
  closed,
)
export type Permission = Static<typeof Permission>

const PublicKey = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'Ed25519, 32 bytes, base64url.' })

/** Body of `POST /api/v1/operators`. With `ed25519` it brings a key; with `hmac-sha256` the node makes a secret, and shows it once. */
export const OperatorCreation = Type.Object(
  {
    /** A UUID unless given. */
    operator_id: Type.Optional(OperatorId),
    algorithm: OperatorAlgorithm,
    public_key: Type.Optional(PublicKey),
    permissions: Type.Array(Permission, { minItems: 1, maxItems: 5 }),
    tier: Type.Optional(Tier),
  },
  { ...closed, title: 'OperatorCreation' },
)
export type OperatorCreation = Static<typeof OperatorCreation>

/** Body of `POST /api/v1/operators/{operator_id}/rotate`: the new key of an operator with `ed25519`; nothing for one with a secret. */
export const OperatorRotation = Type.Object(
  { public_key: Type.Optional(PublicKey) },
  { ...closed, title: 'OperatorRotation' },
)
export type OperatorRotation = Static<typeof OperatorRotation>

const operatorFields = {
  operator_id: OperatorId,
  algorithm: OperatorAlgorithm,
  /** Null for operators with a secret. */
  public_key: Type.Union([Base64Url, Type.Null()]),
  permissions: Type.Array(Permission),
  tier: Tier,
  status: Type.Union([Type.Literal('active'), Type.Literal('suspended')]),
  created_at: Timestamp,
  rotated_at: Type.Union([Timestamp, Type.Null()]),
}

/** An operator as lists show it: never a secret. */
export const Operator = Type.Object(operatorFields, { title: 'Operator' })
export type Operator = Static<typeof Operator>

/** Answer to creating and rotating: the only time that a secret is shown. */
export const OperatorCreated = Type.Object(
  {
    ...operatorFields,
    secret: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_-]{43}$',
        description:
          'Of operators with `hmac-sha256`: 32 bytes, base64url, the key of their HMAC. It cannot be shown again.',
      }),
    ),
  },
  { title: 'OperatorCreated' },
)
export type OperatorCreated = Static<typeof OperatorCreated>

/** Query of `GET /api/v1/operators`. */
export const OperatorListQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxPage, default: LIMITS.defaultPage })),
  offset: Type.Optional(Type.Integer({ minimum: 0, default: 0 })),
})
export type OperatorListQuery = Static<typeof OperatorListQuery>

/** Answer to `GET /api/v1/operators`: by their ids, suspended ones included. */
export const OperatorList = Type.Object(
  { total: Type.Integer(), limit: Type.Integer(), offset: Type.Integer(), operators: Type.Array(Operator) },
  { title: 'OperatorList' },
)
export type OperatorList = Static<typeof OperatorList>

/**
 * What the headers of a signed request without a body say: `X-Operator-Id`, `X-Timestamp`, `X-Nonce`, `X-Signature`. Signed (context
 * `operator-request`) is `{aud, method, path, ts, nonce, operator_id}`.
 */
export const OperatorHeaders = Type.Object(
  {
    operator_id: OperatorId,
    /** ISO 8601. */
    ts: Type.String({ minLength: 20, maxLength: 35 }),
    /** At least 128 random bits. An operator uses a nonce once. */
    nonce: Type.String({ pattern: `^[A-Za-z0-9_-]{22,${OPERATOR_LIMITS.nonce}}$` }),
    signature: Type.String({ pattern: '^[A-Za-z0-9_-]{43,86}$' }),
  },
  closed,
)
export type OperatorHeaders = Static<typeof OperatorHeaders>
