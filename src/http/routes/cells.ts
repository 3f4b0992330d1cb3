import type { FastifyReply, FastifyRequest } from 'fastify'
import semver from 'semver'
import { Type } from 'typebox'
import {
  CancelResponse,
  CapabilityRequest,
  CellResponse,
  knownDevice,
  SpecificRequest,
} from '../../../protocol/cells.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { CellQuery, ProviderNode, Requester, RequestOutcome, RequestRecord } from '../../node/api.ts'
import { partnerOf } from '../partner-token.ts'
import { waitMs } from '../prefer.ts'
import { JSON_TYPE, sendJson, sendText } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'

const ANSWERS: Readonly<Record<number, Answer>> = {
  200: { description: 'A cell that fits', schema: CellResponse },
  202: { description: 'Still searching: ask again', schema: CellResponse },
  404: { description: 'Nobody offers it, or none that fits', schema: CellResponse },
}
const REQUEST_ANSWERS: Readonly<Record<number, Answer>> = {
  ...ANSWERS,
  409: { description: 'The request_id was used for another request', schema: CellResponse },
  413: { description: 'The body is too large', schema: CellResponse },
  415: { description: 'The body is no JSON', schema: CellResponse },
}
const HEADERS = {
  Prefer: `\`wait=N\`: seconds to wait for an answer of the federation (default ${LIMITS.defaultWaitSeconds}, at most ${LIMITS.maxWaitSeconds})`,
}

/** What reading and cancelling a request have in common. */
const ownRequest = {
  path: '/api/v1/cells/request/:request_id',
  access: 'reader',
  forPartners: true,
  family: 'cells',
  bodyLimit: 0,
  params: Type.Object({ request_id: Type.String({ minLength: 1, maxLength: 128 }) }),
  headers: {
    'Request-Token': 'the token of the first answer, where the request was made without a key and without a signature',
    'Quantum-Signature': 'a signature by the key that signed the request',
  },
} as const

/** Provider API, "Cell Request API". */
export const cellRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/api/v1/cells/request',
    access: 'reader',
    family: 'cells',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Request a cell by capability',
    body: CapabilityRequest,
    headers: HEADERS,
    answers: REQUEST_ANSWERS,
    handler:
      ({ node }) =>
      (request, reply) => {
        const { body } = request
        return answer(node, toQuery('capability', body.capability, undefined, body), request, reply)
      },
  }),
  route({
    method: 'POST',
    path: '/api/v1/cells/request/specific',
    access: 'reader',
    family: 'cells',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Request a specific cell type',
    body: SpecificRequest,
    headers: HEADERS,
    answers: REQUEST_ANSWERS,
    handler:
      ({ node }) =>
      (request, reply) => {
        const { body } = request
        return answer(node, toQuery('cell_type', body.cell_type, body.version, body), request, reply)
      },
  }),
  route({
    ...ownRequest,
    method: 'GET',
    summary: 'What became of a request',
    answers: {
      ...ANSWERS,
      504: { description: 'Nobody answered in the time that a request is kept', schema: CellResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { request_id } = request.params
        const record = node.requests.read(await ownerOf(node, request), request_id)
        if (record === undefined) throw noSuchRequest(request_id)
        sendRecord(record, request, reply)
      },
  }),
  route({
    ...ownRequest,
    method: 'DELETE',
    summary: 'Cancel a pending request',
    answers: {
      200: { description: 'Cancelled', schema: CancelResponse },
      404: { description: 'There is no such request', schema: CancelResponse },
      409: { description: 'It was answered before', schema: CancelResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { request_id } = request.params
        const status = await node.requests.cancel(await ownerOf(node, request), request_id)
        const { code, message } = CANCELLED[status]
        sendJson(request, reply, code, { request_id, status, message })
      },
  }),
]

const CANCELLED = {
  cancelled: { code: 200, message: 'the request is cancelled' },
  already_delivered: { code: 409, message: 'the request was answered before' },
  not_found: { code: 404, message: 'there is no such request of yours' },
} as const

const noSuchRequest = (id: string): ProviderError =>
  new ProviderError('PROV_002', `there is no request ${JSON.stringify(id)} of yours`)

/** Who asks for a request: a partner by its token; else a signature in the header `Quantum-Signature` counts before a credential. */
async function ownerOf(node: ProviderNode, request: FastifyRequest): Promise<Requester> {
  const signature = request.raw.headers['quantum-signature']
  const requester = requesterOf(request)
  const { method, url, exchange } = request
  if (exchange.presentedToken !== undefined) return (await partnerOf(node, request, exchange.presentedToken)).requester
  if (typeof signature !== 'string') return requester
  return { ...requester, owner: await node.verifyRequest(signature, { method, path: url }) }
}

/** A request for a cell, with its body. */
type CellsRequest = FastifyRequest<{ Body: CapabilityRequest | SpecificRequest }>

/** A hit in the own store is sent in the same turn; only a signature's nonce and the federation are waited for. */
function answer(
  node: ProviderNode,
  query: CellQuery,
  request: CellsRequest,
  reply: FastifyReply,
): undefined | Promise<void> {
  const { method, url, body } = request
  const signature = body.quantum_signature
  if (signature === undefined) return answerTo(node, requesterOf(request), query, request, reply)
  return node
    .verifyRequest(signature, { method, path: url, body })
    .then((owner) => answerTo(node, { ...requesterOf(request), owner }, query, request, reply))
}

/** Who asks without a signature: the client's credential, else whoever holds the token. */
function requesterOf({ exchange, raw }: FastifyRequest): Requester {
  const token = raw.headers['request-token']
  return {
    owner: exchange.caller?.name,
    token: typeof token === 'string' ? token : undefined,
    isAdmin: exchange.caller?.role === 'admin',
  }
}

function answerTo(
  node: ProviderNode,
  requester: Requester,
  query: CellQuery,
  request: CellsRequest,
  reply: FastifyReply,
): undefined | Promise<void> {
  const { body } = request
  if (requester.owner !== undefined || requester.token !== undefined) {
    const before = node.requests.same(requester, body.request_id, body)
    if (before !== undefined) return sendRecord(before, request, reply)
  }
  const cell = node.answerLocally(query)
  if (cell === undefined) return askFederation(node, requester, query, request, reply)
  const outcome = { status: 'success', source: 'local', cell } as const
  const token = node.requests.answered(requester, body.request_id, body, outcome)
  return sendOutcome(outcome, body.request_id, token, request, reply)
}

async function askFederation(
  node: ProviderNode,
  requester: Requester,
  query: CellQuery,
  request: CellsRequest,
  reply: FastifyReply,
): Promise<void> {
  const { body, raw } = request
  const outcome = await node.requestCell(query, waitMs(raw.headers.prefer))
  const token =
    outcome.status === 'pending'
      ? await node.requests.pending(requester, body.request_id, body, query)
      : node.requests.answered(requester, body.request_id, body, outcome)
  sendOutcome(outcome, body.request_id, token, request, reply)
}

function sendRecord(
  { requestId, token, outcome }: RequestRecord,
  request: FastifyRequest,
  reply: FastifyReply,
): undefined {
  return sendOutcome(outcome ?? STILL_PENDING, requestId, token, request, reply)
}

/** What a poll of a request that nobody has answered yet is told. */
const STILL_PENDING: RequestOutcome = { status: 'pending', estimatedWaitMs: 1000 * LIMITS.defaultWaitSeconds }

/** Of a cell, the stored JSON is spliced, not parsed: only the request id and this node's URL are new. */
function sendOutcome(
  outcome: RequestOutcome,
  requestId: string,
  token: string | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
): undefined {
  const more = token === undefined ? undefined : ['Request-Token', token]
  if (outcome.status !== 'success') {
    return sendJson(request, reply, outcome.status === 'pending' ? 202 : 404, unanswered(outcome, requestId), more)
  }
  const { before, after } = outcome.cell
  const id = JSON.stringify(requestId)
  const { coverage, explanation, lock } = outcome
  const rest =
    coverage === undefined && lock === undefined ? '}' : `,${JSON.stringify({ coverage, explanation, lock }).slice(1)}`
  const text = `{"request_id":${id},"status":"success","cell":${before}${request.exchange.baseUrl}${after}${rest}`
  return sendText(request, reply, 200, JSON_TYPE, text, more)
}

function unanswered(outcome: Exclude<RequestOutcome, { status: 'success' }>, requestId: string): unknown {
  if (outcome.status === 'pending') {
    const { status, code, estimatedWaitMs } = outcome
    return { request_id: requestId, status, estimated_wait_time_ms: estimatedWaitMs, ...(code && { code }) }
  }
  return { request_id: requestId, ...outcome }
}

/** What a request asks for; `version` is the one that it names outside its preferences. Throws `PROV_001`. */
function toQuery(
  by: CellQuery['by'],
  name: string,
  version: string | undefined,
  { preferences, context }: CapabilityRequest | SpecificRequest,
): CellQuery {
  return {
    by,
    name,
    range: rangeOf(version, preferences?.version_constraints),
    device: context?.device_info && knownDevice(context.device_info),
    priority: preferences?.optimization_priority,
    securityLevel: preferences?.security_level,
    publishers: preferences?.publishers,
    explain: preferences?.explain,
    resolveDependencies: preferences?.resolve_dependencies,
  }
}

function rangeOf(version: string | undefined, constraint: string | undefined): string | undefined {
  if (version !== undefined) checkRange('version', version)
  if (constraint !== undefined) checkRange('preferences.version_constraints', constraint)
  if (version !== undefined && constraint !== undefined && version !== constraint) {
    throw new ProviderError('PROV_001', 'version and preferences.version_constraints differ: send one of them')
  }
  return version ?? constraint
}

/** Ranges that were found valid: clients repeat few of them, and parsing one costs more than the answer. */
const validRanges = new Set<string>()
const REMEMBERED = 1024

function checkRange(field: string, range: string): void {
  if (validRanges.has(range)) return
  if (semver.validRange(range) === null) {
    const found = JSON.stringify(range)
    throw new ProviderError('PROV_001', `${field}: found ${found}, allowed is an npm semver range such as ">=1.2.0 <2"`)
  }
  if (validRanges.size >= REMEMBERED) validRanges.clear()
  validRanges.add(range)
}
