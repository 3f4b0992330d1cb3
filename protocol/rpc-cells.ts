import { type Static, Type } from 'typebox'
import { Annotations, CellStatus } from './annotations.ts'
import { Announcement } from './announcement.ts'
import { Base64Url, Correlation, Digest, Name, SemVerRange, Sha256Hex, Timestamp } from './fields.ts'
import { LIMITS } from './limits.ts'
import { LogEvidence } from './log.ts'
import { Manifest, SignatureToken } from './manifest.ts'
import { RoleCertificate } from './roles.ts'
import { YankToken } from './yank.ts'

const closed = { additionalProperties: false } as const

/** Asks a peer's own store for cells by capability or by cell type. It carries neither who asked nor for which device. */
export const CellRequest = Type.Object(
  {
    type: Type.Literal('cell_request'),
    ...Correlation,
    by: Type.Union([Type.Literal('capability'), Type.Literal('cell_type')]),
    name: Name,
    range: Type.Optional(SemVerRange),
    /** Milliseconds that the asker will wait. */
    deadline_ms: Type.Integer({ minimum: 1, maximum: LIMITS.maxWaitSeconds * 1000 }),
    /** Further asks that this one may cause. */
    budget: Type.Integer({ minimum: 0, maximum: LIMITS.askBudget }),
    limit: Type.Integer({ minimum: 1, maximum: LIMITS.cellsPerAnswer }),
  },
  closed,
)
export type CellRequest = Static<typeof CellRequest>

/** A cell as one node describes it to another. The annotations are the answering node's, not the publisher's. */
export const OfferedCell = Type.Object(
  {
    manifest: Manifest,
    signature: SignatureToken,
    status: CellStatus,
    created_at: Timestamp,
    annotations: Annotations,
  },
  closed,
)
export type OfferedCell = Static<typeof OfferedCell>

export const CellAnswerMessage = Type.Object(
  {
    type: Type.Literal('cell_response'),
    ...Correlation,
    cells: Type.Array(OfferedCell, { maxItems: LIMITS.cellsPerAnswer }),
  },
  closed,
)
export type CellAnswerMessage = Static<typeof CellAnswerMessage>

/** Asks for a package by digest: who signed it, and the digests of its chunks. */
export const PackageRequest = Type.Object(
  {
    type: Type.Literal('package_request'),
    ...Correlation,
    digest: Digest,
    /** The cell that the asker knows it by, where several have the same bytes. */
    cell_id: Type.Optional(Sha256Hex),
  },
  closed,
)
export type PackageRequest = Static<typeof PackageRequest>

export const PackageResponse = Type.Object(
  {
    type: Type.Literal('package_response'),
    ...Correlation,
    /** Absent when the peer does not hold the package. */
    cell: Type.Optional(OfferedCell),
    /** Leaf digests of the chunk tree, 32 bytes each, concatenated. */
    chunks: Type.Optional(Base64Url),
  },
  closed,
)
export type PackageResponse = Static<typeof PackageResponse>

/** Asks a newly met peer for the announcements that it holds, own and others', page by page. */
export const AnnouncementsRequest = Type.Object(
  {
    type: Type.Literal('announcements_request'),
    ...Correlation,
    /** Continue after this key (`next` of the answer before). */
    after: Type.Optional(Type.String({ maxLength: 128 })),
  },
  closed,
)
export type AnnouncementsRequest = Static<typeof AnnouncementsRequest>

export const AnnouncementsResponse = Type.Object(
  {
    type: Type.Literal('announcements_response'),
    ...Correlation,
    announcements: Type.Array(Announcement, { maxItems: 64 }),
    next: Type.Optional(Type.String({ maxLength: 128 })),
  },
  closed,
)
export type AnnouncementsResponse = Static<typeof AnnouncementsResponse>

/** Asks the provider of a cell for the proof that it registered it. */
export const EvidenceRequest = Type.Object(
  { type: Type.Literal('evidence_request'), ...Correlation, cell_id: Sha256Hex },
  closed,
)
export type EvidenceRequest = Static<typeof EvidenceRequest>

/** Without both fields, the peer did not register that cell. */
export const EvidenceResponse = Type.Object(
  {
    type: Type.Literal('evidence_response'),
    ...Correlation,
    /** Of the key that signs the checkpoints. */
    certificate: Type.Optional(RoleCertificate),
    evidence: Type.Optional(LogEvidence),
  },
  closed,
)
export type EvidenceResponse = Static<typeof EvidenceResponse>

/** Asks a peer that announces yanks for the publishers' words about these cells. */
export const YankRequest = Type.Object(
  {
    type: Type.Literal('yank_request'),
    ...Correlation,
    cells: Type.Array(Type.Object({ manifest_digest: Sha256Hex, publisher: Sha256Hex }, closed), {
      minItems: 1,
      maxItems: LIMITS.yanksPerRequest,
    }),
  },
  closed,
)
export type YankRequest = Static<typeof YankRequest>

/** What the peer has of them, in the order of the request, as many as fit a frame. */
export const YankResponse = Type.Object(
  {
    type: Type.Literal('yank_response'),
    ...Correlation,
    yanks: Type.Array(YankToken, { maxItems: LIMITS.yanksPerRequest }),
  },
  closed,
)
export type YankResponse = Static<typeof YankResponse>

/**
 * On a package stream: asks for chunks, which follow as bare bytes. The asker may send more requests for the same package while bytes are on their way,
 * at most `LIMITS.rangesPerStream` unanswered ones; they are answered in order, and after the last one the asker closes its side.
 */
export const PackageStreamRequest = Type.Object(
  {
    type: Type.Literal('package_stream'),
    digest: Digest,
    /** First chunk wanted. */
    from_chunk: Type.Integer({ minimum: 0 }),
    /** The chunk behind the last one wanted; absent: to the end. */
    to_chunk: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  closed,
)
export type PackageStreamRequest = Static<typeof PackageStreamRequest>
