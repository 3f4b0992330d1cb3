import { type Static, Type } from 'typebox'
import { Annotations, CellStatus } from './annotations.ts'
import { Announcement } from './announcement.ts'
import {
  Base64Url,
  Digest,
  Milliseconds,
  Name,
  ProviderId,
  SemVer,
  SemVerRange,
  Sha256Hex,
  Timestamp,
} from './fields.ts'
import { LIMITS } from './limits.ts'
import { LogEvidence } from './log.ts'
import { Manifest, SignatureToken } from './manifest.ts'
import { YankToken } from './yank.ts'

const closed = { additionalProperties: false } as const

/** What a role key is for. The identity key itself signs only certificates, announcements and the libp2p handshake. */
export const Role = Type.Union([
  Type.Literal('wire'),
  Type.Literal('log'),
  Type.Literal('cells'),
  Type.Literal('token'),
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

/**
 * First frame of the node that opens a stream, and the other's answer. Both nonces and both ids make the session:
 * SHA-256(challenge nonce ‖ response nonce ‖ opener's id ‖ other's id). These two frames stand outside batches;
 * the certificate inside is signed by the identity that the transport authenticated.
 */
export const HandshakeChallenge = Type.Object(
  {
    type: Type.Literal('handshake_challenge'),
    sender_id: ProviderId,
    timestamp: Milliseconds,
    nonce: Base64Url,
    certificate: RoleCertificate,
  },
  closed,
)
export const HandshakeResponse = Type.Object(
  {
    type: Type.Literal('handshake_response'),
    sender_id: ProviderId,
    timestamp: Milliseconds,
    nonce: Base64Url,
    certificate: RoleCertificate,
  },
  closed,
)
export type HandshakeChallenge = Static<typeof HandshakeChallenge>
export type HandshakeResponse = Static<typeof HandshakeResponse>

/**
 * Closes a batch: signs every frame since the batch before (context `batch`, over `{session, from, sequence, count, root}`).
 * `root` is the RFC 9162 tree root over the frames' bytes. A receiver acts on no frame before it has verified this one.
 */
export const BatchSignature = Type.Object(
  {
    type: Type.Literal('batch'),
    sequence: Type.Integer({ minimum: 0 }),
    count: Type.Integer({ minimum: 1, maximum: LIMITS.batchFrames }),
    signature: Base64Url,
  },
  closed,
)
export type BatchSignature = Static<typeof BatchSignature>

const Correlation = { id: Type.Integer({ minimum: 0, maximum: 0xffffffff }) }

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
 * Asks a peer to connect to this node, at the address that the peer sees it at and at this port. The peer dials no other address, over a new
 * connection, as far as the handshake of the standing stream.
 */
export const DialBackRequest = Type.Object(
  { type: Type.Literal('dial_back_request'), ...Correlation, port: Type.Integer({ minimum: 1, maximum: 65535 }) },
  closed,
)
export type DialBackRequest = Static<typeof DialBackRequest>

/** How far a peer got that was asked to dial back. */
export const DialBackResponse = Type.Object(
  {
    type: Type.Literal('dial_back_response'),
    ...Correlation,
    ok: Type.Boolean(),
    /** Multiaddr that was dialled, or would have been; absent where the peer sees none. */
    address: Type.Optional(Type.String({ maxLength: 256 })),
    /** What failed: nothing was tried, no connection, no encryption with this node at the other end, no stream, no handshake. */
    stage: Type.Optional(
      Type.Union([
        Type.Literal('refused'),
        Type.Literal('connect'),
        Type.Literal('encrypt'),
        Type.Literal('protocol'),
        Type.Literal('handshake'),
      ]),
    ),
    /** For people. */
    reason: Type.Optional(Type.String({ maxLength: LIMITS.reasonLength })),
    /** The answering peer's clock. */
    time: Milliseconds,
  },
  closed,
)
export type DialBackResponse = Static<typeof DialBackResponse>

/** Asks a peer to look for a cell of this node as for anybody's: in what it heard announced, and by asking this node for it and its last chunk. */
export const ProbeRequest = Type.Object(
  {
    type: Type.Literal('probe_request'),
    ...Correlation,
    capability: Name,
    /** Of the capability. */
    version: SemVer,
    cell_id: Sha256Hex,
    digest: Digest,
  },
  closed,
)
export type ProbeRequest = Static<typeof ProbeRequest>

/** What the peer found. */
export const ProbeResponse = Type.Object(
  {
    type: Type.Literal('probe_response'),
    ...Correlation,
    /** Whether it looked: it does so once a minute for one peer. */
    tried: Type.Boolean(),
    /** It holds an announcement of this node with that cell. */
    announced: Type.Boolean(),
    /** This node offered the cell, and the offer verified. */
    resolved: Type.Boolean(),
    /** The last chunk arrived, and is the one that the publisher signed. */
    fetched: Type.Boolean(),
    /** Why the first of these that is false is so. */
    reason: Type.Optional(Type.String({ maxLength: LIMITS.reasonLength })),
  },
  closed,
)
export type ProbeResponse = Static<typeof ProbeResponse>

/** Any request may be answered with this. */
export const ErrorMessage = Type.Object(
  {
    type: Type.Literal('error'),
    ...Correlation,
    code: Type.Union([Type.Literal('bad_request'), Type.Literal('busy'), Type.Literal('internal')]),
    message: Type.String({ maxLength: 512 }),
  },
  closed,
)
export type ErrorMessage = Static<typeof ErrorMessage>

/** First frame of a package stream; the bytes follow, chunk after chunk, and then the stream ends. */
export const PackageStreamRequest = Type.Object(
  {
    type: Type.Literal('package_stream'),
    digest: Digest,
    /** First chunk wanted. */
    from_chunk: Type.Integer({ minimum: 0 }),
  },
  closed,
)
export type PackageStreamRequest = Static<typeof PackageStreamRequest>

/** Requests and the answers that belong to them. */
export interface RpcMethods {
  cell_request: { request: CellRequest; response: CellAnswerMessage }
  package_request: { request: PackageRequest; response: PackageResponse }
  announcements_request: { request: AnnouncementsRequest; response: AnnouncementsResponse }
  evidence_request: { request: EvidenceRequest; response: EvidenceResponse }
  yank_request: { request: YankRequest; response: YankResponse }
  dial_back_request: { request: DialBackRequest; response: DialBackResponse }
  probe_request: { request: ProbeRequest; response: ProbeResponse }
}

export const RPC_REQUESTS = {
  cell_request: CellRequest,
  package_request: PackageRequest,
  announcements_request: AnnouncementsRequest,
  evidence_request: EvidenceRequest,
  yank_request: YankRequest,
  dial_back_request: DialBackRequest,
  probe_request: ProbeRequest,
} as const

export const RPC_RESPONSES = {
  cell_request: CellAnswerMessage,
  package_request: PackageResponse,
  announcements_request: AnnouncementsResponse,
  evidence_request: EvidenceResponse,
  yank_request: YankResponse,
  dial_back_request: DialBackResponse,
  probe_request: ProbeResponse,
} as const
