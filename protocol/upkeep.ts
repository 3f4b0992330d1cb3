import { type Static, Type } from 'typebox'
import { Digest, ProviderId, Sha256Hex, Timestamp } from './fields.ts'
import { LeafCount } from './log.ts'
import { RoleCertificate } from './roles.ts'

const Count = Type.Integer({ minimum: 0 })

/** The end of a node's log, signed: who restores a backup sees that the log in it is what was signed. */
export const LogEnd = Type.Object({
  size: LeafCount,
  root: Sha256Hex,
  certificate: RoleCertificate,
  /** C2SP `tlog-checkpoint`. */
  checkpoint: Type.String({ maxLength: 16_384 }),
})
export type LogEnd = Static<typeof LogEnd>

/**
 * The first line of a snapshot. After it comes every record of the store as a line `["key","value"]`, in order of keys, and at the end a
 * {@link SnapshotEnd}.
 */
export const SnapshotHead = Type.Object({
  format: Type.Literal(1),
  network: Type.String({ maxLength: 64 }),
  provider_id: ProviderId,
  /** Of the store. */
  schema_version: Type.Integer({ minimum: 1 }),
  software_version: Type.String({ maxLength: 64 }),
  at: Timestamp,
  log: LogEnd,
})
export type SnapshotHead = Static<typeof SnapshotHead>

/** The last line of a snapshot: one without it is not whole. */
export const SnapshotEnd = Type.Object({
  /** Records before it. */
  entries: Count,
  /** SHA-256 of all lines before it, line feeds included. */
  sha256: Sha256Hex,
})
export type SnapshotEnd = Static<typeof SnapshotEnd>

/** What `cytoplex fsck` is to do. */
export const FsckOrder = Type.Object(
  {
    /** Mend what can be mended: fetch damaged packages from peers, make derived records anew. */
    repair: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
export type FsckOrder = Static<typeof FsckOrder>

/** What is looked at, in this order. */
export const FsckStage = Type.Union([
  Type.Literal('logs'),
  Type.Literal('records'),
  Type.Literal('cells'),
  Type.Literal('indexes'),
  Type.Literal('yanks'),
  Type.Literal('packages'),
])
export type FsckStage = Static<typeof FsckStage>

/** Something that is wrong. */
export const FsckFinding = Type.Object({
  type: Type.Literal('finding'),
  stage: FsckStage,
  /** What it is about: a cell id, a digest, the name of a log or a key. */
  subject: Type.String(),
  problem: Type.String(),
  /** Whether it was mended. */
  repaired: Type.Boolean(),
})
export type FsckFinding = Static<typeof FsckFinding>

const FsckProgress = Type.Object({ type: Type.Literal('progress'), stage: FsckStage, checked: Count })

/** The last line of a check. */
const FsckSummary = Type.Object({
  type: Type.Literal('summary'),
  /** How many things were looked at, stage by stage. */
  checked: Type.Record(Type.String(), Count),
  findings: Count,
  /** Findings that were mended. */
  repaired: Count,
})

/** A line of the answer to `POST /api/v1/fsck`. */
export const FsckLine = Type.Union([FsckProgress, FsckFinding, FsckSummary])
export type FsckLine = Static<typeof FsckLine>

/** What nothing refers to any more. */
export const GarbageReport = Type.Object(
  {
    dry_run: Type.Boolean(),
    /** By what they are. */
    found: Type.Array(Type.Object({ what: Type.String(), count: Count, bytes: Count })),
    count: Count,
    bytes: Count,
  },
  { title: 'GarbageReport' },
)
export type GarbageReport = Static<typeof GarbageReport>

/** What a bundle is to hold. */
export const BundleOrder = Type.Object(
  {
    /** `cell-type`, `cell-type@range` or `capability:name`, also with a range; everything unless given. */
    cells: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 300 }), { minItems: 1, maxItems: 1000 })),
    /** Only cells that the log registered, and yanks that it noted, after its first `size` leaves, whose root was `root`. */
    since: Type.Optional(Type.Object({ size: LeafCount, root: Type.Optional(Sha256Hex) })),
  },
  { additionalProperties: false, title: 'BundleOrder' },
)
export type BundleOrder = Static<typeof BundleOrder>

/** `bundle.json`, the first entry of a bundle. */
export const BundleHead = Type.Object({
  format: Type.Literal(1),
  network: Type.String({ maxLength: 64 }),
  /** Who made it. Nothing is believed because of that. */
  provider_id: ProviderId,
  at: Timestamp,
  /** How far the log of that node was; the next delta begins here. */
  log: LogEnd,
  since: Type.Union([LeafCount, Type.Null()]),
  cells: Count,
  yanks: Count,
  /** `capability range` that cells in it depend on, and that no cell in it offers. */
  missing: Type.Array(Type.String({ maxLength: 400 }), { maxItems: 10_000 }),
})
export type BundleHead = Static<typeof BundleHead>

/** What became of a part of a bundle. */
export const BundleItem = Type.Object({
  kind: Type.Union([Type.Literal('cell'), Type.Literal('yank'), Type.Literal('publisher')]),
  /** `cell-type@version`, or an id where that is not known. */
  name: Type.String(),
  digest: Type.Optional(Digest),
  outcome: Type.Union([Type.Literal('added'), Type.Literal('known'), Type.Literal('refused')]),
  reason: Type.Optional(Type.String()),
})
export type BundleItem = Static<typeof BundleItem>

/** What an import did, or with `dry_run` would do. */
export const BundleReport = Type.Object(
  {
    dry_run: Type.Boolean(),
    bundle: BundleHead,
    added: Count,
    known: Count,
    refused: Count,
    /** What was added or refused, the first thousand. */
    items: Type.Array(BundleItem, { maxItems: 1000 }),
  },
  { title: 'BundleReport' },
)
export type BundleReport = Static<typeof BundleReport>
