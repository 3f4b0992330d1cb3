import { type Static, Type } from 'typebox'
import { Base64Url, Correlation, Milliseconds, ProviderId, Sha256Hex } from './fields.ts'
import { LIMITS } from './limits.ts'
import { RoleCertificate } from './roles.ts'

const closed = { additionalProperties: false } as const

/**
 * How far a probe came. `connect`: a connection with a handshake. `answer`: it answered a request for a cell that it announces. `describe`: it told
 * what the package is made of. `fetch`: bytes of the package came. `verify`: a chunk, or the chunk digests, were compared with what the publisher signed.
 */
const ReceiptStage = Type.Union([
  Type.Literal('connect'),
  Type.Literal('answer'),
  Type.Literal('describe'),
  Type.Literal('fetch'),
  Type.Literal('verify'),
])

/** What a node found when it asked a provider for something small. */
export const Receipt = Type.Object(
  {
    provider: ProviderId,
    /** Who asked, and signs. Never the provider itself. */
    prober: ProviderId,
    ok: Type.Boolean(),
    /** The last stage that was reached; where it is not `ok`, the one that failed. */
    stage: ReceiptStage,
    at: Milliseconds,
    /** From the request for the cell to its answer; null where none came. */
    round_trip_ms: Type.Union([Type.Integer({ minimum: 0, maximum: 600_000 }), Type.Null()]),
    /** Of the cell that was asked for. */
    manifest_digest: Sha256Hex,
  },
  closed,
)
export type Receipt = Static<typeof Receipt>

/**
 * The content of a receipt token, `rc1.<base64url(RFC 8785 bytes)>`: the receipt, the prober's `wire` certificate, and the signature of that key over
 * the receipt (context `receipt`). The SHA-256 of the token names it.
 */
export const SignedReceipt = Type.Object(
  { receipt: Receipt, certificate: RoleCertificate, signature: Base64Url },
  closed,
)
export type SignedReceipt = Static<typeof SignedReceipt>

/** The form of that token. */
export const ReceiptToken = Type.String({ pattern: '^rc1\\.[A-Za-z0-9_-]+$', maxLength: LIMITS.receiptTokenBytes })

/** Asks a peer which providers it reached, by its own receipts. */
export const ReceiptsRequest = Type.Object(
  {
    type: Type.Literal('receipts_request'),
    ...Correlation,
    /** Only those that were made after this time. */
    since: Milliseconds,
  },
  closed,
)
export type ReceiptsRequest = Static<typeof ReceiptsRequest>

/** The newest first. */
export const ReceiptsResponse = Type.Object(
  {
    type: Type.Literal('receipts_response'),
    ...Correlation,
    receipts: Type.Array(ReceiptToken, { maxItems: LIMITS.receiptsPerAnswer }),
  },
  closed,
)
export type ReceiptsResponse = Static<typeof ReceiptsResponse>
