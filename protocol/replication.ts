import { type Static, Type } from 'typebox'
import { Digest, Name, ProviderId, SemVerRange, Sha256Hex, Timestamp } from './fields.ts'

/** Limits of replication, each with its reason. */
export const REPLICATION_LIMITS = {
  /** Policies: each looks at the whole directory. */
  policies: 64,
  /** Pins: all are in memory, and in one answer. */
  pins: 1000,
} as const

const closed = { additionalProperties: false } as const

/** A name in which `*` stands for any characters, also none. */
const NamePattern = Type.String({ pattern: '^[a-z0-9*][a-z0-9._*-]{0,127}$', examples: ['sql.*'] })

/**
 * What to keep copies of: of exactly one of a publisher's cells, cells with a capability, and what a partner announces as its own. `max_bytes`
 * is what the packages may come to.
 */
export const FollowPolicy = Type.Object(
  {
    publisher: Type.Optional(Sha256Hex),
    capability: Type.Optional(NamePattern),
    partner: Type.Optional(ProviderId),
    max_bytes: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    /** Over the versions of the cells; prereleases only when the range names one. */
    versions: Type.Optional(SemVerRange),
  },
  {
    ...closed,
    oneOf: [{ required: ['publisher'] }, { required: ['capability'] }, { required: ['partner'] }],
    description:
      'a mapping with exactly one of publisher (64 hexadecimal digits), capability (a name, with * for any characters) and partner (a provider id), max_bytes, and if wanted versions',
  },
)
export type FollowPolicy = Static<typeof FollowPolicy>

/** The first twelve digits of the SHA-256 of the RFC 8785 bytes of what is followed and `versions`. */
export const PolicyId = Type.String({ pattern: '^[0-9a-f]{12}$' })

const Count = Type.Integer({ minimum: 0 })
const NullableText = Type.Union([Type.String(), Type.Null()])

/** A policy, and how far it is. */
export const PolicyStatus = Type.Object(
  {
    id: PolicyId,
    ...FollowPolicy.properties,
    /** What the configuration file says can only be removed there. */
    source: Type.Union([Type.Literal('configuration'), Type.Literal('administrator')]),
    /** Cells in the directory that fit and are not yanked, here or not. */
    matches: Count,
    /** Cells that are here because of this policy, and the bytes of their packages. */
    kept: Count,
    bytes: Count,
    /** Cells that fit and are yet to be fetched. What the budget has no room for does not wait. */
    waiting: Count,
    /** Of those, cells that were tried and will be tried again. */
    failed: Count,
    /** Whether cells that fit are left out because of `max_bytes`. */
    full: Type.Boolean(),
    last_error: NullableText,
  },
  { title: 'PolicyStatus' },
)
export type PolicyStatus = Static<typeof PolicyStatus>

/** Answer to `GET /api/v1/replication/policies`. */
export const PolicyList = Type.Object({ policies: Type.Array(PolicyStatus) }, { title: 'PolicyList' })
export type PolicyList = Static<typeof PolicyList>

/** A package that the operator wants here, whatever becomes of it elsewhere. */
export const Pin = Type.Object(
  {
    digest: Digest,
    /** `registered`: it is here anyway. `waiting`: nobody that this node knows has delivered it yet; it is tried again. */
    state: Type.Union([Type.Literal('kept'), Type.Literal('registered'), Type.Literal('waiting')]),
    /** Null while the package is not here. */
    cell_type: Type.Union([Name, Type.Null()]),
    version: NullableText,
    bytes: Count,
    pinned_at: Timestamp,
    last_error: NullableText,
  },
  { title: 'Pin' },
)
export type Pin = Static<typeof Pin>

/** Answer to `GET /api/v1/replication`. */
export const ReplicationStatus = Type.Object(
  {
    policies: Type.Array(PolicyStatus),
    pins: Type.Array(Pin),
    /** Packages that are on their way here for a policy or a pin. */
    fetching: Count,
  },
  { title: 'ReplicationStatus' },
)
export type ReplicationStatus = Static<typeof ReplicationStatus>

/** A copy that was dropped. */
export const CopyDropped = Type.Object(
  { digest: Digest, cells: Type.Integer({ minimum: 1 }), bytes: Count },
  { title: 'CopyDropped' },
)
export type CopyDropped = Static<typeof CopyDropped>
