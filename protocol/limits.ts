/**
 * Every limit of the contract, each with its unit and its reason. Limits that an operator may change are in
 * `config/default.yaml`; the ones here are part of the protocol, so that all nodes draw the same line.
 */
export const LIMITS = {
  /** Characters of a cell type, capability or label name: what `NAME_PATTERN` accepts. */
  nameLength: 128,
  /** Nesting of any JSON document that is parsed: deeper input has no use here and costs stack. */
  jsonDepth: 32,
  /** Bytes of a JSON body over HTTP: a request with a full manifest stays below 256 KiB. */
  jsonBodyBytes: 256 * 1024,
  /** Bytes of a manifest in canonical form: it travels in every answer. */
  manifestBytes: 64 * 1024,
  /** Bytes of a manifest signature token: sixteen key records with hybrid keys fit. */
  manifestSignatureBytes: 96 * 1024,
  /** Bytes of a yank token: those of a manifest signature, and the yank. */
  yankTokenBytes: 100 * 1024,
  /** Cells of which one request to a peer asks whether they are yanked: the answer with usual tokens fits a frame several times. */
  yanksPerRequest: 64,
  /** Entries of a manifest's capability list: one announcement entry each. */
  manifestCapabilities: 64,
  /** Entries of a manifest's dependency list. */
  manifestDependencies: 128,
  /** Entries of a manifest's labels. */
  manifestLabels: 64,
  /** Key records in one chain: a publisher that rotates quarterly lasts four years per signature. */
  keyRecords: 16,
  /** Bytes of a chunk: large enough to keep a link busy, small enough that a wrong one is cheap. */
  chunkBytes: 1024 * 1024,
  /** Bytes of a package: the chunk list of one this large still fits a frame. */
  packageBytes: 8 * 1024 * 1024 * 1024,
  /** Bytes of one frame on a peer stream. */
  frameBytes: 1024 * 1024,
  /** Frames in one signed batch: bounds what is buffered before a signature is seen. */
  batchFrames: 512,
  /** Bytes in one signed batch, for the same reason. */
  batchBytes: 4 * 1024 * 1024,
  /** Requests under way on one peer stream: the next one is answered `busy`. */
  requestsPerStream: 1024,
  /** Requests on one package stream that are not answered yet: two keep a sender busy, and each costs it a few bytes. */
  rangesPerStream: 4,
  /** Cells in one answer to a peer. */
  cellsPerAnswer: 8,
  /** Sets of signed records that a node tells of: a few that every node has, and those of the goals that it joined. */
  setsPerState: 256,
  /** Peer records in one exchange: enough to find the rest, too few to list a network. */
  peersPerExchange: 32,
  /** Characters of a signed peer record in base64url: one with `announcementAddresses` long addresses fits. */
  peerRecordCharacters: 8192,
  /** Contributions in one request or answer. */
  contributionsPerRequest: 16,
  /** Units of fuel of one evaluation, pages of its memory (64 KiB each), and contributors that a closed goal lists. */
  goalFuel: 10_000_000_000,
  goalMemoryPages: 1024,
  goalContributors: 1000,
  /** Bytes of a contribution's parameters: in base64url, with eight proofs and the metadata, they fit a frame. */
  contributionParameterBytes: 384 * 1024,
  /** Bytes of one of a contribution's proofs, for the same reason. */
  contributionProofBytes: 32 * 1024,
  /** Bytes of a contribution with its pack: as JSON in JSON, whatever is in its metadata, it fits a frame. */
  contributionRecordBytes: 960 * 1024,
  /** Contributions to one goal that are kept, the smallest ids: a node holds a kilobyte of each in memory, and 96 GB of the largest on disk. */
  contributionsPerGoal: 100_000,
  /** Bytes of a goal's record: the longest list of contributors, description and schema fit. */
  goalBytes: 96 * 1024,
  /** Bytes of a goal's schema (RFC 8785): each contribution is checked by it. */
  goalSchemaBytes: 16 * 1024,
  /** Bytes of an announced contribution: the record without the pack is a few hundred. */
  contributionAnnounceBytes: 4 * 1024,
  /** Records that are asked for, or offered, in one message: their ids stay far below a frame. */
  recordsPerRequest: 256,
  /** Characters of a record of a set: the largest are contributions. */
  recordCharacters: 960 * 1024,
  /** Characters of the ranges in one message of a reconciliation: 160 KiB in base64url, and a few more. */
  rangesCharacters: 216 * 1024,
  /** Messages that the opening side of a reconciliation may send: two sets that differ in hundreds need five, one that lacks 200,000 needs all. */
  syncRounds: 48,
  /** Bytes of one gossip message. */
  announcementBytes: 128 * 1024,
  /** Goals whose topic a node may be in at once: each is a mesh of its own. */
  goalTopics: 64,
  /** Bytes of a gossip message of a goal: what a contribution says, not what it brings. */
  goalMessageBytes: 64 * 1024,
  /** Bytes of a statement about a log: evidence with two checkpoints, two certificates and the longest proof takes 10 KiB. */
  logRecordBytes: 16 * 1024,
  /** Bytes of a proof file: the longest leaf takes 90 KiB, two checkpoints with sixteen post-quantum cosignatures each 130 KiB. */
  proofFileBytes: 256 * 1024,
  /** Statements about logs in one answer: as many of the longest fit a frame. */
  logRecordsPerAnswer: 60,
  /** Epochs of one node's log that are listed: a node that restores backups more often is not followed any more. */
  logEpochs: 64,
  /** Milliseconds between two checkpoints of one node that are relayed, at least. */
  checkpointIntervalMs: 1000,
  /** Cells on one page of announcements: a page with usual names stays below `announcementBytes`. */
  announcementCells: 128,
  /** Announced cells of one provider that are looked up under one name, the highest versions: more of them is no better choice. */
  announcedPerProvider: 64,
  /** Announced cells that are looked up under one name: a request looks at each of them. */
  announcedPerName: 1024,
  /** Milliseconds between the sequences of two announcements of one page, at least: who announces faster is not relayed. */
  announcementIntervalMs: 1000,
  /** Addresses in an announcement. */
  announcementAddresses: 16,
  /** Characters of the HTTP address in an announcement. */
  announcementUrl: 256,
  /** Milliseconds that an announcement may live (SECURITY: one hour). */
  announcementLifetimeMs: 60 * 60 * 1000,
  /** Milliseconds that a clock may be ahead. */
  clockSkewMs: 300 * 1000,
  /** Milliseconds that a receipt about a provider counts: as long as it takes a node to probe some sixty of them. */
  receiptLifetimeMs: 15 * 60 * 1000,
  /** Bytes of a receipt token: a usual one has 1,200. */
  receiptTokenBytes: 4096,
  /** Receipts in one answer: all that a node makes by probing in their lifetime, and those of what it asked for anyway. */
  receiptsPerAnswer: 128,
  /** Bytes of a package that a probe reads. */
  probeBytes: 64 * 1024,
  /** Characters of a reason for people in a message between peers. */
  reasonLength: 200,
  /** Dial-backs that a node makes per minute for one peer, and to one address (IPv6: /64) over all peers and ports. */
  dialBacksPerPeer: 4,
  dialBacksPerAddress: 10,
  /** Peers asked for one request, hedges and retries included. */
  askBudget: 8,
  /** Nodes that a forwarded question passes, its origin included: a partner of a partner of a partner. */
  forwardHops: 4,
  /** Capabilities that a cell may depend on, directly or not, where a request resolves them: each may be looked for in the federation. */
  lockEntries: 64,
  /** Seconds that a client may wait for an answer (`Prefer: wait=N`). */
  maxWaitSeconds: 30,
  /** Seconds that a client waits when it does not say. */
  defaultWaitSeconds: 5,
  /** Results of a list when the client does not say. */
  defaultPage: 50,
  /** Results of a list at most. */
  maxPage: 500,
  /** Cells that a search by text finds: whoever does not find it among these says more of it. */
  searchResults: 1000,
} as const
