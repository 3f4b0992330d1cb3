import { type Static, Type } from 'typebox'
import { ProviderId, Sha256Hex, Timestamp } from './fields.ts'
import { LIMITS } from './limits.ts'
import { LeafCount, ProofHashes } from './log.ts'
import { RoleCertificate } from './roles.ts'

/**
 * What nodes tell each other about logs: checkpoints, epochs, and evidence that a node contradicted itself. Each statement is the RFC 8785
 * text of its object, which anybody verifies without asking anybody; it travels by gossip (topic `checkpoints`) and in
 * `log_records_response`, and is named by the SHA-256 of that text.
 */

const closed = { additionalProperties: false } as const

/** A note with one signature, the log's own; a log's name takes at most 190 characters. */
const LogNote = Type.String({ maxLength: 1024 })

/** A checkpoint with the certificate (role `log`) of the key that signed it. */
const CertifiedNote = { certificate: RoleCertificate, checkpoint: LogNote }

/** The newest checkpoint of one of a node's logs. */
export const CheckpointRecord = Type.Object(
  {
    type: Type.Literal('checkpoint'),
    provider_id: ProviderId,
    ...CertifiedNote,
    /** RFC 9162 proof from the checkpoint that was told before, for those who have it. */
    consistency: Type.Optional(Type.Object({ from: LeafCount, hashes: ProofHashes }, closed)),
  },
  { ...closed, title: 'CheckpointRecord' },
)
export type CheckpointRecord = Static<typeof CheckpointRecord>

/**
 * A node's log goes on under another origin, because what it signed before is lost to it. Signed by the node's identity (context
 * `log-epoch`); it is also the leaf at `size`, the first one of the epoch.
 */
export const EpochRecord = Type.Object(
  {
    type: Type.Literal('epoch'),
    provider_id: ProviderId,
    /** Its number; the first epoch, 1, has no statement. */
    epoch: Type.Integer({ minimum: 2, maximum: 1_000_000 }),
    at: Timestamp,
    /** Leaves with which the epoch's log begins, and their root. */
    size: LeafCount,
    root: Sha256Hex,
    /** The newest checkpoint of the epoch before that the node has learned of. */
    superseded: Type.Object(CertifiedNote, closed),
    signature: Type.String({ maxLength: 128 }),
  },
  { ...closed, title: 'EpochRecord' },
)
export type EpochRecord = Static<typeof EpochRecord>

/**
 * Two checkpoints of one origin that cannot both be true: of one size with different roots, or of two sizes with a `proof` that the
 * `second`, the larger, extends another root than that of the `first`.
 */
export const EquivocationRecord = Type.Object(
  {
    type: Type.Literal('equivocation'),
    provider_id: ProviderId,
    first: Type.Object(CertifiedNote, closed),
    second: Type.Object(CertifiedNote, closed),
    /** RFC 9162 proof from a tree of the first's size, whose root is `from_root`, to the second. */
    proof: Type.Optional(Type.Object({ from_root: Sha256Hex, hashes: ProofHashes }, closed)),
  },
  { ...closed, title: 'EquivocationRecord' },
)
export type EquivocationRecord = Static<typeof EquivocationRecord>

/** A statement about a log. */
export const LogRecord = Type.Union([CheckpointRecord, EpochRecord, EquivocationRecord])
export type LogRecord = Static<typeof LogRecord>

/** A node as a witness. */
const WitnessKey = {
  provider_id: ProviderId,
  /** Name of its key in notes. */
  name: Type.String(),
  /** The key as C2SP `signed-note` writes one, type 4. */
  vkey: Type.String(),
  /** That it is the node's: role `witness`. */
  certificate: RoleCertificate,
}

/** `GET /api/v1/log/witnesses` */
export const WitnessList = Type.Object(
  {
    /** This node as a witness of others' logs. */
    self: Type.Object(WitnessKey),
    /** Who cosigned this node's log; `size` is that of the newest checkpoint that it did. */
    witnesses: Type.Array(Type.Object({ ...WitnessKey, size: LeafCount, origin: Type.String() })),
  },
  { title: 'WitnessList' },
)
export type WitnessList = Static<typeof WitnessList>

/** `GET /api/v1/log/evidence` */
export const EvidenceQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxPage })),
  /** Continue after this provider (`next` of the answer before). */
  after: Type.Optional(ProviderId),
})
export type EvidenceQuery = Static<typeof EvidenceQuery>

/** Nodes whose logs are not to be relied on, each with the reason. */
export const EvidenceList = Type.Object(
  {
    /** Nodes that contradicted themselves, for good. */
    equivocations: Type.Array(EquivocationRecord),
    /** Where the next page of them starts; null on the last one. */
    next: Type.Union([ProviderId, Type.Null()]),
    /** Nodes that did not prove that a checkpoint of theirs extends an earlier one, until they do. At most 1,000. */
    suspended: Type.Array(Type.Object({ provider_id: ProviderId, since: Timestamp, reason: Type.String() })),
  },
  { title: 'EvidenceList' },
)
export type EvidenceList = Static<typeof EvidenceList>

/** `GET /api/v1/log/epochs`. Without `provider_id`, of this node. */
export const EpochQuery = Type.Object({ provider_id: Type.Optional(ProviderId) })
export type EpochQuery = Static<typeof EpochQuery>

/** The statements that opened epochs, oldest first; none for a log that is in its first. */
export const EpochList = Type.Object(
  {
    provider_id: ProviderId,
    /** The newest, as far as is known here. */
    epoch: Type.Integer({ minimum: 1 }),
    epochs: Type.Array(EpochRecord),
  },
  { title: 'EpochList' },
)
export type EpochList = Static<typeof EpochList>
