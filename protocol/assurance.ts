import { type Static, type TSchema, Type } from 'typebox'
import { Base64Url, Digest, Name, ProviderId, SemVer, Sha256Hex, Timestamp } from './fields.ts'
import { ProofHashes } from './log.ts'
import { RoleCertificate } from './roles.ts'

/** Signed questions and answers that carry their proof ("API Contracts", sections 1 to 4 and 7). Which bytes are signed: `README.md`, "Assurance". */

const closed = { additionalProperties: false } as const

/** Limits of questions, each with its unit and its reason. */
export const ASSURANCE_LIMITS = {
  /** Characters of a query: a page of text, which is searched word by word. */
  query: 8192,
  /** Constraints of one question. */
  constraints: 32,
  /** Characters of a result, and sentences of it: what people read. */
  result: 16_384,
  sentences: 32,
  /** Records of one audit chain, one for each step: answers have about ten, and a thousand are verified in the time of a page load. */
  auditRecords: 1024,
  /** Nodes that cosigned the log of an answer, and anchors that keep it. */
  witnesses: 16,
  anchors: 8,
  /** Characters of a checkpoint of another node's log, without lines of witnesses: three lines and a signature. */
  remoteNote: 4096,
  /** Bytes of an answer with its proof, as a file. */
  fileBytes: 4 * 1024 * 1024,
  /** Citations of an answer: each sentence has one. */
  citations: 32,
} as const

/** Domains of operation. */
export const Domain = Type.Union([
  Type.Literal('legal'),
  Type.Literal('finance'),
  Type.Literal('compliance'),
  Type.Literal('medical'),
  Type.Literal('general'),
])
export type Domain = Static<typeof Domain>

/** ISO 3166 country, or a group of countries, with a subdivision where there is one: `EU`, `US-CA`. */
export const Jurisdiction = Type.String({ pattern: '^[A-Z]{2,3}(-[A-Z0-9]{1,3})?$', examples: ['US-CA'] })

export const ConstraintId = Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,127}$', examples: ['no-advice'] })
export const OperatorId = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._%+@-]{0,127}$',
  description: 'A UUID or an email address.',
  examples: ['team@example.org'],
})
export const Uuid = Type.String({
  pattern: '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$',
  examples: ['550e8400-e29b-41d4-a716-446655440000'],
})
/** ISO 8601, with `Z` or an offset. */
const SentAt = Type.String({ minLength: 20, maxLength: 35, examples: ['2026-01-31T12:00:00Z'] })

export const VerificationMode = Type.Union([Type.Literal('standard'), Type.Literal('strict'), Type.Literal('audit')])
export type VerificationMode = Static<typeof VerificationMode>

/** What is asked. Defaults: mode `standard`, no proof. */
export const QueryPayload = Type.Object(
  {
    query: Type.String({ minLength: 1, maxLength: ASSURANCE_LIMITS.query }),
    context: Type.Object(
      {
        domain: Domain,
        jurisdiction: Type.Optional(Jurisdiction),
        constraints: Type.Optional(
          Type.Array(ConstraintId, { maxItems: ASSURANCE_LIMITS.constraints, uniqueItems: true }),
        ),
      },
      closed,
    ),
    verification_mode: Type.Optional(VerificationMode),
    return_proof: Type.Optional(Type.Boolean()),
  },
  { ...closed, title: 'QueryPayload' },
)
export type QueryPayload = Static<typeof QueryPayload>

const Envelope = {
  request_id: Uuid,
  timestamp: SentAt,
  operator_id: OperatorId,
  /** base64url of an Ed25519 signature or an HMAC-SHA256, as the operator is registered. */
  signature: Type.String({ pattern: '^[A-Za-z0-9_-]{43,86}$' }),
} as const

/**
 * Any signed request of an operator, by what it carries. Signed (context `operator-request`) are all its fields but `signature`, with `aud` (provider
 * id), `method` and `path`: `README.md`, "Assurance".
 */
export interface OperatorEnvelope<Payload = unknown> {
  readonly request_id: string
  readonly timestamp: string
  readonly operator_id: string
  readonly signature: string
  readonly payload: Payload
}
/** The schema of a signed request that carries `payload`. */
export const envelopeOf = <Payload extends TSchema>(payload: Payload, title: string) =>
  Type.Object({ ...Envelope, payload }, { ...closed, title })

/** Body of `POST /api/v1/query`. */
export const QueryRequest = envelopeOf(QueryPayload, 'QueryRequest')
export type QueryRequest = Static<typeof QueryRequest>

/** Where a sentence of a result stands. */
export const Citation = Type.Object(
  {
    /** The sentence in `result`: UTF-16 code units from its beginning, end exclusive. */
    result_start: Type.Integer({ minimum: 0 }),
    result_end: Type.Integer({ minimum: 1 }),
    cell_id: Sha256Hex,
    cell_type: Name,
    version: SemVer,
    publisher: Type.String(),
    /** Of the document's bytes. */
    digest: Digest,
    /** Bytes of the document that hold the sentence, end exclusive. */
    start: Type.Integer({ minimum: 0 }),
    end: Type.Integer({ minimum: 1 }),
  },
  { ...closed, title: 'Citation' },
)
export type Citation = Static<typeof Citation>

/** What an answer was found in, and by which rules: who has the same gets the same answer. */
export const CorpusBinding = Type.Object(
  {
    /** RFC 9162 root over the ids of its cells in ascending order, each as its 32 bytes. */
    root: Sha256Hex,
    cells: Type.Integer({ minimum: 0 }),
    ranker: Type.String({ examples: ['bm25/1'] }),
    segmenter: Type.String({ examples: ['sentences/1'] }),
  },
  { ...closed, title: 'CorpusBinding' },
)
export type CorpusBinding = Static<typeof CorpusBinding>

export const VerificationStatus = Type.Union([
  Type.Literal('verified'),
  Type.Literal('rejected'),
  Type.Literal('warning'),
])
export type VerificationStatus = Static<typeof VerificationStatus>

/** What was answered. All of it but `metadata.processing_time_ms` is the same on every node that has the same sources. */
export const AnswerPayload = Type.Object(
  {
    result: Type.String({ maxLength: ASSURANCE_LIMITS.result }),
    verification_status: VerificationStatus,
    /** `README.md`, "Assurance", says how it is counted. */
    confidence: Type.Number({ minimum: 0, maximum: 1 }),
    constraints_passed: Type.Array(ConstraintId),
    constraints_failed: Type.Array(ConstraintId),
    citations: Type.Array(Citation, { maxItems: ASSURANCE_LIMITS.citations }),
    corpus: CorpusBinding,
    metadata: Type.Object(
      {
        processing_time_ms: Type.Integer({ minimum: 0 }),
        model_version: Type.String({ examples: ['extractive/1'] }),
        verification_layers: Type.Array(Type.String()),
      },
      closed,
    ),
  },
  { ...closed, title: 'AnswerPayload' },
)
export type AnswerPayload = Static<typeof AnswerPayload>

/**
 * One step of an answer. The first is `request`: its input is the signed request, its output what the operator asked (`payload`). The last is
 * `answer`: its input is the output of the record before, its output what {@link AnswerBinding} calls the result.
 */
export const AuditRecord = Type.Object(
  {
    seq: Type.Integer({ minimum: 0 }),
    /** SHA-256 of the RFC 8785 text of the record before it; zeros in the first. */
    prev_hash: Sha256Hex,
    step: Type.String({ pattern: '^[a-z_]{1,32}$' }),
    /** SHA-256 of the RFC 8785 text of what the step was given, and of what came out. */
    input_hash: Sha256Hex,
    output_hash: Sha256Hex,
    /** With milliseconds, in UTC; strictly increasing. */
    timestamp: Timestamp,
    operator_id: OperatorId,
    request_id: Uuid,
  },
  { ...closed, title: 'AuditRecord' },
)
export type AuditRecord = Static<typeof AuditRecord>

/** That a cited cell was registered: a leaf of a node's log. */
export const SourceProof = Type.Object(
  { cell_id: Sha256Hex, leaf: Base64Url, log_index: Type.Integer({ minimum: 0 }), inclusion: ProofHashes },
  closed,
)
export type SourceProof = Static<typeof SourceProof>

/** What the log of another node proves of a cited cell, of which this node has a copy: by a checkpoint of its own. */
export const RemoteSourceProof = Type.Object(
  {
    ...SourceProof.properties,
    /** Who registered the cell. */
    provider_id: ProviderId,
    /** Of the key of its log. */
    certificate: RoleCertificate,
    /** C2SP `tlog-checkpoint`, with the signatures of the log alone. */
    checkpoint: Type.String({ maxLength: ASSURANCE_LIMITS.remoteNote }),
    tree_size: Type.Integer({ minimum: 1 }),
  },
  closed,
)
export type RemoteSourceProof = Static<typeof RemoteSourceProof>

/** What an anchor said of a node's log, and that this is the log of the checkpoint. */
export const AnchorReceipt = Type.Object(
  {
    anchor: Type.String({ minLength: 1, maxLength: 128 }),
    receipt: Type.String({ maxLength: 8192 }),
    /** The log as it was committed: leaves, and their root. */
    size: Type.Integer({ minimum: 1 }),
    root: Sha256Hex,
    /** RFC 9162 §2.1.4, between that size and `tree_size`, from the smaller to the larger. */
    consistency: ProofHashes,
  },
  closed,
)
export type AnchorReceipt = Static<typeof AnchorReceipt>

/** The node's log as it was when an answer was given, with who cosigned it. */
export const AnswerLog = Type.Object(
  {
    certificate: RoleCertificate,
    /** C2SP `tlog-checkpoint`, with the lines of witnesses. */
    checkpoint: Type.String({ maxLength: 64 * 1024 }),
    tree_size: Type.Integer({ minimum: 1 }),
    /** Role `witness`; each has a line in the checkpoint. */
    witnesses: Type.Array(RoleCertificate, { maxItems: ASSURANCE_LIMITS.witnesses }),
    /** In the order in which the cells are cited first. */
    sources: Type.Array(SourceProof, { maxItems: ASSURANCE_LIMITS.citations }),
    /** Cited cells that are in the log of another node, in the order in which they are cited first. */
    elsewhere: Type.Optional(Type.Array(RemoteSourceProof, { maxItems: ASSURANCE_LIMITS.citations })),
    /** What anchors said of the log (mode `audit`). */
    anchors: Type.Optional(Type.Array(AnchorReceipt, { maxItems: ASSURANCE_LIMITS.anchors })),
  },
  { ...closed, title: 'AnswerLog' },
)
export type AnswerLog = Static<typeof AnswerLog>

/** What shows, without asking anybody, how an answer came about, and that nobody changed it since. */
export const AnswerProof = Type.Object(
  {
    audit_chain: Type.Array(AuditRecord, { minItems: 1, maxItems: ASSURANCE_LIMITS.auditRecords }),
    /** Of the records, one each, in order (context `audit-record`), base64url. */
    signatures: Type.Array(Base64Url, { minItems: 1, maxItems: ASSURANCE_LIMITS.auditRecords }),
    /** RFC 9162 root over the RFC 8785 texts of the records, lower-case hexadecimal. */
    hash_chain: Sha256Hex,
    /** Of {@link AnswerBinding} (context `answer`): the proof belongs to this answer. */
    signature: Base64Url,
    /** Key of all these signatures, at `/.well-known/public-keys.json`. */
    kid: Type.String(),
    provider_id: ProviderId,
    /** That the key is the node's: role `proof`. */
    certificate: RoleCertificate,
    /** Modes `strict` and `audit`. */
    log: Type.Optional(AnswerLog),
  },
  { ...closed, title: 'AnswerProof' },
)
export type AnswerProof = Static<typeof AnswerProof>

/** What a proof's own signature is over: everything in a response that is not in `hash_chain`. */
export interface AnswerBinding {
  readonly hash_chain: string
  readonly request_id: string
  readonly response_id: string
  /** SHA-256 of the RFC 8785 text of the signed request, with its signature. */
  readonly request_hash: string
  /** SHA-256 of the RFC 8785 text of `{status, payload, errors}`, the payload without `metadata.processing_time_ms`. */
  readonly result_hash: string
  /** Null where `payload` is. */
  readonly processing_time_ms: number | null
  /** SHA-256 of the RFC 8785 text of `log`; null without one. */
  readonly log_hash: string | null
  /** Of the response. */
  readonly timestamp: string
  readonly provider_id: string
}

const Severity = Type.Union([
  Type.Literal('info'),
  Type.Literal('warning'),
  Type.Literal('error'),
  Type.Literal('critical'),
])

/** An entry of `errors`: `code` is one of {@link ASSURANCE_ERRORS}. */
export const AssuranceError = Type.Object(
  { code: Type.String({ examples: ['601'] }), message: Type.String(), severity: Severity },
  { ...closed, title: 'AssuranceError' },
)
export type AssuranceError = Static<typeof AssuranceError>

/** What a failed call of assurance is answered with. */
export const AssuranceFailure = Type.Object(
  {
    request_id: Type.String(),
    status: Type.Literal('failed'),
    payload: Type.Null(),
    errors: Type.Array(AssuranceError, { minItems: 1 }),
  },
  { title: 'AssuranceFailure' },
)

export const ResponseStatus = Type.Union([Type.Literal('success'), Type.Literal('partial'), Type.Literal('failed')])
export type ResponseStatus = Static<typeof ResponseStatus>

/** What `POST /api/v1/query` answers: an answer, or what was wrong. */
export const QueryResponse = Type.Object(
  {
    request_id: Type.String(),
    response_id: Uuid,
    timestamp: Timestamp,
    status: ResponseStatus,
    /** Null where nothing was answered. */
    payload: Type.Union([AnswerPayload, Type.Null()]),
    proof: Type.Optional(AnswerProof),
    errors: Type.Array(AssuranceError),
  },
  { title: 'QueryResponse' },
)
export type QueryResponse = Static<typeof QueryResponse>

/**
 * The error table ("API Contracts", section 3): code, words, HTTP status. What HTTP cannot say is in the body.
 */
export const ASSURANCE_ERRORS = {
  400: { message: 'Invalid request format', status: 400, severity: 'error' },
  401: { message: 'Unauthorized operator', status: 401, severity: 'error' },
  403: { message: 'Forbidden domain access', status: 403, severity: 'error' },
  404: { message: 'Not found', status: 404, severity: 'error' },
  409: { message: 'Already exists', status: 409, severity: 'error' },
  422: { message: 'Unprocessable payload', status: 422, severity: 'error' },
  429: { message: 'Rate limit exceeded', status: 429, severity: 'error' },
  500: { message: 'Internal processing error', status: 500, severity: 'critical' },
  503: { message: 'Service temporarily unavailable', status: 503, severity: 'error' },
  550: { message: 'Verification layer failure', status: 500, severity: 'critical' },
  600: { message: 'Constraint violation', status: 422, severity: 'error' },
  601: { message: 'Hallucination detected', status: 422, severity: 'error' },
  602: { message: 'External proof unavailable', status: 200, severity: 'warning' },
  603: { message: 'Jurisdictional conflict', status: 422, severity: 'error' },
} as const
export type AssuranceCode = keyof typeof ASSURANCE_ERRORS
