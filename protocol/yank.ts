import { type Static, Type } from 'typebox'
import { Milliseconds, Sha256Hex } from './fields.ts'
import { LIMITS } from './limits.ts'
import { ManifestSignature } from './manifest.ts'

const closed = { additionalProperties: false } as const

/** Why a version is withdrawn. `compromised` cannot be undone. */
export const YankReason = Type.Union([
  Type.Literal('compromised'),
  Type.Literal('broken'),
  Type.Literal('superseded'),
  Type.Literal('withdrawn'),
])
export type YankReason = Static<typeof YankReason>

export const YankMessage = Type.String({ maxLength: 500 })

/**
 * A publisher withdraws a cell, or takes that back (`yanked: false`, then with the reason that it had). Of several the highest counter counts;
 * at equal counters the one that yanks; a yank as `compromised` before all others.
 */
export const Yank = Type.Object(
  {
    format: Type.Literal(1),
    manifest_digest: Sha256Hex,
    /** The publisher of that manifest. */
    publisher: Sha256Hex,
    counter: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    yanked: Type.Boolean(),
    reason: YankReason,
    message: Type.Optional(YankMessage),
    at: Milliseconds,
  },
  closed,
)
export type Yank = Static<typeof Yank>

/**
 * The content of a yank token, `ys1.<base64url(RFC 8785 bytes)>`: the yank, the publisher's key records from the first one on, and one
 * signature per required algorithm over the yank (context `yank`).
 */
export const SignedYank = Type.Object(
  {
    record: Yank,
    key_records: ManifestSignature.properties.key_records,
    signatures: ManifestSignature.properties.signatures,
  },
  closed,
)
export type SignedYank = Static<typeof SignedYank>

/** The form of a signed yank where it travels. */
export const YankToken = Type.String({ pattern: '^ys1\\.[A-Za-z0-9_-]+$', maxLength: LIMITS.yankTokenBytes })

/** What is known of a yank of a cell. Present also after it was undone, because its counter goes on. */
export const KnownYank = Type.Object({
  yanked: Type.Boolean(),
  reason: YankReason,
  message: Type.Optional(YankMessage),
  at: Type.String(),
  /** `publisher`: it counts everywhere. `operator`: the operator of this node said so, for this node. */
  by: Type.Union([Type.Literal('publisher'), Type.Literal('operator')]),
  counter: Type.Integer({ minimum: 1 }),
  /** The publisher's word, to be verified by anybody. */
  token: Type.Optional(YankToken),
})
export type KnownYank = Static<typeof KnownYank>
