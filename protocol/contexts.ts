/**
 * What a signature is for. The signed bytes are `cytoplex/<network>/<context>/v1\n` followed by the RFC 8785 bytes of the
 * object without its signature, so a signature of one kind never passes as another, nor in another network.
 */
export const CONTEXTS = {
  /** A cell's manifest, signed by a key of its publisher. */
  manifest: 'manifest',
  /** A publisher's yank of one of its cells, or its undoing. */
  yank: 'yank',
  /** A publisher's later key record, signed by the revealed recovery key. */
  keyRecord: 'key-record',
  /** A role key, certified by a node's identity. */
  roleCertificate: 'role-certificate',
  /** That a node's log goes on in a new epoch, after its store went back in time; signed by the node's identity. */
  logEpoch: 'log-epoch',
  /** One page of what a node offers, signed by the node's identity. */
  announcement: 'announcement',
  /** How two nodes begin a stream, signed by their wire keys. */
  handshake: 'handshake',
  /** The frames of one written batch on a peer stream, signed by the node's wire key. */
  batch: 'batch',
  /** A goal, signed by the identity of the node that created it. */
  goal: 'goal',
  /** A contribution to a goal, signed by its contributor. */
  contribution: 'contribution',
  /** That there is a new contribution, signed by the identity of the node that says so. */
  contributionAnnounce: 'contribution-announce',
  /** That a key vouches for a pack in a goal: `{goal, pack_hash}`, a proof of the kind `ed25519`. */
  attestation: 'attestation',
  /** An assembler's request, signed by a key of its choice: the quantum signature. */
  request: 'request',
  /** What two nodes say to each other while they become partners, signed by their token keys; and the proof that both hold the invitation. */
  partner: 'partner',
  /** A question that one node forwards to the next, signed by the wire key of each. */
  hop: 'hop',
  /** An operator's question, batch or other request; with HMAC-SHA256 over the same bytes for operators with a secret. */
  operatorRequest: 'operator-request',
  /** One step of an answer, signed by the node's proof key. */
  auditRecord: 'audit-record',
  /** That a proof belongs to an answer, signed by the node's proof key. */
  answer: 'answer',
  /** A constraint on answers, signed by whoever wrote it. */
  constraint: 'constraint',
  /** What a node found when it probed a provider, signed by its wire key. */
  receipt: 'receipt',
} as const

/** A context of the table above. */
export type SignatureContext = (typeof CONTEXTS)[keyof typeof CONTEXTS]
