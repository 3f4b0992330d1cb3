import { type Static, Type } from 'typebox'
import { Domain, Jurisdiction, OperatorId } from './assurance.ts'
import { Base64Url, Timestamp } from './fields.ts'

/** Those who ask signed questions, and what they may ("API Contracts", sections 4 and 6). */

const closed = { additionalProperties: false } as const

export const Tier = Type.Union([Type.Literal('free'), Type.Literal('standard'), Type.Literal('enterprise')])
export type Tier = Static<typeof Tier>

/** What a tier allows; null is no limit. */
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

/** Body of `POST /api/v1/operators`. With `ed25519` it brings a key; with `hmac-sha256` the node makes a secret, and shows it once. */
export const OperatorCreation = Type.Object(
  {
    operator_id: Type.Optional(OperatorId),
    algorithm: OperatorAlgorithm,
    /** Ed25519, 32 bytes, base64url. */
    public_key: Type.Optional(Base64Url),
    permissions: Type.Array(Permission, { minItems: 1, maxItems: 5 }),
    tier: Type.Optional(Tier),
  },
  { ...closed, title: 'OperatorCreation' },
)
export type OperatorCreation = Static<typeof OperatorCreation>

/** An operator as lists show it: never a secret. */
export const Operator = Type.Object(
  {
    operator_id: OperatorId,
    algorithm: OperatorAlgorithm,
    /** Null for operators with a secret. */
    public_key: Type.Union([Base64Url, Type.Null()]),
    permissions: Type.Array(Permission),
    tier: Tier,
    status: Type.Union([Type.Literal('active'), Type.Literal('suspended')]),
    created_at: Timestamp,
    rotated_at: Type.Union([Timestamp, Type.Null()]),
  },
  { title: 'Operator' },
)
export type Operator = Static<typeof Operator>
