import { type Static, Type } from 'typebox'
import { envelopeOf, QueryPayload, QueryResponse, Uuid } from './assurance.ts'
import { Timestamp } from './fields.ts'
import { LIMITS } from './limits.ts'

/** Many questions in one signed request ("API Contracts", section 5.2). */

const closed = { additionalProperties: false } as const

/** Limits of batches, each with its unit and its reason. What of them an operator may change is in `config/default.yaml`. */
export const BATCH_LIMITS = {
  /** Questions of one batch, whatever the tier: the document's largest. */
  questions: 10_000,
  /** Bytes of a batch: 10,000 questions of 800 bytes. They are read and hashed at once. */
  bytes: 8 * 1024 * 1024,
  /** Batches of one operator that are not answered yet: they are answered one after the other. */
  unfinishedPerOperator: 8,
  /** Batches that a node holds, finished ones included: a kilobyte of each is in memory. */
  batches: 2000,
  /** Questions that wait for their answer, in all batches: 1.6 GB on disk at the worst. */
  waiting: 200_000,
} as const

export const BatchId = Uuid

export const BatchPayload = Type.Object(
  { requests: Type.Array(QueryPayload, { minItems: 1, maxItems: BATCH_LIMITS.questions }) },
  { ...closed, title: 'BatchPayload' },
)
export type BatchPayload = Static<typeof BatchPayload>

/** Body of `POST /api/v1/batch`. */
export const BatchRequest = envelopeOf(BatchPayload, 'BatchRequest')
export type BatchRequest = Static<typeof BatchRequest>

const Count = Type.Integer({ minimum: 0 })

/** How far a batch is. `cancelled` is one that its operator ended, or whose operator was suspended. */
export const Batch = Type.Object(
  {
    batch_id: BatchId,
    /** Of the request that brought it. */
    request_id: Uuid,
    status: Type.Union([
      Type.Literal('queued'),
      Type.Literal('running'),
      Type.Literal('completed'),
      Type.Literal('cancelled'),
    ]),
    total: Count,
    /** Answers that can be read: the sum of the three that follow. */
    answered: Count,
    succeeded: Count,
    partial: Count,
    failed: Count,
    /** `answered / total`. */
    progress: Type.Number({ minimum: 0, maximum: 1 }),
    created_at: Timestamp,
    started_at: Type.Union([Timestamp, Type.Null()]),
    finished_at: Type.Union([Timestamp, Type.Null()]),
    /** From when on it is forgotten, with its answers; null while it is not finished. */
    expires_at: Type.Union([Timestamp, Type.Null()]),
  },
  { title: 'Batch' },
)
export type Batch = Static<typeof Batch>

/** Query of `GET /api/v1/batch/{batch_id}/results`. */
export const BatchResultsQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxPage, default: LIMITS.defaultPage })),
  /** Number of a question, the first one being 0. */
  offset: Type.Optional(Type.Integer({ minimum: 0, maximum: BATCH_LIMITS.questions, default: 0 })),
})
export type BatchResultsQuery = Static<typeof BatchResultsQuery>

/** The answer to one question of a batch: a line of `application/x-ndjson`, an entry of the page. */
export const BatchResult = Type.Object(
  {
    /** Which question, the first one being 0. */
    index: Count,
    /**
     * As `POST /api/v1/query` answers. Its `request_id` is that of the question: the first 16 bytes of SHA-256(`<request_id of the
     * batch>/<index>`) as a UUID of version 8 (RFC 9562).
     */
    response: QueryResponse,
  },
  { title: 'BatchResult' },
)
export type BatchResult = Static<typeof BatchResult>

/** Answer to `GET /api/v1/batch/{batch_id}/results`: what is answered of the questions from `offset` on, in their order. */
export const BatchResults = Type.Object(
  {
    batch_id: BatchId,
    status: Batch.properties.status,
    total: Count,
    answered: Count,
    results: Type.Array(BatchResult),
    /** `offset` of the next page; null when nothing is answered beyond this one. */
    next_offset: Type.Union([Count, Type.Null()]),
  },
  { title: 'BatchResults' },
)
export type BatchResults = Static<typeof BatchResults>
