import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { envelopeOf, type OperatorEnvelope } from '../../protocol/assurance.ts'
import { type OperatorHeaders, OperatorHeaders as OperatorHeadersSchema } from '../../protocol/operators.ts'
import { ProviderError } from '../kernel/base/errors.ts'
import type { ProviderNode } from '../node/api.ts'
import { OperatorLimitError, type VerifiedOperator } from '../node/assurance-api.ts'
import type { HttpContext } from './route.ts'
import { compileCheck } from './validation.ts'

/** Headers of a signed request without a body, with what they hold. */
export const SIGNATURE_HEADERS = {
  'X-Operator-Id': 'who asks',
  'X-Timestamp': 'when it was signed, ISO 8601',
  'X-Nonce': '128 random bits or more, base64url; once for each request',
  'X-Signature': 'over `{aud, method, path, ts, nonce, operator_id}`, base64url',
} as const

const checkHeaders = compileCheck(OperatorHeadersSchema, 'headers')
const checkEnvelope = compileCheck(envelopeOf(Type.Unknown(), 'OperatorRequest'), 'body')

/** Who signed a request in its body, which has the form of an envelope. What its tier has left is in the answer's headers. Throws as the node does. */
export const signerOfBody = (
  { assurance }: Pick<ProviderNode, 'assurance'>,
  request: FastifyRequest,
): Promise<VerifiedOperator> =>
  limited(request, () =>
    assurance.verifyRequest(request.body as OperatorEnvelope, { method: request.method, path: request.url }),
  )

/** The same of a request that is signed in its headers. `PROV_016` where they are not all there. */
export const signerOfHeaders = (
  { assurance }: Pick<ProviderNode, 'assurance'>,
  request: FastifyRequest,
): Promise<VerifiedOperator> =>
  limited(request, () => assurance.verifyHeaders(headersOf(request), { method: request.method, path: request.url }))

/** The operator who signed a request, in its body or its headers; undefined where nobody did. Throws for a signature that does not count. */
export async function operatorOf({ node }: HttpContext, request: FastifyRequest): Promise<string | undefined> {
  const { body, headers } = request
  const inBody = typeof body === 'object' && body !== null && 'signature' in body && 'operator_id' in body
  if (!inBody && headers['x-operator-id'] === undefined) return undefined
  // Such a route takes the administrator's bodies too, and looks at them after this.
  const error = inBody ? checkEnvelope(body) : undefined
  if (error !== undefined) throw error
  const { operator } = await (inBody ? signerOfBody : signerOfHeaders)(node, request)
  return operator.operator_id
}

function headersOf({ headers }: FastifyRequest): OperatorHeaders {
  const value = {
    operator_id: headers['x-operator-id'],
    ts: headers['x-timestamp'],
    nonce: headers['x-nonce'],
    signature: headers['x-signature'],
  }
  if (Object.values(value).includes(undefined)) {
    const message = `this needs an operator's signature: the headers ${Object.keys(SIGNATURE_HEADERS).join(', ')}`
    throw new ProviderError('PROV_016', message)
  }
  const error = checkHeaders(value)
  if (error !== undefined) throw error
  return value as OperatorHeaders
}

/** Of the limits that apply, the headers are about the one that refused, else the one with the fewest left. */
async function limited(request: FastifyRequest, verify: () => Promise<VerifiedOperator>): Promise<VerifiedOperator> {
  const { exchange } = request
  try {
    const verified = await verify()
    const { limit } = verified
    if (limit !== null && limit.remaining < remainingIn(exchange.limits)) exchange.limits = headersFor(limit)
    return verified
  } catch (error) {
    if (error instanceof OperatorLimitError) {
      exchange.limits = [...headersFor(error.limit), 'Retry-After', String(error.retryAfter)]
    }
    throw error
  }
}

function remainingIn(headers: readonly string[]): number {
  const at = headers.indexOf('X-RateLimit-Remaining')
  return at === -1 ? Number.POSITIVE_INFINITY : Number(headers[at + 1])
}

const headersFor = ({ limit, remaining, resetAt }: NonNullable<VerifiedOperator['limit']>): string[] => [
  'X-RateLimit-Limit',
  String(limit),
  'X-RateLimit-Remaining',
  String(remaining),
  'X-RateLimit-Reset',
  String(resetAt),
]
