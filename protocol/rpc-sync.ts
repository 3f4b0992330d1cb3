import { type Static, Type } from 'typebox'
import { Correlation, Sha256Hex } from './fields.ts'
import { LIMITS } from './limits.ts'

const closed = { additionalProperties: false } as const

/** How many there are. */
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** Name of a set of signed records. */
const SetName = Type.String({ pattern: '^[a-z0-9][a-z0-9._/-]{0,127}$' })

/** Asks for the state of what a peer shares. */
export const StateRequest = Type.Object({ type: Type.Literal('state_request'), ...Correlation }, closed)
export type StateRequest = Static<typeof StateRequest>

export const StateResponse = Type.Object(
  {
    type: Type.Literal('state_response'),
    ...Correlation,
    /** Sets of signed records that can be reconciled. */
    sets: Type.Array(
      Type.Object(
        {
          name: SetName,
          count: Count,
          /** Of a permanent set: it depends on what is in it alone. */
          root: Type.Optional(Sha256Hex),
        },
        closed,
      ),
      { maxItems: LIMITS.setsPerState },
    ),
    /** The peer's own log: leaves, and the RFC 9162 root over them. */
    log: Type.Object({ size: Count, root: Sha256Hex }, closed),
  },
  closed,
)
export type StateResponse = Static<typeof StateResponse>

const SyncNonce = Type.String({ pattern: '^[A-Za-z0-9_-]{22}$' })
/** Ranges of ids in bytes (`README.md`, "Reconciliation"), in base64url. */
const Ranges = Type.String({ pattern: '^[A-Za-z0-9_-]*$', maxLength: LIMITS.rangesCharacters })

/**
 * Compares a set of records with a peer's. Without `ranges` it opens a session, for which `nonce` (16 random bytes) stands from then on;
 * with empty ones it ends it.
 */
export const SyncRequest = Type.Object(
  {
    type: Type.Literal('sync_request'),
    ...Correlation,
    set: SetName,
    nonce: SyncNonce,
    ranges: Type.Optional(Ranges),
  },
  closed,
)
export type SyncRequest = Static<typeof SyncRequest>

export const SyncResponse = Type.Object(
  {
    type: Type.Literal('sync_response'),
    ...Correlation,
    /** The answering side's, in the answer to the first request. */
    nonce: Type.Optional(SyncNonce),
    ranges: Ranges,
  },
  closed,
)
export type SyncResponse = Static<typeof SyncResponse>

/** Asks for records of a set. */
export const RecordsRequest = Type.Object(
  {
    type: Type.Literal('records_request'),
    ...Correlation,
    set: SetName,
    ids: Type.Array(Sha256Hex, { minItems: 1, maxItems: LIMITS.recordsPerRequest }),
  },
  closed,
)
export type RecordsRequest = Static<typeof RecordsRequest>

const RecordTexts = Type.Array(Type.String({ maxLength: LIMITS.recordCharacters }), {
  maxItems: LIMITS.recordsPerRequest,
})

/** Those that the peer still has, in the order of the request, as many as fit a frame. */
export const RecordsResponse = Type.Object(
  { type: Type.Literal('records_response'), ...Correlation, texts: RecordTexts },
  closed,
)
export type RecordsResponse = Static<typeof RecordsResponse>

/** Brings a peer records that it lacks. */
export const RecordsOffer = Type.Object(
  { type: Type.Literal('records_offer'), ...Correlation, set: SetName, texts: RecordTexts },
  closed,
)
export type RecordsOffer = Static<typeof RecordsOffer>

/** What became of a record: `ignored` is what other nodes may take all the same, `rejected` what every node would refuse. */
export const Acceptance = Type.Union([Type.Literal('accepted'), Type.Literal('ignored'), Type.Literal('rejected')])
export type Acceptance = Static<typeof Acceptance>

/** In the order of the offer; shorter where the peer did not look at the rest. */
export const RecordsOfferResponse = Type.Object(
  {
    type: Type.Literal('records_offer_response'),
    ...Correlation,
    results: Type.Array(Acceptance, { maxItems: LIMITS.recordsPerRequest }),
  },
  closed,
)
export type RecordsOfferResponse = Static<typeof RecordsOfferResponse>
