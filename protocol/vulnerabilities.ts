import { type Static, Type } from 'typebox'
import { Digest, Name, SemVerRange, Sha256Hex, Timestamp } from './fields.ts'
import { LIMITS } from './limits.ts'

/** Limits of recorded vulnerabilities, each with its unit and its reason. */
export const VULNERABILITY_LIMITS = {
  /** Records that a node holds: what decides about a request is in memory, some 10 MB. */
  records: 50_000,
  /** Records of one cell type: a request at a high security level looks at each of them. */
  perCellType: 200,
  /** Records in one batch: it is one transaction, with a leaf in the log for each. */
  batch: 500,
  /** Characters of a description. */
  description: 2000,
} as const

/** How bad a vulnerability is, from the mildest on. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const
export const Severity = Type.Union([
  Type.Literal('low'),
  Type.Literal('medium'),
  Type.Literal('high'),
  Type.Literal('critical'),
])
export type Severity = Static<typeof Severity>

/** Such as `CVE-2026-1234` or `GHSA-xxxx-xxxx-xxxx`; unique per cell type. */
export const VulnerabilityId = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
  examples: ['CVE-2026-1234'],
})

const saidFields = {
  cell_type: Name,
  /** Only this publisher's cells; every publisher's unless given. */
  publisher: Type.Optional(Sha256Hex),
  /** Versions of the cell, as an npm range that includes prereleases. This or `digest` must be given; both narrow each other. */
  affected: Type.Optional(SemVerRange),
  /** Only cells with this package. */
  digest: Type.Optional(Digest),
  severity: Severity,
  description: Type.String({ maxLength: VULNERABILITY_LIMITS.description }),
  /** Whether it does no harm here any more. Open unless given. */
  mitigated: Type.Optional(Type.Boolean()),
  url: Type.Optional(Type.String({ maxLength: 2048, pattern: '^https://' })),
}

/** Body of `PUT /api/v1/repository/vulnerabilities/{id}`. */
export const VulnerabilityBody = Type.Object(saidFields, { additionalProperties: false, title: 'VulnerabilityBody' })
export type VulnerabilityBody = Static<typeof VulnerabilityBody>

/** One vulnerability of a feed's batch. */
export const VulnerabilityEntry = Type.Object(
  { id: VulnerabilityId, ...saidFields },
  { additionalProperties: false, title: 'VulnerabilityEntry' },
)
export type VulnerabilityEntry = Static<typeof VulnerabilityEntry>

/** A vulnerability as it was recorded. */
export const Vulnerability = Type.Object(
  {
    id: VulnerabilityId,
    ...saidFields,
    mitigated: Type.Boolean(),
    recorded_at: Timestamp,
    /** The credential that recorded it: `admin` or `key:<id>`. */
    recorded_by: Type.String(),
  },
  { title: 'Vulnerability' },
)
export type Vulnerability = Static<typeof Vulnerability>

/** Body of `POST /api/v1/repository/vulnerabilities`: all of them are recorded, or none. */
export const VulnerabilityBatch = Type.Object(
  { vulnerabilities: Type.Array(VulnerabilityEntry, { minItems: 1, maxItems: VULNERABILITY_LIMITS.batch }) },
  { additionalProperties: false, title: 'VulnerabilityBatch' },
)
export type VulnerabilityBatch = Static<typeof VulnerabilityBatch>

/** Answer to a batch: what was there already in the same words is unchanged. */
export const VulnerabilityBatchAnswer = Type.Object(
  { recorded: Type.Integer(), unchanged: Type.Integer() },
  { title: 'VulnerabilityBatchAnswer' },
)
export type VulnerabilityBatchAnswer = Static<typeof VulnerabilityBatchAnswer>

/** Query of `GET /api/v1/repository/vulnerabilities`. */
export const VulnerabilityListQuery = Type.Object({
  cell_type: Type.Optional(Name),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxPage, default: LIMITS.defaultPage })),
  offset: Type.Optional(Type.Integer({ minimum: 0, maximum: VULNERABILITY_LIMITS.records, default: 0 })),
})
export type VulnerabilityListQuery = Static<typeof VulnerabilityListQuery>

/** In order of cell types, then of ids. */
export const VulnerabilityList = Type.Object(
  {
    total: Type.Integer(),
    limit: Type.Integer(),
    offset: Type.Integer(),
    vulnerabilities: Type.Array(Vulnerability),
  },
  { title: 'VulnerabilityList' },
)
export type VulnerabilityList = Static<typeof VulnerabilityList>

/** Query of `DELETE /api/v1/repository/vulnerabilities/{id}`. */
export const VulnerabilityRemoval = Type.Object({ cell_type: Name })
