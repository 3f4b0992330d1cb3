import { randomUUID } from 'node:crypto'
import {
  ASSURANCE_ERRORS,
  type AssuranceError,
  type OperatorEnvelope,
  type QueryPayload,
  type QueryRequest,
  type QueryResponse,
} from '../../protocol/assurance.ts'
import type {
  Batch,
  BatchPayload,
  BatchRequest,
  BatchResult,
  BatchResults,
  BatchResultsQuery,
} from '../../protocol/batch.ts'
import { LIMITS } from '../../protocol/limits.ts'
import type {
  Operator,
  OperatorCreated,
  OperatorCreation,
  OperatorHeaders,
  OperatorList,
  OperatorListQuery,
  OperatorRotation,
} from '../../protocol/operators.ts'
import type { Administration, AdministrativeAct } from '../domain/access/administration.ts'
import { Batches } from '../domain/assurance/batches.ts'
import { OperatorLimits } from '../domain/assurance/operator-limits.ts'
import { OperatorRequests } from '../domain/assurance/operator-requests.ts'
import { Operators, type OperatorWitness } from '../domain/assurance/operators.ts'
import { checkPermission } from '../domain/assurance/permissions.ts'
import { errorMessage, ProviderError } from '../kernel/base/errors.ts'
import type { Part } from '../kernel/base/lifecycle.ts'
import { unlessAborted } from '../kernel/base/racing.ts'
import { operatorHeaderBytes, operatorRequestBytes } from '../kernel/identity/operator-request.ts'
import type { SecretSeal } from '../kernel/identity/sealed-secret.ts'
import type { Answerer, Arrival, Assurance, Prover, VerifiedOperator } from './assurance-api.ts'
import type { EventDelivery } from './flows/deliver-events.ts'
import { BatchRunner, batchComplete } from './flows/run-batches.ts'
import { batchTelling } from './flows/webhook-events.ts'
import type { NodeParts } from './parts.ts'

type Parts = Pick<NodeParts, 'config' | 'clock' | 'logger' | 'events' | 'keys' | 'store' | 'nonces'>

/** What is needed of an operator's request to use it up. */
interface Use {
  /** What of its operator cannot be used twice. */
  readonly id: string
  /** What it counts as. */
  readonly questions: number
}

/** Signed questions and proven answers: verifies who asks, has the answer found and proven, and works through batches. */
export class NodeAssurance implements Assurance, Part {
  readonly name = 'assurance'
  readonly batches: Assurance['batches']
  readonly #parts: Parts
  readonly #administration: Administration
  readonly #answerer: Answerer
  readonly #prover: Prover
  readonly #operators: Operators
  readonly #requests: OperatorRequests
  readonly #limits: OperatorLimits
  readonly #batches: Batches
  readonly #runner: BatchRunner

  constructor(
    parts: Parts,
    made: {
      readonly administration: Administration
      readonly seal: SecretSeal
      readonly answerer: Answerer
      readonly prover: Prover
      readonly delivery: Pick<EventDelivery, 'tellIn'>
    },
  ) {
    const { store, clock, logger } = parts
    const { tiers, batch_retention_hours, batch_bytes } = parts.config.assurance
    this.#parts = parts
    this.#administration = made.administration
    this.#answerer = made.answerer
    this.#prover = made.prover
    this.#operators = new Operators({ store, clock, logger, seal: made.seal })
    this.#requests = new OperatorRequests(this.#operators, clock)
    this.#limits = new OperatorLimits(store, clock, tiers)
    this.#batches = new Batches({
      store,
      clock,
      retentionHours: batch_retention_hours,
      maxBytes: batch_bytes,
      witness: (tx, ended) => made.delivery.tellIn(tx, batchTelling(batchComplete(ended))),
    })
    this.#runner = new BatchRunner(parts, {
      batches: this.#batches,
      operators: this.#operators,
      answer: (request, batchId, signal) => this.#answerOfBatch(request, batchId, signal),
    })
    this.batches = {
      submit: (request, from) => this.#submit(request, from),
      status: (batchId, { operator }) => this.#describe(batchId, operator),
      results: (batchId, from, query) => this.#results(batchId, from, query),
      stream: (batchId, { operator }, offset) => this.#stream(batchId, operator, offset),
      cancel: async (batchId, { operator }) => {
        this.#batches.find(batchId, operator.operator_id)
        await this.#runner.cancel(batchId)
        return this.#describe(batchId, operator)
      },
    }
  }

  async start(): Promise<void> {
    await Promise.all([this.#operators.load(), this.#limits.load()])
    await this.#runner.start()
  }

  stop(): Promise<void> {
    return this.#runner.stop()
  }

  createOperator(creation: OperatorCreation, by: string): Promise<OperatorCreated> {
    return this.#operators.create(creation, this.#loggedAs('operator_created', by))
  }

  listOperators(query: OperatorListQuery = {}): OperatorList {
    return this.#operators.list(query)
  }

  rotateOperator(operatorId: string, rotation: OperatorRotation, by: string): Promise<OperatorCreated> {
    return this.#operators.rotate(operatorId, rotation, this.#loggedAs('operator_rotated', by))
  }

  suspendOperator(operatorId: string, by: string): Promise<Operator> {
    return this.#operators.suspend(operatorId, this.#loggedAs('operator_suspended', by))
  }

  async verifyRequest(request: OperatorEnvelope, arrival: Arrival): Promise<VerifiedOperator> {
    const { operator_id: operatorId, timestamp, signature, request_id, payload } = request
    const message = operatorRequestBytes(this.#parts.config.network.name, request, this.#target(arrival))
    const operator = await this.#requests.verify({ operatorId, timestamp, message, signature })
    const questions = questionsOf(payload)
    for (const question of questions) checkPermission(operator, question)
    if (isBatch(payload)) this.#checkBatchSize(operator, questions.length)
    return this.#use(operator, { id: `request ${request_id.toLowerCase()}`, questions: Math.max(1, questions.length) })
  }

  async verifyHeaders(headers: OperatorHeaders, arrival: Arrival): Promise<VerifiedOperator> {
    const { operator_id: operatorId, ts: timestamp, nonce, signature } = headers
    const message = operatorHeaderBytes(this.#parts.config.network.name, headers, this.#target(arrival))
    const operator = await this.#requests.verify({ operatorId, timestamp, message, signature })
    return this.#use(operator, { id: `nonce ${nonce}`, questions: 1 })
  }

  async query(request: QueryRequest, { operator }: VerifiedOperator, signal: AbortSignal): Promise<QueryResponse> {
    const response = await this.#answer(request, operator, signal)
    const { request_id: requestId, response_id: responseId, status, payload } = response
    const { verification_status: verificationStatus = null, confidence = null } = payload ?? {}
    const operatorId = operator.operator_id
    const told = { operatorId, requestId, responseId, status, verificationStatus, confidence }
    this.#parts.events.emit('verification_complete', told)
    this.#tellViolation(response, operatorId)
    return response
  }

  /** Answers and proves, within the time that a question has. */
  async #answer(request: QueryRequest, operator: Operator, callers: AbortSignal): Promise<QueryResponse> {
    const timeoutMs = this.#parts.config.assurance.query_timeout_ms
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = AbortSignal.any([callers, timeout])
    try {
      return await unlessAborted(this.#answerAndProve(request, operator, signal), signal)
    } catch (error) {
      if (!timeout.aborted || callers.aborted) throw error
      throw new ProviderError('PROV_006', `no answer within ${timeoutMs / 1000} s: try again later`, { status: 503 })
    }
  }

  async #answerAndProve(request: QueryRequest, operator: Operator, signal: AbortSignal): Promise<QueryResponse> {
    const startedAt = performance.now()
    const { verification_mode: mode = 'standard', return_proof: wantsProof = false } = request.payload
    const answered = await this.#answerer.answer(operator, request.payload, { signal })
    const responseId = randomUUID()
    const timestamp = new Date(this.#parts.clock.now()).toISOString()
    const processingMs = Math.round(performance.now() - startedAt)
    const order = { request, answered, responseId, timestamp, processingMs }
    // Without it a strict answer would not say that no external proof can be had.
    const proven = wantsProof || mode !== 'standard' ? await this.#prover.prove(order, signal) : undefined
    const { status, errors } = proven ?? answered
    return {
      request_id: request.request_id,
      response_id: responseId,
      timestamp,
      status,
      payload: { ...answered.payload, metadata: { processing_time_ms: processingMs, ...answered.payload.metadata } },
      ...(proven === undefined || !wantsProof ? {} : { proof: proven.proof }),
      errors: [...errors],
    }
  }

  /** A question of a batch: what is wrong with it is its answer. */
  async #answerOfBatch(request: QueryRequest, batchId: string, signal: AbortSignal): Promise<QueryResponse> {
    const operator = this.#operators.get(request.operator_id)
    if (operator === undefined) throw new Error(`there is no operator ${request.operator_id}`)
    let response: QueryResponse
    try {
      response = await this.#answer(request, operator, signal)
    } catch (error) {
      if (signal.aborted) throw error
      if (!(error instanceof ProviderError)) {
        this.#parts.logger.error({ err: error, batch_id: batchId, request_id: request.request_id }, 'a question failed')
      }
      response = {
        request_id: request.request_id,
        response_id: randomUUID(),
        timestamp: new Date(this.#parts.clock.now()).toISOString(),
        status: 'failed',
        payload: null,
        errors: errorsOf(error),
      }
    }
    this.#tellViolation(response, request.operator_id)
    return response
  }

  async #submit(request: BatchRequest, { operator }: VerifiedOperator): Promise<Batch> {
    const id = await this.#batches.add(request)
    this.#runner.add(id)
    return this.#describe(id, operator)
  }

  async #results(
    batchId: string,
    { operator }: VerifiedOperator,
    { limit = LIMITS.defaultPage, offset = 0 }: BatchResultsQuery,
  ): Promise<BatchResults> {
    const { status, total, answered } = this.#describe(batchId, operator)
    const results: BatchResult[] = []
    let next: number | null = null
    for await (const { index, text } of this.#batches.answers(batchId, offset, limit + 1)) {
      if (results.length < limit) results.push({ index, response: JSON.parse(text) as QueryResponse })
      else next = index
    }
    return { batch_id: batchId, status, total, answered, results, next_offset: next }
  }

  #stream(batchId: string, operator: Operator, offset: number): AsyncIterable<BatchResult> {
    // Now, not when the first one is read.
    const { total } = this.#batches.find(batchId, operator.operator_id)
    return parsed(this.#batches.answers(batchId, offset, total))
  }

  #describe(batchId: string, { operator_id }: Operator): Batch {
    return this.#batches.describe(batchId, this.#batches.find(batchId, operator_id))
  }

  #tellViolation(response: QueryResponse, operatorId: string): void {
    const constraintsFailed = response.payload?.constraints_failed ?? []
    if (constraintsFailed.length === 0 && !response.errors.some(({ code }) => code === '600')) return
    const { request_id: requestId } = response
    this.#parts.events.emit('constraint_violation', { operatorId, requestId, constraintsFailed })
  }

  /** Counts a request and uses it up: after that it is one. */
  async #use(operator: Operator, { id, questions }: Use): Promise<VerifiedOperator> {
    const admission = this.#limits.admit(operator, questions)
    try {
      await this.#parts.nonces.use(`operator:${operator.operator_id}`, id, admission.count)
    } catch (error) {
      admission.undo()
      if (!(error instanceof ProviderError) || error.code !== 'PROV_004') throw error
      throw new ProviderError('PROV_007', `the ${id} was used before: each request has one of its own`)
    }
    return { operator, limit: admission.limit }
  }

  #checkBatchSize({ tier }: Operator, found: number): void {
    const allowed = this.#limits.batchSize(tier)
    if (found <= allowed) return
    const message = `found ${found} requests, allowed are ${allowed} in a batch of the tier ${tier}`
    throw new ProviderError('PROV_001', message, { status: 422 })
  }

  #target({ method, path }: Arrival): { audience: string; method: string; path: string } {
    return { audience: this.#parts.keys.providerId, method, path }
  }

  #loggedAs(act: AdministrativeAct['act'], by: string): OperatorWitness {
    return (tx, { operator_id, algorithm, public_key, permissions, tier }) =>
      this.#administration.add(tx, { act, by, details: { operator_id, algorithm, public_key, permissions, tier } })
  }
}

async function* parsed(answers: AsyncIterable<{ index: number; text: string }>): AsyncGenerator<BatchResult> {
  for await (const { index, text } of answers) yield { index, response: JSON.parse(text) as QueryResponse }
}

/** What an answer that was not given says. */
function errorsOf(error: unknown): AssuranceError[] {
  if (!(error instanceof ProviderError)) {
    return [{ code: '500', message: ASSURANCE_ERRORS[500].message, severity: 'critical' }]
  }
  const { errors } = error.details as { errors?: AssuranceError[] }
  const severity = error.status >= 500 ? 'critical' : 'error'
  return errors ?? [{ code: String(error.status), message: errorMessage(error), severity }]
}

// Payloads of other routes are looked at by those, after the signature.
const isQuery = (payload: unknown): payload is QueryPayload =>
  typeof payload === 'object' &&
  payload !== null &&
  'query' in payload &&
  'context' in payload &&
  typeof payload.context === 'object' &&
  payload.context !== null
const isBatch = (payload: unknown): payload is BatchPayload =>
  typeof payload === 'object' &&
  payload !== null &&
  'requests' in payload &&
  Array.isArray(payload.requests) &&
  payload.requests.every(isQuery)

/** What a payload asks; nothing where it is no question. */
const questionsOf = (payload: unknown): readonly QueryPayload[] =>
  isBatch(payload) ? payload.requests : isQuery(payload) ? [payload] : []
