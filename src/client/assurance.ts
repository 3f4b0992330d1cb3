import { type QueryPayload, type QueryRequest, QueryResponse, type VerificationMode } from '../../protocol/assurance.ts'
import { Batch, type BatchResult, BatchResults } from '../../protocol/batch.ts'
import {
  Operator,
  OperatorCreated,
  type OperatorCreation,
  OperatorList,
  type OperatorListQuery,
  type OperatorRotation,
} from '../../protocol/operators.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import type { OperatorKey } from '../kernel/identity/operator-request.ts'
import { ClientError } from './errors.ts'
import { type OperatorCalls, operatorCalls } from './operator-calls.ts'
import type { ProviderLookup } from './signing.ts'
import {
  type Call,
  type CallOptions,
  call,
  checked,
  errorOf,
  exchange,
  home,
  jsonBody,
  type Transport,
  withQuery,
} from './transport.ts'

/** Milliseconds for an answer: a node takes 30 s unless it is configured otherwise. */
const ANSWER_MS = 45_000
/** The same for a batch to be taken: up to 8 MiB travel and are made durable. */
const SUBMIT_MS = 120_000

/** A question. */
export interface QueryAsk {
  readonly query: string
  readonly domain: QueryPayload['context']['domain']
  readonly jurisdiction?: string | undefined
  /** Ids of constraints. */
  readonly constraints?: readonly string[] | undefined
  /** `standard` unless given. */
  readonly mode?: VerificationMode | undefined
  /** Whether the answer brings its proof. */
  readonly proof?: boolean | undefined
  /** Who asks, instead of the client's own operator. */
  readonly operator?: OperatorKey | undefined
  readonly signal?: AbortSignal | undefined
}

/** An answer with the request that it is to: a proof is about both. */
export interface QueryAnswer {
  readonly request: QueryRequest
  readonly response: QueryResponse
}

/** Whose batch it is. */
export interface AsOperator extends CallOptions {
  /** Instead of the client's own operator. */
  readonly operator?: OperatorKey | undefined
}

/** Operators, as an administrator manages them at the first node. */
export interface OperatorsClient {
  /** Registers an operator. A secret is in the answer this once. */
  create(creation: OperatorCreation, options?: CallOptions): Promise<OperatorCreated>
  /** Operators without their secrets. */
  list(query?: OperatorListQuery, options?: CallOptions): Promise<OperatorList>
  /** A new key or secret; the old one ends at once, and so does a suspension. */
  rotate(operatorId: string, rotation?: OperatorRotation, options?: CallOptions): Promise<OperatorCreated>
  /** Refuses what the operator signs, until its key is rotated. */
  suspend(operatorId: string, options?: CallOptions): Promise<Operator>
}

/** Many questions in one signed request, at the first node. */
export interface BatchClient {
  /** Sends the questions. Durable when it resolves; the answers come later. */
  submit(questions: readonly Omit<QueryAsk, 'operator' | 'signal'>[], options?: AsOperator): Promise<Batch>
  /** How many of its questions are answered. */
  status(batchId: string, options?: AsOperator): Promise<Batch>
  /** What is answered from question `offset` on, in order; page by page. */
  results(batchId: string, options?: AsOperator & { readonly offset?: number }): AsyncIterable<BatchResult>
  /** What is answered can still be read. */
  cancel(batchId: string, options?: AsOperator): Promise<Batch>
}

/** Signed questions, with answers that rest on signed documents. */
export interface AssuranceClient {
  readonly operators: OperatorsClient
  /**
   * Asks the first node, signed by the operator. Resolves with whatever it answers, a rejected answer (`status: failed`) included; rejects where
   * there is none. Nothing of it is verified here.
   */
  query(ask: QueryAsk): Promise<QueryAnswer>
  readonly batch: BatchClient
}

const schemas = {
  created: checkerOf(OperatorCreated),
  operator: checkerOf(Operator),
  operators: checkerOf(OperatorList),
  // With `response_id` it is an answer, not the refusal of a request.
  response: checkerOf(QueryResponse),
  batch: checkerOf(Batch),
  results: checkerOf(BatchResults),
}

const OPERATORS = '/api/v1/operators'
const BATCH = '/api/v1/batch'

export function assuranceClient(
  transport: Transport,
  {
    network,
    providerOf,
    operator: own,
  }: { network: string; providerOf: ProviderLookup; operator: OperatorKey | undefined },
): AssuranceClient {
  const node = home(transport)
  const ask = <T>(schema: { Check(value: unknown): value is T }, request: Call): Promise<T> =>
    call(transport, node, request).then((answer) => checked(schema, answer))
  const keyOf = (given: OperatorKey | undefined): OperatorKey => {
    const key = given ?? own
    if (key !== undefined) return key
    throw new ClientError('INVALID_ARGUMENT', 'questions are signed: give the client, or the question, an operator')
  }
  const as = (given: OperatorKey | undefined): OperatorCalls =>
    operatorCalls({ node, network, providerOf }, keyOf(given))
  const signedCall = async (method: string, path: string, { operator, signal }: AsOperator): Promise<Call> => ({
    ...(await as(operator).signed(method, path)),
    signal,
  })
  const batchAt = (batchId: string, end = ''): string => `${BATCH}/${encodeURIComponent(batchId)}${end}`
  return {
    operators: {
      create: (creation, { signal } = {}) =>
        ask(schemas.created, { method: 'POST', path: OPERATORS, signal, ...jsonBody(creation) }),
      list: (query = {}, { signal } = {}) => ask(schemas.operators, { path: withQuery(OPERATORS, query), signal }),
      rotate: (operatorId, rotation = {}, { signal } = {}) => {
        const path = `${OPERATORS}/${encodeURIComponent(operatorId)}/rotate`
        return ask(schemas.created, { method: 'POST', path, signal, ...jsonBody(rotation) })
      },
      suspend: (operatorId, { signal } = {}) =>
        ask(schemas.operator, { method: 'DELETE', path: `${OPERATORS}/${encodeURIComponent(operatorId)}`, signal }),
    },
    query: async ({ operator, signal, ...question }) => {
      const path = '/api/v1/query'
      const request = await as(operator).envelope(path, payloadOf(question))
      const answer = await exchange(transport, node, {
        method: 'POST',
        path,
        signal,
        timeoutMs: Math.max(transport.timeoutMs, ANSWER_MS),
        ...jsonBody(request),
      })
      if (schemas.response.Check(answer.body)) return { request, response: answer.body }
      if (answer.status < 200 || answer.status > 299) throw errorOf(answer)
      return { request, response: checked(schemas.response, answer) }
    },
    batch: {
      submit: async (questions, { operator, signal } = {}) => {
        const request = await as(operator).envelope(BATCH, { requests: questions.map(payloadOf) })
        const timeoutMs = Math.max(transport.timeoutMs, SUBMIT_MS)
        return ask(schemas.batch, { method: 'POST', path: BATCH, signal, timeoutMs, ...jsonBody(request) })
      },
      status: async (batchId, as = {}) => ask(schemas.batch, await signedCall('GET', batchAt(batchId, '/status'), as)),
      async *results(batchId, { offset: from = 0, ...as } = {}) {
        for (let offset: number | null = from; offset !== null; ) {
          const path = withQuery(batchAt(batchId, '/results'), { limit: PAGE, offset })
          const page: BatchResults = await ask(schemas.results, await signedCall('GET', path, as))
          yield* page.results
          offset = page.next_offset
        }
      },
      cancel: async (batchId, as = {}) => ask(schemas.batch, await signedCall('DELETE', batchAt(batchId), as)),
    },
  }
}

/** Answers of a page: with the longest ones and their proofs it stays below what a client reads. */
const PAGE = 50

function payloadOf({ query, domain, jurisdiction, constraints, mode, proof }: QueryAsk): QueryPayload {
  return {
    query,
    context: {
      domain,
      ...(jurisdiction === undefined ? {} : { jurisdiction }),
      ...(constraints === undefined ? {} : { constraints: [...constraints] }),
    },
    ...(mode === undefined ? {} : { verification_mode: mode }),
    ...(proof === undefined ? {} : { return_proof: proof }),
  }
}
