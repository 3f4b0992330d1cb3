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
import { LeafCount, LogEvidence, NoteText, ProofHashes } from './log.ts'
import { Manifest, SignatureToken } from './manifest.ts'
import { YankToken } from './yank.ts'

const closed = { additionalProperties: false } as const

/** What a role key is for. The identity key itself signs only certificates, announcements and the libp2p handshake. */
export const Role = Type.Union([
  Type.Literal('wire'),
  Type.Literal('log'),
  Type.Literal('cells'),
  Type.Literal('token'),
  Type.Literal('witness'),
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

/** 32 bytes: a nonce, or an X25519 public key. */
const Bytes32 = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' })

/** What both handshake messages carry. */
const handshake = {
  sender_id: ProviderId,
  /** Who it is meant for: nobody else takes it. */
  recipient_id: ProviderId,
  timestamp: Milliseconds,
  nonce: Bytes32,
  /** X25519, used for this stream only. */
  ephemeral_key: Bytes32,
  /** Of the sender's `wire` key, by the identity that the transport authenticated. */
  certificate: RoleCertificate,
  /** By the certified key, context `handshake`. */
  signature: Base64Url,
} as const

/**
 * First frame of the node that opens a stream, and the other's answer; both stand outside batches. Both nonces and both ids make the session,
 * SHA-256(challenge nonce ‖ response nonce ‖ opener's id ‖ other's id); the ephemeral keys make its key.
 */
export const HandshakeChallenge = Type.Object({ type: Type.Literal('handshake_challenge'), ...handshake }, closed)
export const HandshakeResponse = Type.Object(
  {
    type: Type.Literal('handshake_response'),
    ...handshake,
    /** SHA-256 of the challenge's bytes, as they came. */
    challenge: Sha256Hex,
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

/** How many there are. */
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

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

/** What a node wants to know of its partners and theirs: neither who asked it nor for which device. */
export const ForwardedQuestion = Type.Object(
  {
    by: CellRequest.properties.by,
    name: Name,
    range: Type.Optional(SemVerRange),
    /** The node that asks first. */
    origin: ProviderId,
    /** 16 random bytes: with `origin` and `at`, what tells this question from every other one. */
    nonce: Base64Url,
    at: Milliseconds,
  },
  closed,
)
export type ForwardedQuestion = Static<typeof ForwardedQuestion>

/**
 * One node's part in a forward. It signs `{question, previous, next}` by its wire key (context `hop`): the SHA-256 of the question's
 * RFC 8785 bytes, the signature of the hop before (empty at the origin), and the provider id that it asks.
 */
export const Hop = Type.Object({ certificate: RoleCertificate, next: ProviderId, signature: Base64Url }, closed)
export type Hop = Static<typeof Hop>

/** Asks a partner for cells that it or its own partners hold. */
export const ForwardRequestMessage = Type.Object(
  {
    type: Type.Literal('forward_request'),
    ...Correlation,
    question: ForwardedQuestion,
    hops: Type.Array(Hop, { minItems: 1, maxItems: LIMITS.forwardHops }),
    /** Milliseconds that the asker will wait. */
    deadline_ms: Type.Integer({ minimum: 1, maximum: LIMITS.maxWaitSeconds * 1000 }),
    /** Further asks that this one may cause, in the whole tree below it. */
    budget: Type.Integer({ minimum: 0, maximum: LIMITS.askBudget }),
  },
  closed,
)
export type ForwardRequestMessage = Static<typeof ForwardRequestMessage>

export const ForwardAnswer = Type.Object(
  {
    type: Type.Literal('forward_response'),
    ...Correlation,
    cells: Type.Array(OfferedCell, { maxItems: LIMITS.cellsPerAnswer }),
    /** Where the packages can be had: the last of those who answered. Absent: at the peer that answers. */
    provider: Type.Optional(ProviderId),
    /** The least that anybody on the way trusts whom it asked. */
    trust: Type.Union([Type.Literal('trusted'), Type.Literal('limited')]),
  },
  closed,
)
export type ForwardAnswer = Static<typeof ForwardAnswer>

/** Whether the peer is alive, and how long a round trip takes. */
export const Ping = Type.Object({ type: Type.Literal('ping'), ...Correlation }, closed)
export type Ping = Static<typeof Ping>

export const Pong = Type.Object({ type: Type.Literal('pong'), ...Correlation }, closed)
export type Pong = Static<typeof Pong>

/** Name of a set of signed records. */
const SetName = Type.String({ pattern: '^[a-z0-9][a-z0-9._/-]{0,127}$' })

/** Asks for the state of what a peer shares. */
export const StateRequest = Type.Object({ type: Type.Literal('state_request'), ...Correlation }, closed)
export type StateRequest = Static<typeof StateRequest>

export const StateResponse = Type.Object(
  {
    type: Type.Literal('state_response'),
    ...Correlation,
    /** Sets of signed records that can be reconciled. */
    sets: Type.Array(
      Type.Object(
        {
          name: SetName,
          count: Count,
          /** Of a permanent set: it depends on what is in it alone. */
          root: Type.Optional(Sha256Hex),
        },
        closed,
      ),
      { maxItems: LIMITS.setsPerState },
    ),
    /** The peer's own log: leaves, and the RFC 9162 root over them. */
    log: Type.Object({ size: Count, root: Sha256Hex }, closed),
  },
  closed,
)
export type StateResponse = Static<typeof StateResponse>

/** Asks for peers that this one knows. The answer has the same type. */
export const PeerExchangeRequest = Type.Object({ type: Type.Literal('peer_exchange'), ...Correlation }, closed)
export type PeerExchangeRequest = Static<typeof PeerExchangeRequest>

export const PeerExchange = Type.Object(
  {
    type: Type.Literal('peer_exchange'),
    ...Correlation,
    /** libp2p signed envelopes (RFC 0002) of peer records (RFC 0003), each signed by the peer that it is about. */
    records: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: LIMITS.peerRecordCharacters }), {
      maxItems: LIMITS.peersPerExchange,
    }),
  },
  closed,
)
export type PeerExchange = Static<typeof PeerExchange>

/** Asks a peer to witness a log (C2SP `tlog-witness`): the checkpoint extends what that witness cosigned last. */
export const AddCheckpointRequest = Type.Object(
  {
    type: Type.Literal('add_checkpoint_request'),
    ...Correlation,
    /** Leaves of the checkpoint that the witness cosigned last; 0 when there is none. */
    old_size: LeafCount,
    /** RFC 9162 consistency proof from `old_size`. */
    proof: ProofHashes,
    /** The checkpoint as a note, signed by the log. */
    checkpoint: NoteText,
    /** Of the log's key. */
    certificate: RoleCertificate,
    /** The statement that opened the checkpoint's epoch, as text, where that is not the first. */
    epoch: Type.Optional(Type.String({ maxLength: LIMITS.logRecordBytes })),
  },
  closed,
)
export type AddCheckpointRequest = Static<typeof AddCheckpointRequest>

/** A cosignature with the certificate of its key, or a conflict, or why there is none. */
export const AddCheckpointResponse = Type.Object(
  {
    type: Type.Literal('add_checkpoint_response'),
    ...Correlation,
    /** A line of a note (C2SP `tlog-cosignature`, `cosignature/v1`), without its newline. */
    cosignature: Type.Optional(Type.String({ maxLength: 512 })),
    /** Of the witness's key. */
    certificate: Type.Optional(RoleCertificate),
    /** What the witness cosigned last, when that is not `old_size`. */
    conflict: Type.Optional(Type.Object({ size: LeafCount, checkpoint: Type.Optional(NoteText) }, closed)),
    refused: Type.Optional(
      Type.Union([
        Type.Literal('signature'),
        Type.Literal('proof'),
        Type.Literal('epoch'),
        Type.Literal('suspended'),
        Type.Literal('equivocated'),
        Type.Literal('full'),
      ]),
    ),
  },
  closed,
)
export type AddCheckpointResponse = Static<typeof AddCheckpointResponse>

/** Asks a node to prove that one checkpoint of its log extends another. */
export const ConsistencyRequest = Type.Object(
  {
    type: Type.Literal('consistency_request'),
    ...Correlation,
    /** Origin line of both. */
    origin: Type.String({ maxLength: 256 }),
    from: LeafCount,
    to: LeafCount,
  },
  closed,
)
export type ConsistencyRequest = Static<typeof ConsistencyRequest>

/** Without both fields, the proof is refused. */
export const ConsistencyResponse = Type.Object(
  {
    type: Type.Literal('consistency_response'),
    ...Correlation,
    /** What the node says its root at `from` is. */
    from_root: Type.Optional(Sha256Hex),
    hashes: Type.Optional(ProofHashes),
  },
  closed,
)
export type ConsistencyResponse = Static<typeof ConsistencyResponse>

/** Asks for the statements about logs that a peer holds (`transparency.ts`), page by page, or for those about one node. */
export const LogRecordsRequest = Type.Object(
  {
    type: Type.Literal('log_records_request'),
    ...Correlation,
    provider_id: Type.Optional(ProviderId),
    /** Continue after this provider (`next` of the answer before). */
    after: Type.Optional(ProviderId),
  },
  closed,
)
export type LogRecordsRequest = Static<typeof LogRecordsRequest>

/** Each record as the text that was signed or proven, which says by itself whether it is true. */
export const LogRecordsResponse = Type.Object(
  {
    type: Type.Literal('log_records_response'),
    ...Correlation,
    records: Type.Array(Type.String({ maxLength: LIMITS.logRecordBytes }), { maxItems: LIMITS.logRecordsPerAnswer }),
    next: Type.Optional(ProviderId),
  },
  closed,
)
export type LogRecordsResponse = Static<typeof LogRecordsResponse>

const SyncNonce = Type.String({ pattern: '^[A-Za-z0-9_-]{22}$' })
/** Ranges of ids in bytes (`README.md`, "Reconciliation"), in base64url. */
const Ranges = Type.String({ pattern: '^[A-Za-z0-9_-]*$', maxLength: LIMITS.rangesCharacters })

/**
 * Compares a set of records with a peer's. Without `ranges` it opens a session, for which `nonce` (16 random bytes) stands from then on;
 * with empty ones it ends it.
 */
export const SyncRequest = Type.Object(
  {
    type: Type.Literal('sync_request'),
    ...Correlation,
    set: SetName,
    nonce: SyncNonce,
    ranges: Type.Optional(Ranges),
  },
  closed,
)
export type SyncRequest = Static<typeof SyncRequest>

export const SyncResponse = Type.Object(
  {
    type: Type.Literal('sync_response'),
    ...Correlation,
    /** The answering side's, in the answer to the first request. */
    nonce: Type.Optional(SyncNonce),
    ranges: Ranges,
  },
  closed,
)
export type SyncResponse = Static<typeof SyncResponse>

/** Asks for records of a set. */
export const RecordsRequest = Type.Object(
  {
    type: Type.Literal('records_request'),
    ...Correlation,
    set: SetName,
    ids: Type.Array(Sha256Hex, { minItems: 1, maxItems: LIMITS.recordsPerRequest }),
  },
  closed,
)
export type RecordsRequest = Static<typeof RecordsRequest>

const RecordTexts = Type.Array(Type.String({ maxLength: LIMITS.recordCharacters }), {
  maxItems: LIMITS.recordsPerRequest,
})

/** Those that the peer still has, in the order of the request, as many as fit a frame. */
export const RecordsResponse = Type.Object(
  { type: Type.Literal('records_response'), ...Correlation, texts: RecordTexts },
  closed,
)
export type RecordsResponse = Static<typeof RecordsResponse>

/** Brings a peer records that it lacks. */
export const RecordsOffer = Type.Object(
  { type: Type.Literal('records_offer'), ...Correlation, set: SetName, texts: RecordTexts },
  closed,
)
export type RecordsOffer = Static<typeof RecordsOffer>

/** What became of a record: `ignored` is what other nodes may take all the same, `rejected` what every node would refuse. */
export const Acceptance = Type.Union([Type.Literal('accepted'), Type.Literal('ignored'), Type.Literal('rejected')])
export type Acceptance = Static<typeof Acceptance>

/** In the order of the offer; shorter where the peer did not look at the rest. */
export const RecordsOfferResponse = Type.Object(
  {
    type: Type.Literal('records_offer_response'),
    ...Correlation,
    results: Type.Array(Acceptance, { maxItems: LIMITS.recordsPerRequest }),
  },
  closed,
)
export type RecordsOfferResponse = Static<typeof RecordsOfferResponse>

/** The form of a signed receipt where it travels (`receipt.ts`). */
export const ReceiptToken = Type.String({ pattern: '^rc1\\.[A-Za-z0-9_-]+$', maxLength: LIMITS.receiptTokenBytes })

/** Asks a peer which providers it reached, by its own receipts. */
export const ReceiptsRequest = Type.Object(
  {
    type: Type.Literal('receipts_request'),
    ...Correlation,
    /** Only those that were made after this time. */
    since: Milliseconds,
  },
  closed,
)
export type ReceiptsRequest = Static<typeof ReceiptsRequest>

/** The newest first. */
export const ReceiptsResponse = Type.Object(
  {
    type: Type.Literal('receipts_response'),
    ...Correlation,
    receipts: Type.Array(ReceiptToken, { maxItems: LIMITS.receiptsPerAnswer }),
  },
  closed,
)
export type ReceiptsResponse = Static<typeof ReceiptsResponse>

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

/** Requests and the answers that belong to them. */
export interface RpcMethods {
  cell_request: { request: CellRequest; response: CellAnswerMessage }
  package_request: { request: PackageRequest; response: PackageResponse }
  announcements_request: { request: AnnouncementsRequest; response: AnnouncementsResponse }
  evidence_request: { request: EvidenceRequest; response: EvidenceResponse }
  yank_request: { request: YankRequest; response: YankResponse }
  forward_request: { request: ForwardRequestMessage; response: ForwardAnswer }
  ping: { request: Ping; response: Pong }
  state_request: { request: StateRequest; response: StateResponse }
  peer_exchange: { request: PeerExchangeRequest; response: PeerExchange }
  add_checkpoint_request: { request: AddCheckpointRequest; response: AddCheckpointResponse }
  consistency_request: { request: ConsistencyRequest; response: ConsistencyResponse }
  log_records_request: { request: LogRecordsRequest; response: LogRecordsResponse }
  sync_request: { request: SyncRequest; response: SyncResponse }
  records_request: { request: RecordsRequest; response: RecordsResponse }
  records_offer: { request: RecordsOffer; response: RecordsOfferResponse }
  receipts_request: { request: ReceiptsRequest; response: ReceiptsResponse }
  dial_back_request: { request: DialBackRequest; response: DialBackResponse }
  probe_request: { request: ProbeRequest; response: ProbeResponse }
}

export const RPC_REQUESTS = {
  cell_request: CellRequest,
  package_request: PackageRequest,
  announcements_request: AnnouncementsRequest,
  evidence_request: EvidenceRequest,
  yank_request: YankRequest,
  forward_request: ForwardRequestMessage,
  ping: Ping,
  state_request: StateRequest,
  peer_exchange: PeerExchangeRequest,
  add_checkpoint_request: AddCheckpointRequest,
  consistency_request: ConsistencyRequest,
  log_records_request: LogRecordsRequest,
  sync_request: SyncRequest,
  records_request: RecordsRequest,
  records_offer: RecordsOffer,
  receipts_request: ReceiptsRequest,
  dial_back_request: DialBackRequest,
  probe_request: ProbeRequest,
} as const

export const RPC_RESPONSES = {
  cell_request: CellAnswerMessage,
  package_request: PackageResponse,
  announcements_request: AnnouncementsResponse,
  evidence_request: EvidenceResponse,
  yank_request: YankResponse,
  forward_request: ForwardAnswer,
  ping: Pong,
  state_request: StateResponse,
  peer_exchange: PeerExchange,
  add_checkpoint_request: AddCheckpointResponse,
  consistency_request: ConsistencyResponse,
  log_records_request: LogRecordsResponse,
  sync_request: SyncResponse,
  records_request: RecordsResponse,
  records_offer: RecordsOfferResponse,
  receipts_request: ReceiptsResponse,
  dial_back_request: DialBackResponse,
  probe_request: ProbeResponse,
} as const
