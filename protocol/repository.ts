import { type Static, Type } from 'typebox'
import {
  Annotations,
  CellStatus,
  PackageReport,
  PerformanceCharacteristics,
  ShownStatus,
  ValidationResults,
} from './annotations.ts'
import { ErrorBody } from './cells.ts'
import { Digest, Name, SemVer, Sha256Hex, Timestamp } from './fields.ts'
import { LIMITS } from './limits.ts'
import { LogEvidence } from './log.ts'
import { Capability, Dependency, Manifest, Requirements, SignatureToken } from './manifest.ts'
import { KnownYank, YankMessage, YankReason, YankToken } from './yank.ts'

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

const Link = Type.String({ maxLength: 2048, pattern: '^https://' })

/**
 * The `metadata` part of an upload (Provider API, "Register New Cell": the format of "Get Cell Details"). Fields that only the
 * server can know are ignored. With a `manifest` part, the manifest's fields win and must agree where both are given.
 */
export const CellMetadata = Type.Object(
  {
    cell_type: Name,
    version: SemVer,
    description: Type.Optional(Type.String({ maxLength: 2000 })),
    capabilities: Type.Array(Capability, { minItems: 1, maxItems: LIMITS.manifestCapabilities }),
    dependencies: Type.Optional(Type.Array(Dependency, { maxItems: LIMITS.manifestDependencies })),
    requirements: Type.Optional(Requirements),
    packaging_format: Type.Optional(Name),
    media_type: Type.Optional(Type.String({ maxLength: 128 })),
    labels: Type.Optional(Type.Record(Type.String(), Type.String({ maxLength: 512 }))),
    tags: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 32 })),
    metadata: Type.Optional(
      Type.Object({
        license: Type.Optional(Nullable(Type.String({ maxLength: 128 }))),
        documentation_url: Type.Optional(Nullable(Link)),
        repository_url: Type.Optional(Nullable(Link)),
        issue_tracker_url: Type.Optional(Nullable(Link)),
      }),
    ),
    performance: Type.Optional(PerformanceCharacteristics),
    /** Of this version, outside the signature; `active` unless given. */
    status: Type.Optional(CellStatus),
  },
  { title: 'CellMetadata' },
)
export type CellMetadata = Static<typeof CellMetadata>

/**
 * The `metadata` part of an update (Provider API, "Update Cell"). What is left out is the manifest's to say where one is sent, else it is
 * taken from the highest version. `status` belongs to a version like its number, and is not taken.
 */
export const CellUpdateMetadata = Type.Partial(CellMetadata, { title: 'CellUpdateMetadata' })
export type CellUpdateMetadata = Static<typeof CellUpdateMetadata>

/** Body of `PATCH /api/v1/repository/cells/{cell_type}/{version}`: what a provider says about a version, outside its signature. */
export const CellChange = Type.Object(
  {
    status: Type.Optional(CellStatus),
    description: Annotations.properties.description,
    tags: Annotations.properties.tags,
  },
  { title: 'CellChange', additionalProperties: false, minProperties: 1 },
)
export type CellChange = Static<typeof CellChange>

/** Provider API, answer of "Register New Cell"; `cell_id`, `digest` and `signed_by` are added. */
export const RegisterResponse = Type.Object(
  {
    status: Type.Union([Type.Literal('success'), Type.Literal('validation_error'), Type.Literal('error')]),
    cell_type: Type.Optional(Type.String()),
    version: Type.Optional(Type.String()),
    cell_id: Type.Optional(Type.String()),
    digest: Type.Optional(Digest),
    publisher: Type.Optional(Sha256Hex),
    signed_by: Type.Optional(Type.Union([Type.Literal('publisher'), Type.Literal('provider')])),
    message: Type.String(),
    validation_results: Type.Optional(ValidationResults),
    error: Type.Optional(ErrorBody),
  },
  { title: 'RegisterResponse' },
)
export type RegisterResponse = Static<typeof RegisterResponse>

/** Provider API, answer of "Cell Validation". */
export const ValidateResponse = Type.Object(
  {
    status: Type.Union([Type.Literal('valid'), Type.Literal('invalid')]),
    validation_results: ValidationResults,
  },
  { title: 'ValidateResponse' },
)
export type ValidateResponse = Static<typeof ValidateResponse>

/** Provider API, "List Available Cells"; `search` is added. */
export const CellListQuery = Type.Object({
  capability: Type.Optional(Name),
  version: Type.Optional(SemVer),
  search: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 256,
      description: `Any text: names that are close to it, and cells with all its words in name, description or tags, best first. At most ${LIMITS.searchResults} are found.`,
    }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxPage })),
  offset: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })),
})
export type CellListQuery = Static<typeof CellListQuery>

export const CellListItem = Type.Object({
  cell_type: Name,
  capabilities: Type.Array(Type.Object({ name: Name, version: SemVer })),
  versions: Type.Array(Type.Object({ version: SemVer, created_at: Timestamp, status: ShownStatus })),
  description: Type.String(),
  tags: Type.Array(Type.String()),
})
export type CellListItem = Static<typeof CellListItem>

export const CellListResponse = Type.Object(
  { cells: Type.Array(CellListItem), total_count: Type.Integer(), limit: Type.Integer(), offset: Type.Integer() },
  { title: 'CellListResponse' },
)
export type CellListResponse = Static<typeof CellListResponse>

/** Provider API, "Get Cell Details". What nothing measured is null. `digest`, `publisher`, `manifest` and more are added. */
export const CellDetails = Type.Object(
  {
    cell_id: Type.String(),
    cell_type: Name,
    version: SemVer,
    description: Type.String(),
    tags: Type.Array(Type.String()),
    status: ShownStatus,
    /** What its publisher and the operator of this node said last about a yank; empty when neither did. */
    yanks: Type.Array(KnownYank),
    capabilities: Type.Array(Capability),
    dependencies: Type.Array(Dependency),
    digest: Digest,
    publisher: Sha256Hex,
    signed_by: Type.Union([Type.Literal('publisher'), Type.Literal('provider')]),
    manifest: Manifest,
    metadata: Type.Object({
      created_at: Timestamp,
      created_by: Type.String(),
      updated_at: Timestamp,
      size_bytes: Type.Integer(),
      license: Nullable(Type.String()),
      documentation_url: Nullable(Type.String()),
      repository_url: Nullable(Type.String()),
      issue_tracker_url: Nullable(Type.String()),
    }),
    security: Type.Object({
      signature_algorithm: Type.String(),
      signature: SignatureToken,
      security_rating: Nullable(Type.String()),
      vulnerabilities: Type.Array(
        Type.Object({
          id: Type.String(),
          severity: Type.String(),
          description: Type.String(),
          mitigated: Type.Boolean(),
        }),
      ),
      last_security_audit: Nullable(Timestamp),
      /** That its registration is in the provider's transparency log, to be verified offline with the log's key. */
      log: Nullable(LogEvidence),
    }),
    performance: Type.Object({
      typical_memory_mb: Nullable(Type.Number()),
      typical_startup_ms: Nullable(Type.Number()),
      benchmark_results: Type.Object({}, { additionalProperties: true }),
    }),
    /** What validation found in the package; null where the package was not opened here. */
    analysis: Nullable(PackageReport),
    statistics: Type.Object({
      total_requests: Nullable(Type.Integer()),
      active_deployments: Nullable(Type.Integer()),
      average_rating: Nullable(Type.Number()),
    }),
  },
  { title: 'CellDetails' },
)
export type CellDetails = Static<typeof CellDetails>

/** Provider API, "Delete Cell". */
export const DeleteResponse = Type.Object(
  {
    status: Type.Union([Type.Literal('success'), Type.Literal('error')]),
    message: Type.String(),
    error: Type.Optional(ErrorBody),
  },
  { title: 'DeleteResponse' },
)
export type DeleteResponse = Static<typeof DeleteResponse>

/**
 * Body of `POST /api/v1/repository/cells/{cell_type}/{version}/yank`. Either the publisher's own word in `yank`, or what is to be said:
 * `reason` is needed unless a yank is undone.
 */
export const YankOrder = Type.Object(
  {
    reason: Type.Optional(YankReason),
    message: Type.Optional(YankMessage),
    /** Takes the yank back. */
    undo: Type.Optional(Type.Boolean()),
    yank: Type.Optional(YankToken),
  },
  { title: 'YankOrder', additionalProperties: false },
)
export type YankOrder = Static<typeof YankOrder>

/** Query of the same. `cell_id` chooses where this node keeps copies of several cells with that type and version. */
export const YankQuery = Type.Object({ cell_id: Type.Optional(Sha256Hex) })

export const YankAnswer = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.String(),
    cell_id: Sha256Hex,
    /** Whether that authority withdraws the cell now. */
    yanked: Type.Boolean(),
    counter: Type.Integer({ minimum: 1 }),
    by: KnownYank.properties.by,
  },
  { title: 'YankAnswer' },
)
export type YankAnswer = Static<typeof YankAnswer>
