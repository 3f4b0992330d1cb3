import { type Static, Type } from 'typebox'
import { Correlation, ProviderId, Sha256Hex } from './fields.ts'
import { LIMITS } from './limits.ts'
import { LeafCount, NoteText, ProofHashes } from './log.ts'
import { RoleCertificate } from './roles.ts'

const closed = { additionalProperties: false } as const

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
        Type.Literal('goal'),
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
    /** Digest of a goal: only checkpoints of nodes' logs of that goal. */
    goal: Type.Optional(Sha256Hex),
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
