import type {
  AnswerPayload,
  AssuranceError,
  QueryPayload,
  QueryRequest,
  QueryResponse,
  ResponseStatus,
} from '../../protocol/assurance.ts'
import type { Operator, OperatorCreation } from '../../protocol/operators.ts'

/** Who sent a signed request that was verified, and used up. */
export interface VerifiedOperator {
  readonly operator: Operator
  /** What its tier has left in the minute that has the fewest left; null without limits. */
  readonly limit: { readonly limit: number; readonly remaining: number; readonly resetAt: number } | null
}

/** How a signed request arrived. */
export interface Arrival {
  readonly method: string
  /** With the query. */
  readonly path: string
}

/** One step of an answer: what it was given and what came out, as JSON values that are hashed. */
export interface AnswerStep {
  readonly step: string
  readonly input: unknown
  readonly output: unknown
}

/** An answer before it is proven: the same on every node that has the same sources. */
export interface Answered {
  readonly status: ResponseStatus
  readonly payload: Omit<AnswerPayload, 'metadata'> & {
    readonly metadata: Omit<AnswerPayload['metadata'], 'processing_time_ms'>
  }
  readonly errors: readonly AssuranceError[]
  readonly steps: readonly AnswerStep[]
}

/** Answers questions from the documents of this node. */
export interface Answerer {
  /**
   * Answers a question of an operator that may ask it. `cold`: past every cache, as a second pass in mode `strict`. Throws `ProviderError` with
   * `details.errors` for what is no question here (422, 603, 404 of constraints).
   */
  answer(
    operator: Operator,
    payload: QueryPayload,
    options: { readonly signal: AbortSignal; readonly cold?: boolean },
  ): Promise<Answered>
}

/** Signed questions and proven answers, as the doors see them. */
export interface Assurance {
  /** The administrator's. `secret` is there once, for `hmac-sha256`. */
  createOperator(
    creation: OperatorCreation,
    by: string,
  ): Promise<{ readonly operator: Operator; readonly secret?: string }>
  listOperators(): Operator[]
  /** A new key or secret; the old one ends at once. */
  rotateOperator(
    operatorId: string,
    key: { readonly public_key?: string },
    by: string,
  ): Promise<{ readonly operator: Operator; readonly secret?: string }>
  suspendOperator(operatorId: string, by: string): Promise<Operator>
  /** Verifies, uses up and counts a signed request: 401, 403, 409, 429. */
  verifyRequest(
    request: {
      readonly request_id: string
      readonly timestamp: string
      readonly operator_id: string
      readonly signature: string
      readonly payload: unknown
    },
    arrival: Arrival,
  ): Promise<VerifiedOperator>
  /** Answers a verified question, with its proof where it is asked for. */
  query(request: QueryRequest, from: VerifiedOperator, signal: AbortSignal): Promise<QueryResponse>
}
