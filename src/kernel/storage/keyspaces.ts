/**
 * Every keyspace of the store, by number. The number is part of each key on disk: never change one, never reuse one.
 * Retired numbers stay listed here.
 */
export const KEYSPACES = {
  /** Schema version and counters. */
  meta: 1,
  /** Cell id → record, in two lines of JSON: what peers are told, and what only this node knows. */
  cells: 2,
  /** Cell id → final JSON of its answer, in the pieces that are joined when it is sent. */
  answers: 3,
  /** Cell type → its owner and versions: what was registered here. */
  types: 4,
  /** `c:<capability>` and `t:<cell type>` → posting list, best version first. */
  postings: 5,
  /** Capability → who depends on it. */
  dependents: 6,
  /** Package digest → size, chunk digests, number of cells that use it. */
  packages: 7,
  /** Package digest → what the cache policy needs to know of a pulled-through copy. */
  cached: 8,
  /** `<page>!<cell id>` → what is announced of that cell. */
  announced: 9,
  /** `<provider id>!<page>` → the newest announcement of another node, as it was signed. */
  announcements: 10,
  /** `<package digest>!<cell id>` → nothing: which cells a package belongs to. */
  packageCells: 11,
  /** Publisher → its newest key records, once it has replaced its keys. */
  publisherKeys: 12,
  /** Cell id → index of the leaf of the node's log that says that it was registered. */
  loggedCells: 13,
  /** Index of a leaf of the node's log → the administrative act that it commits to. */
  administration: 14,
  /** `<owner>\n<request id>` → a request that nobody has answered yet. */
  pendingRequests: 15,
  /** `<cell id>!<publisher>` → the publisher's newest yank; `<cell id>!operator` → what the operator of this node said. */
  yanks: 16,
  /** Cell type → the vulnerabilities that were recorded of it, in order of their ids. */
  vulnerabilities: 17,
  /** Log name → number of its leaves, and the peaks of its tree. */
  logs: 20,
  /** `<log name>!<stratum><record>` → hashes of five levels of the tree above 32 neighbours of their lowest. */
  logHashes: 21,
  /** `<log name>!<leaf index>` → the leaf as it was appended; `<log name>!<last leaf index>+` → 32 that were appended together. */
  logLeaves: 22,
  /** Day → the random key of that day's digests; deleted when no report of that day is accepted any more. */
  analyticsKeys: 30,
  /** `<day>!<digest>` → nothing: ids of reports that were counted. */
  reportIds: 31,
  /** Number → what a report adds, until the sums hold it. */
  reports: 32,
  /** `<period>!<cell type>!<version>` → sums of that hour or day; `node!<period>` → the node's own; `index!<day>` → what that day counts. */
  analytics: 33,
  /** `<period>!<cell type>!<version>` → sketch of the signatures, as long as the day has a key. */
  signatureSketches: 34,
  /** Cell type → its issues. */
  issues: 35,
  /** Key id → role, name, validity and the SHA-256 of the secret of an API key. */
  apiKeys: 40,
  /** Hash of a signing key and a nonce that it used → Unix milliseconds until which it is remembered. */
  nonces: 41,
  /** Provider id → a federation partner. */
  partners: 50,
  /** Invitation id → the key of its proofs, and what whoever uses it may do. */
  invitations: 51,
  /** Provider id → where a peer was reached, and when: whom to dial after a restart. */
  knownPeers: 53,
  /** Provider id → the score of a peer, and its ban. */
  peerScores: 52,
  /** `k!<provider id>` → what is known of another node's log; `g!<goal digest>!<provider id>` → of its log of a goal; `w!<provider id>[/<goal digest>]` → what was cosigned of it; `c!<witness>[!<goal digest>]` → its cosignature of an own log; `o!<number>` → an epoch of the own log. */
  checkpoints: 54,
  /** `policy!<id>` → what an administrator follows; `pin!<package digest>` → a package that is to be here. */
  replication: 56,
  /** `goal!<digest>` → a goal's record and who told of it; `joined!<digest>` → when its operator joined it; `counts!<digest>` → how many contributions were judged. */
  goals: 60,
  /** `<goal digest>!<contribution id>` → RFC 8785 text of a contribution and its pack. */
  contributions: 61,
  /** `<goal digest>!<contribution id>` → what this node needs to know of it without its text, and its verdict. */
  contributionStates: 62,
  /** Operator id → an operator of signed questions. */
  operators: 70,
  /** Operator id → the day, and how many questions of it were counted. */
  operatorDays: 71,
  /** `<owner>!<constraint id>` → a signed constraint; the owner is empty for those of everybody. */
  constraints: 72,
  /** `<domain>!<publisher>` → an approval of a publisher's documents. */
  approvals: 73,
  /** Batch id → a batch, and how far it is. */
  batches: 74,
  /** `<batch id>!<number>` → a question of it. */
  batchQuestions: 75,
  /** `<batch id>!<number>` → its answer. */
  batchAnswers: 76,
  /** Webhook id → where events are sent. */
  webhooks: 77,
  /** `<webhook id>!<delivery id>` → an event on its way. */
  deliveries: 78,
  /** `<webhook id>!<delivery id>` → an event that did not arrive. */
  deadLetters: 79,
  /** Cell id → a document that this node holds, as far as questions about it need: what questions are answered from. */
  documents: 80,
  /** Session id → what a session is counted by. What was said is sealed in what follows. */
  sessions: 100,
  /** `<session id>!<conversation id>` → a conversation, sealed. */
  conversations: 101,
  /** `<session id>!<conversation id>!<turn number>` → a turn, sealed. */
  turns: 102,
  /** `<session id>!<what stands for an agent's name>` → the state of the agent, sealed. */
  agentStates: 103,
  /** `<session id>!<number>` → a summary of a session that was replaced, or is the newest, sealed. */
  summaries: 104,
  /** `<session id>!<key of a text>` → the vector of a text of that session, sealed. */
  vectors: 105,
  /** Export id → an export of a session, and how far it is. */
  exports: 106,
  /** `<export id>!<number>` → a piece of its file, sealed. */
  exportPieces: 107,
  /** Session id → its key, wrapped: written once, and gone with the session. */
  sessionKeys: 108,
  /** `<anchor>!<log name>` → what was committed of that log last. */
  anchored: 90,
} as const

export type KeyspaceNumber = (typeof KEYSPACES)[keyof typeof KEYSPACES]

/** A keyspace with the form of its values. Values are text on disk. */
export interface Keyspace<Value> {
  readonly prefix: string
  encode(value: Value): string
  decode(text: string): Value
}

const prefixOf = (number: KeyspaceNumber): string => `${number.toString(36).padStart(2, '0')}!`

/** A keyspace whose values are JSON. */
export function jsonKeyspace<Value>(number: KeyspaceNumber): Keyspace<Value> {
  return {
    prefix: prefixOf(number),
    encode: (value) => JSON.stringify(value),
    decode: (text) => JSON.parse(text) as Value,
  }
}

/** A keyspace whose values are text as it is. */
export function textKeyspace(number: KeyspaceNumber): Keyspace<string> {
  return { prefix: prefixOf(number), encode: (value) => value, decode: (text) => text }
}

/** The number of the keyspace that a key on disk belongs to, and the key in it; undefined for a keyspace that no release had. */
export function keyspaceOf(physical: string): { readonly number: KeyspaceNumber; readonly key: string } | undefined {
  const number = Number.parseInt(physical.slice(0, 2), 36)
  return NUMBERS.has(number) && physical[2] === '!'
    ? { number: number as KeyspaceNumber, key: physical.slice(3) }
    : undefined
}

const NUMBERS: ReadonlySet<number> = new Set(Object.values(KEYSPACES))
