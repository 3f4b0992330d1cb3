import { type Static, Type } from 'typebox'
import { Base64Url, Milliseconds, ProviderId } from './fields.ts'

const closed = { additionalProperties: false } as const

/** What a role key is for. What the identity key itself signs: `README.md`, "Who signs what". */
export const Role = Type.Union([
  Type.Literal('wire'),
  Type.Literal('log'),
  Type.Literal('cells'),
  Type.Literal('token'),
  Type.Literal('witness'),
  Type.Literal('proof'),
])
export type Role = Static<typeof Role>

/** A role key, certified by a node's identity (context `role-certificate`). */
export const RoleCertificate = Type.Object(
  {
    provider_id: ProviderId,
    role: Role,
    /** Ed25519, 32 bytes. */
    public_key: Base64Url,
    serial: Type.Integer({ minimum: 1 }),
    not_before: Milliseconds,
    not_after: Milliseconds,
    signature: Base64Url,
  },
  closed,
)
export type RoleCertificate = Static<typeof RoleCertificate>
