import { type Static, Type } from 'typebox'
import { Base64Url, Correlation, Milliseconds, Name, ProviderId, SemVerRange } from './fields.ts'
import { LIMITS } from './limits.ts'
import { RoleCertificate } from './roles.ts'
import { CellRequest, OfferedCell } from './rpc-cells.ts'

const closed = { additionalProperties: false } as const

/** What a node wants to know of its partners and theirs: neither who asked it nor for which device. */
export const ForwardedQuestion = Type.Object(
  {
    by: CellRequest.properties.by,
    name: Name,
    range: Type.Optional(SemVerRange),
    /** The node that asks first. */
    origin: ProviderId,
    /** 16 random bytes: with `origin` and `at`, what tells this question from every other one. */
    nonce: Base64Url,
    at: Milliseconds,
  },
  closed,
)
export type ForwardedQuestion = Static<typeof ForwardedQuestion>

/**
 * One node's part in a forward. It signs `{question, previous, next}` by its wire key (context `hop`): the SHA-256 of the question's
 * RFC 8785 bytes, the signature of the hop before (empty at the origin), and the provider id that it asks.
 */
export const Hop = Type.Object({ certificate: RoleCertificate, next: ProviderId, signature: Base64Url }, closed)
export type Hop = Static<typeof Hop>

/** Asks a partner for cells that it or its own partners hold. */
export const ForwardRequestMessage = Type.Object(
  {
    type: Type.Literal('forward_request'),
    ...Correlation,
    question: ForwardedQuestion,
    hops: Type.Array(Hop, { minItems: 1, maxItems: LIMITS.forwardHops }),
    /** Milliseconds that the asker will wait. */
    deadline_ms: Type.Integer({ minimum: 1, maximum: LIMITS.maxWaitSeconds * 1000 }),
    /** Further asks that this one may cause, in the whole tree below it. */
    budget: Type.Integer({ minimum: 0, maximum: LIMITS.askBudget }),
  },
  closed,
)
export type ForwardRequestMessage = Static<typeof ForwardRequestMessage>

export const ForwardAnswer = Type.Object(
  {
    type: Type.Literal('forward_response'),
    ...Correlation,
    cells: Type.Array(OfferedCell, { maxItems: LIMITS.cellsPerAnswer }),
    /** Where the packages can be had: the last of those who answered. Absent: at the peer that answers. */
    provider: Type.Optional(ProviderId),
    /** The least that anybody on the way trusts whom it asked. */
    trust: Type.Union([Type.Literal('trusted'), Type.Literal('limited')]),
  },
  closed,
)
export type ForwardAnswer = Static<typeof ForwardAnswer>
