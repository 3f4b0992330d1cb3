import type {
  AnswerPayload,
  AnswerProof,
  AssuranceError,
  OperatorEnvelope,
  QueryPayload,
  QueryRequest,
  QueryResponse,
  ResponseStatus,
} from '../../protocol/assurance.ts'
import type { Batch, BatchRequest, BatchResult, BatchResults, BatchResultsQuery } from '../../protocol/batch.ts'
import type {
  Operator,
  OperatorCreated,
  OperatorCreation,
  OperatorHeaders,
  OperatorList,
  OperatorListQuery,
  OperatorRotation,
} from '../../protocol/operators.ts'
import type { OperatorLimit } from '../domain/assurance/operator-limits.ts'

export { OperatorLimitError } from '../domain/assurance/operator-limits.ts'
export type { OperatorLimit }

/** Who sent a signed request that was verified, and used up. */
export interface VerifiedOperator {
  readonly operator: Operator
  /** What is left of the limit of its tier that has the fewest left; null without limits. */
  readonly limit: OperatorLimit | null
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

/** An answer that is to be proven. */
export interface ProofOrder {
  /** The signed request, whole, as it came. */
  readonly request: Pick<QueryRequest, 'request_id' | 'operator_id' | 'payload'>
  readonly answered: Answered
  /** Of the response. */
  readonly responseId: string
  readonly timestamp: string
  readonly processingMs: number
}

/** What stands in the response of an answer: status and errors as they are, unless something could not be had. */
export interface Proven {
  readonly status: ResponseStatus
  readonly errors: readonly AssuranceError[]
  readonly proof: AnswerProof
}

/** Makes the proofs of answers. */
export interface Prover {
  /**
   * Proves an answer, as its mode asks for. Status and errors are those of the answer, unless something could not be had: then they say so too
   * (`partial`, 602).
   */
  prove(order: ProofOrder, signal: AbortSignal): Promise<Proven>
}

/** Signed questions and proven answers, as the doors see them. */
export interface Assurance {
  /** The administrator's, as the next three; durable and logged when it resolves. `by` is who does it. A secret is in the answer once. */
  createOperator(creation: OperatorCreation, by: string): Promise<OperatorCreated>
  listOperators(query?: OperatorListQuery): OperatorList
  /** A new key or secret; the old one ends at once. Throws `PROV_001` with status 404, as suspending does. */
  rotateOperator(operatorId: string, rotation: OperatorRotation, by: string): Promise<OperatorCreated>
  suspendOperator(operatorId: string, by: string): Promise<Operator>
  /**
   * Verifies, uses up and counts a signed request. Throws `ProviderError`: 401, 403 for what its payload may not ask about, 409 for one that was used
   * before, 422 for a batch above the tier, 429 (an {@link OperatorLimitError} where its tier has no more).
   */
  verifyRequest(request: OperatorEnvelope, arrival: Arrival): Promise<VerifiedOperator>
  /** The same of a request without a body. */
  verifyHeaders(headers: OperatorHeaders, arrival: Arrival): Promise<VerifiedOperator>
  /** Answers a verified question, with its proof where it is asked for. Throws 503 when its time is over, and what the question is refused with. */
  query(request: QueryRequest, from: VerifiedOperator, signal: AbortSignal): Promise<QueryResponse>
  /** Many questions. Somebody else's batch is not there: `PROV_001` with status 404. */
  readonly batches: {
    /** Durable when it resolves. Throws 429 where there is no room. */
    submit(request: BatchRequest, from: VerifiedOperator): Promise<Batch>
    status(batchId: string, from: VerifiedOperator): Batch
    results(batchId: string, from: VerifiedOperator, query: BatchResultsQuery): Promise<BatchResults>
    /** All that is answered from question `offset` on, one after the other. */
    stream(batchId: string, from: VerifiedOperator, offset: number): AsyncIterable<BatchResult>
    /** What is answered stays. Ending again, or what is finished, changes nothing. */
    cancel(batchId: string, from: VerifiedOperator): Promise<Batch>
  }
}
