import { randomBytes, randomUUID } from 'node:crypto'
import type { AnswerProof, AssuranceError, QueryPayload } from '../../protocol/assurance.ts'
import type { Operator, OperatorCreation } from '../../protocol/operators.ts'
import { fromBase64Url, toBase64Url } from '../../src/kernel/base/bytes.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { newSeed } from '../../src/kernel/identity/keys.ts'
import {
  type OperatorKey,
  operatorHeaderBytes,
  operatorKey,
  operatorPublicKey,
  operatorRequestBytes,
} from '../../src/kernel/identity/operator-request.ts'
import type { Answered, Answerer, Assurance, Prover } from '../../src/node/assurance-api.ts'
import { NETWORK } from './cells.ts'

const HEX = '0'.repeat(64)

/** An answer that rests on nothing. */
export const answered = (result: string, more: Partial<Answered['payload']> = {}): Answered => ({
  status: 'success',
  payload: {
    result,
    verification_status: 'verified',
    confidence: 1,
    constraints_passed: [],
    constraints_failed: [],
    citations: [],
    corpus: { root: HEX, cells: 0, ranker: 'none/1', segmenter: 'none/1' },
    metadata: { model_version: 'scripted/1', verification_layers: [] },
    ...more,
  },
  errors: [],
  steps: [],
})

/** What the scripted answerer refuses with. */
export const refusal = (code: string, status: number): ProviderError => {
  const errors: AssuranceError[] = [{ code, message: `refused with ${code}`, severity: 'error' }]
  return new ProviderError('PROV_001', `refused with ${code}`, { status, details: { errors } })
}

/**
 * Repeats the question, after `before` has let it. A question `600` has an answer that breaks the constraint `c`, `603` none, `absent` is about what is not
 * there, `late` comes too late, `fault` is a mistake, `550` one of the verification.
 */
export class ScriptedAnswerer implements Answerer {
  /** How often it was asked each question. */
  readonly asked = new Map<string, number>()
  /** What each question waits for. */
  before: (query: string, signal: AbortSignal) => Promise<void> = async () => undefined

  async answer(
    _operator: unknown,
    { query }: QueryPayload,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Answered> {
    const times = (this.asked.get(query) ?? 0) + 1
    this.asked.set(query, times)
    await this.before(query, signal)
    if (query === '603') throw refusal('603', 422)
    if (query === 'absent') throw new ProviderError('PROV_001', 'there is no constraint', { status: 404 })
    if (query === 'late') throw new ProviderError('PROV_006', 'no answer in time', { status: 503 })
    if (query === 'fault') throw new Error('a secret path: /var/lib')
    if (query === '550') throw refusal('550', 500)
    if (query !== '600') return answered(query)
    const errors: AssuranceError[] = [{ code: '600', message: 'broken', severity: 'error' }]
    const broken = answered('', { verification_status: 'rejected', constraints_failed: ['c'] })
    return { ...broken, status: 'failed', errors }
  }
}

/** Proofs of nobody. In modes `strict` and `audit` there is no external one. */
export const scriptedProver: Prover = {
  async prove({ request, answered: { status, errors } }) {
    const isStandard = (request.payload.verification_mode ?? 'standard') === 'standard'
    const unavailable: AssuranceError = { code: '602', message: 'External proof unavailable', severity: 'warning' }
    return {
      status: isStandard ? status : 'partial',
      errors: isStandard ? errors : [...errors, unavailable],
      proof: PROOF,
    }
  },
}

const PROVIDER = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'
const PROOF: AnswerProof = {
  audit_chain: [
    {
      seq: 0,
      prev_hash: HEX,
      step: 'request',
      input_hash: HEX,
      output_hash: HEX,
      timestamp: '2026-01-01T00:00:00.000Z',
      operator_id: 'o',
      request_id: '00000000-0000-4000-8000-000000000000',
    },
  ],
  signatures: ['AA'],
  hash_chain: HEX,
  signature: 'AA',
  kid: 'k',
  provider_id: PROVIDER,
  certificate: {
    provider_id: PROVIDER,
    role: 'proof',
    public_key: 'AA',
    serial: 1,
    not_before: 0,
    not_after: 1,
    signature: 'AA',
  },
}

/** A node as those who sign know it. */
export interface SignedFor {
  readonly providerId: string
  readonly assurance: Assurance
}

/** Registers an operator, and signs as it. */
export async function newOperator(
  { assurance }: Pick<SignedFor, 'assurance'>,
  more: Partial<OperatorCreation> = {},
): Promise<OperatorKey> {
  const seed = newSeed()
  const algorithm = more.algorithm ?? 'ed25519'
  const { operator_id, secret } = await assurance.createOperator(
    {
      algorithm,
      ...(algorithm === 'ed25519' ? { public_key: toBase64Url(operatorPublicKey(seed)) } : {}),
      permissions: [{ domain: 'general', jurisdictions: null }],
      tier: 'enterprise',
      ...more,
    },
    'admin',
  )
  return operatorKey(operator_id, secret === undefined ? { seed } : { secret: fromBase64Url(secret) })
}

export const question = (query: string, more: Partial<QueryPayload> = {}): QueryPayload => ({
  query,
  context: { domain: 'general' },
  ...more,
})

/** A signed request with a body, meant for a node. `at` are Unix milliseconds. */
export function signedBody<Payload extends object>(
  key: OperatorKey,
  { providerId }: Pick<SignedFor, 'providerId'>,
  path: string,
  payload: Payload,
  { at = Date.now(), requestId = randomUUID() as string, audience = providerId } = {},
) {
  const timestamp = new Date(at).toISOString()
  const body = { request_id: requestId, timestamp, operator_id: key.operatorId, payload }
  const message = operatorRequestBytes(NETWORK, body, { audience, method: 'POST', path })
  return { ...body, signature: toBase64Url(key.sign(message)) }
}

/** The headers that sign a request without a body. */
export function signedHeaders(
  key: OperatorKey,
  { providerId: audience }: Pick<SignedFor, 'providerId'>,
  method: string,
  path: string,
  { at = Date.now(), nonce = randomBytes(16).toString('base64url') } = {},
): Record<string, string> {
  const signed = { operator_id: key.operatorId, ts: new Date(at).toISOString(), nonce }
  const signature = toBase64Url(key.sign(operatorHeaderBytes(NETWORK, signed, { audience, method, path })))
  return { 'X-Operator-Id': key.operatorId, 'X-Timestamp': signed.ts, 'X-Nonce': nonce, 'X-Signature': signature }
}

const nobody = (): never => {
  throw new ProviderError('PROV_016', 'unauthorized operator')
}
const TEAM: Operator = {
  operator_id: 'team',
  algorithm: 'hmac-sha256',
  public_key: null,
  permissions: [{ domain: 'legal', jurisdictions: null }],
  tier: 'free',
  status: 'active',
  created_at: '2026-01-01T00:00:00.000Z',
  rotated_at: null,
}
/** Assurance of a node to which nobody signs rightly. */
export const NO_ASSURANCE: Assurance = {
  createOperator: async () => TEAM,
  listOperators: ({ limit = 50, offset = 0 } = {}) => ({ total: 0, limit, offset, operators: [] }),
  rotateOperator: async () => TEAM,
  suspendOperator: async () => TEAM,
  verifyRequest: async () => nobody(),
  verifyHeaders: async () => nobody(),
  query: async () => nobody(),
  batches: {
    submit: async () => nobody(),
    status: nobody,
    results: async () => nobody(),
    stream: nobody,
    cancel: async () => nobody(),
  },
}
