import { type Static, Type } from 'typebox'
import { ProviderId } from './fields.ts'
import { LeafCount, ProofHashes } from './log.ts'
import { RoleCertificate } from './roles.ts'

/** All that it takes to verify without asking anybody that a leaf is in a node's log: `README.md`, "Proof files". */

const closed = { additionalProperties: false } as const

/** A signed note with the log's signature and any number of lines of witnesses; sixteen post-quantum ones fit. */
const SignedNote = Type.String({ maxLength: 64 * 1024 })

/** A proof file. What it holds is JSON with a single meaning, at most `LIMITS.proofFileBytes` long. */
export const ProofFile = Type.Object(
  {
    type: Type.Literal('log_proof'),
    format: Type.Literal(1),
    /** Network of the certificates. */
    network: Type.String({ minLength: 1, maxLength: 64 }),
    /** The node whose log it is. */
    provider_id: ProviderId,
    /** That the key of the log is the node's: role `log`. */
    certificate: RoleCertificate,
    /** C2SP `tlog-checkpoint` of `tree_size`; its origin says which log of the node it is. */
    checkpoint: SignedNote,
    /** That the keys of witnesses are theirs: role `witness`. The checkpoint has a line of each. */
    witnesses: Type.Optional(Type.Array(RoleCertificate, { minItems: 1, maxItems: 16 })),
    /** The leaf's bytes. */
    leaf: Type.String({ pattern: '^[A-Za-z0-9_-]*$' }),
    log_index: LeafCount,
    tree_size: LeafCount,
    /** RFC 9162 §2.1.3: from the leaf's sibling up to the root. */
    inclusion: ProofHashes,
    /** The same in the form of a Merkle Mountain Range: from the leaf up to its peak, then the other peaks, tallest first. */
    mmr: Type.Object({ siblings: ProofHashes, peaks: ProofHashes }, closed),
    /** An earlier checkpoint of the same log, and RFC 9162 §2.1.4: the later tree begins with the earlier one. */
    older: Type.Optional(
      Type.Object({ certificate: RoleCertificate, checkpoint: SignedNote, consistency: ProofHashes }, closed),
    ),
  },
  { ...closed, title: 'ProofFile' },
)
export type ProofFile = Static<typeof ProofFile>
