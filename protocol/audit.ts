import { type Static, Type } from 'typebox'
import { Sha256Hex, Timestamp } from './fields.ts'
import { LIMITS } from './limits.ts'

/** Index of a leaf of the node's log. */
const LogIndex = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/**
 * What an administrator did. The public log has a leaf `{act: "administration", commitment}` (RFC 8785) at `log_index`; `commitment` is the
 * SHA-256 of the RFC 8785 bytes of `{act, at, by, details, salt}`.
 */
export const AuditEntry = Type.Object(
  {
    log_index: LogIndex,
    act: Type.String({ examples: ['key_created'] }),
    /** `admin`, `key:<id>`, or `node` for what it does by itself. */
    by: Type.String(),
    at: Timestamp,
    details: Type.Object({}, { additionalProperties: true }),
    salt: Type.String(),
    commitment: Sha256Hex,
  },
  { title: 'AuditEntry' },
)
export type AuditEntry = Static<typeof AuditEntry>

/** Query of `GET /api/v1/audit`. */
export const AuditQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxPage, default: LIMITS.defaultPage })),
  before: Type.Optional(LogIndex),
})
export type AuditQuery = Static<typeof AuditQuery>

/** Answer to `GET /api/v1/audit`: newest first. */
export const AuditList = Type.Object(
  {
    entries: Type.Array(AuditEntry),
    /** `before` of the next page; null when this is the last one. */
    next_before: Type.Union([LogIndex, Type.Null()]),
  },
  { title: 'AuditList' },
)
export type AuditList = Static<typeof AuditList>
