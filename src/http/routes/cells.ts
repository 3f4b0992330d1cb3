import type { FastifyReply, FastifyRequest } from 'fastify'
import semver from 'semver'
import { CapabilityRequest, CellResponse, SpecificRequest } from '../../../protocol/cells.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { CellAnswerText, CellQuery, ProviderNode, RequestOutcome } from '../../node/api.ts'
import { waitMs } from '../prefer.ts'
import { JSON_TYPE, sendJson, sendText } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'

const ANSWERS: Readonly<Record<number, Answer>> = {
  200: { description: 'A cell that fits', schema: CellResponse },
  202: { description: 'Still searching: ask again', schema: CellResponse },
  404: { description: 'Nobody offers it, or none that fits', schema: CellResponse },
  413: { description: 'The body is too large', schema: CellResponse },
  415: { description: 'The body is no JSON', schema: CellResponse },
}
const HEADERS = {
  Prefer: `\`wait=N\`: seconds to wait for an answer of the federation (default ${LIMITS.defaultWaitSeconds}, at most ${LIMITS.maxWaitSeconds})`,
}

/** Provider API, "Cell Request API". */
export const cellRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/api/v1/cells/request',
    access: 'open',
    family: 'cells',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Request a cell by capability',
    body: CapabilityRequest,
    headers: HEADERS,
    answers: ANSWERS,
    handler:
      ({ node }) =>
      (request, reply) => {
        const { body } = request
        return answer(node, toQuery('capability', body.capability, undefined, body), request, reply, body.request_id)
      },
  }),
  route({
    method: 'POST',
    path: '/api/v1/cells/request/specific',
    access: 'open',
    family: 'cells',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Request a specific cell type',
    body: SpecificRequest,
    headers: HEADERS,
    answers: ANSWERS,
    handler:
      ({ node }) =>
      (request, reply) => {
        const { body } = request
        return answer(node, toQuery('cell_type', body.cell_type, body.version, body), request, reply, body.request_id)
      },
  }),
]

/** A hit in the own store is sent in the same turn; only the federation is waited for. */
function answer(
  node: ProviderNode,
  query: CellQuery,
  request: FastifyRequest,
  reply: FastifyReply,
  requestId: string,
): undefined | Promise<void> {
  const cell = node.answerLocally(query)
  return cell === undefined
    ? askFederation(node, query, requestId, request, reply)
    : sendCell(cell, requestId, request, reply)
}

async function askFederation(
  node: ProviderNode,
  query: CellQuery,
  requestId: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const outcome = await node.requestCell(query, waitMs(request.raw.headers.prefer))
  if (outcome.status === 'success') sendCell(outcome.cell, requestId, request, reply)
  else sendJson(request, reply, outcome.status === 'pending' ? 202 : 404, unanswered(outcome, requestId))
}

/** The stored JSON is spliced, not parsed: only the request id and this node's URL are new. */
function sendCell(cell: CellAnswerText, requestId: string, request: FastifyRequest, reply: FastifyReply): undefined {
  const id = JSON.stringify(requestId)
  const text = `{"request_id":${id},"status":"success","cell":${cell.before}${request.exchange.baseUrl}${cell.after}}`
  return sendText(request, reply, 200, JSON_TYPE, text)
}

function unanswered(outcome: Exclude<RequestOutcome, { status: 'success' }>, requestId: string): unknown {
  const { status, code } = outcome
  return outcome.status === 'pending'
    ? { request_id: requestId, status, estimated_wait_time_ms: outcome.estimatedWaitMs, code }
    : { request_id: requestId, status, code, alternatives: outcome.alternatives, coverage: outcome.coverage }
}

/** What a request asks for; `version` is the one that it names outside its preferences. Throws `PROV_001` and `PROV_004`. */
function toQuery(
  by: CellQuery['by'],
  name: string,
  version: string | undefined,
  { quantum_signature, preferences, context }: CapabilityRequest | SpecificRequest,
): CellQuery {
  refuseQuantumSignature(quantum_signature)
  return {
    by,
    name,
    range: rangeOf(version, preferences?.version_constraints),
    device: context?.device_info,
    priority: preferences?.optimization_priority,
    securityLevel: preferences?.security_level,
    publishers: preferences?.publishers,
  }
}

function refuseQuantumSignature(signature: string | undefined): void {
  if (signature !== undefined) {
    throw new ProviderError('PROV_004', 'this version does not verify quantum signatures: send the request without one')
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
