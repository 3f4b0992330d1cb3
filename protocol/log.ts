import { type Static, Type } from 'typebox'
import { Base64Url, Digest, Name, ProviderId, SemVer, Sha256Hex, Timestamp } from './fields.ts'
import { KnownYank, YankReason } from './yank.ts'

/**
 * Answers about transparency logs. Beside these, a log serves `checkpoint` (C2SP `tlog-checkpoint`, text) and `tile/…` (C2SP
 * `tlog-tiles`, bytes), which standard tools read.
 */

/** Number of leaves, or of one leaf from 0 on. */
export const LeafCount = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** ProofHashes of a proof: never more than two for each of the 53 bits of a count. */
export const ProofHashes = Type.Array(Sha256Hex, { maxItems: 106 })

/** A signed note with the signatures of its log and of witnesses. */
export const NoteText = Type.String({ maxLength: 8 * 1024 })

/** What a leaf of a node's own log says, as RFC 8785 bytes: who did what to which cell of its repository. */
export const LoggedAct = Type.Object(
  {
    act: Type.Union([
      Type.Literal('register'),
      Type.Literal('update'),
      Type.Literal('yank'),
      Type.Literal('unyank'),
      Type.Literal('delete'),
    ]),
    cell_id: Sha256Hex,
    cell_type: Name,
    version: SemVer,
    publisher: Sha256Hex,
    digest: Digest,
    at: Timestamp,
    /** Of a yank, and whose it is. */
    reason: Type.Optional(YankReason),
    by: Type.Optional(KnownYank.properties.by),
  },
  { title: 'LoggedAct' },
)
export type LoggedAct = Static<typeof LoggedAct>

/** `GET /api/v1/log/inclusion`. Without `tree_size`, the size of the newest checkpoint. */
export const InclusionQuery = Type.Object({ log_index: LeafCount, tree_size: Type.Optional(LeafCount) })
export type InclusionQuery = Static<typeof InclusionQuery>

/** RFC 9162 §2.1.3: the leaf is in the tree. `hashes` goes from the leaf's sibling up. */
export const InclusionProof = Type.Object(
  { log_index: LeafCount, tree_size: LeafCount, leaf_hash: Sha256Hex, hashes: ProofHashes },
  { title: 'InclusionProof' },
)
export type InclusionProof = Static<typeof InclusionProof>

/** `GET /api/v1/log/registration`. */
export const RegistrationQuery = Type.Object({
  cell_id: Sha256Hex,
  /** Whose log; this node's unless given, or that of the node that a copy here came from. Another node is asked. */
  provider_id: Type.Optional(ProviderId),
})
export type RegistrationQuery = Static<typeof RegistrationQuery>

/** `GET /api/v1/log/consistency`. Without `to`, the size of the newest checkpoint. */
export const ConsistencyQuery = Type.Object({
  from: LeafCount,
  to: Type.Optional(LeafCount),
  /** Of another node's log, which is asked for it; then `to` is needed. */
  provider_id: Type.Optional(ProviderId),
  /** Which epoch of that log; the first unless given. */
  epoch: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
})
export type ConsistencyQuery = Static<typeof ConsistencyQuery>

/** RFC 9162 §2.1.4: the tree of `from` leaves is the beginning of the tree of `to` leaves. */
export const ConsistencyProof = Type.Object(
  { from: LeafCount, to: LeafCount, hashes: ProofHashes },
  { title: 'ConsistencyProof' },
)
export type ConsistencyProof = Static<typeof ConsistencyProof>

/** All that it takes to verify offline, with the log's key, that a leaf was logged. */
export const LogEvidence = Type.Object(
  {
    /** The leaf's bytes. */
    leaf: Base64Url,
    inclusion: InclusionProof,
    /** The signed checkpoint of `inclusion.tree_size`; sixteen post-quantum signatures of witnesses fit. */
    checkpoint: Type.String({ maxLength: 64 * 1024 }),
  },
  { title: 'LogEvidence' },
)
export type LogEvidence = Static<typeof LogEvidence>

/** Agent network, "Membership Proof". `is_right` follows from `log_index`; a verifier does not depend on it. */
export const MembershipProof = Type.Object(
  {
    goal_id: Type.String(),
    log_index: LeafCount,
    leaf_hash: Sha256Hex,
    /** From the leaf up to its peak. */
    siblings: Type.Array(Type.Object({ hash: Sha256Hex, is_right: Type.Boolean() }), { maxItems: 53 }),
    /** The other peaks, tallest first. */
    peaks_bag: Type.Array(Sha256Hex, { maxItems: 53 }),
    /** Number of leaves. */
    mmr_size: LeafCount,
    log_root: Sha256Hex,
  },
  { title: 'MembershipProof' },
)
export type MembershipProof = Static<typeof MembershipProof>
