import { once } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import {
  BATCH_LIMITS,
  Batch,
  BatchId,
  BatchRequest,
  type BatchResult,
  BatchResults,
  BatchResultsQuery,
} from '../../../protocol/batch.ts'
import { failureOf } from '../answers.ts'
import { sendError } from '../errors.ts'
import { SIGNATURE_HEADERS, signerOfBody, signerOfHeaders } from '../operator-signature.ts'
import { COMMON, finished, sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'
import { CLIENT_GONE, untilGone } from '../until-gone.ts'

// Operators are known by their signature.
const shared = { access: 'open', family: 'assurance' } as const
const params = Type.Object({ batch_id: BatchId })
const failure = (description: string): Answer => ({ description, schema: failureOf(shared) })
const signed = {
  401: failure('The signature is missing or does not hold, or the operator is unknown or suspended'),
  409: failure('The nonce was used before'),
} as const
const absent = { 404: failure('There is no such batch, or it is somebody else’s') } as const
const JSON_LINES = 'application/x-ndjson'

/** Many signed questions at once: submitted, followed, read, cancelled. */
export const batchRoutes: readonly Route[] = [
  route({
    ...shared,
    method: 'POST',
    path: '/api/v1/batch',
    bodyLimit: BATCH_LIMITS.bytes,
    summary: 'Submit a batch of questions',
    body: BatchRequest,
    answers: {
      202: { description: 'The batch; it is durable', schema: Batch },
      ...signed,
      403: failure('The operator may not ask about a domain or jurisdiction in it'),
      413: failure('The body is too large'),
      415: failure('The body is no JSON'),
      422: failure('The batch is larger than the tier allows'),
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const from = await signerOfBody(node, request)
        sendJson(request, reply, 202, await node.assurance.batches.submit(request.body, from))
      },
  }),
  route({
    ...shared,
    method: 'GET',
    path: '/api/v1/batch/:batch_id/status',
    bodyLimit: 0,
    summary: 'How far a batch is',
    params,
    headers: SIGNATURE_HEADERS,
    answers: { 200: { description: 'The batch', schema: Batch }, ...signed, ...absent },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const from = await signerOfHeaders(node, request)
        sendJson(request, reply, 200, node.assurance.batches.status(request.params.batch_id, from))
      },
  }),
  route({
    ...shared,
    method: 'GET',
    path: '/api/v1/batch/:batch_id/results',
    bodyLimit: 0,
    summary:
      'What is answered of a batch: a page, or with Accept: application/x-ndjson all from offset on, one per line',
    params,
    query: BatchResultsQuery,
    headers: SIGNATURE_HEADERS,
    answers: {
      200: { description: 'Answers, in the order of the questions', schema: BatchResults },
      ...signed,
      ...absent,
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const from = await signerOfHeaders(node, request)
          const { batch_id } = request.params
          const { batches } = node.assurance
          const wantsLines = request.headers.accept?.includes(JSON_LINES) === true
          if (!wantsLines) return sendJson(request, reply, 200, await batches.results(batch_id, from, request.query))
          await sendLines(request, reply, batches.stream(batch_id, from, request.query.offset ?? 0), signal)
        }),
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: '/api/v1/batch/:batch_id',
    bodyLimit: 0,
    summary: 'Cancel a batch; what is answered can still be read',
    params,
    headers: SIGNATURE_HEADERS,
    answers: { 200: { description: 'The batch', schema: Batch }, ...signed, ...absent },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const from = await signerOfHeaders(node, request)
        sendJson(request, reply, 200, await node.assurance.batches.cancel(request.params.batch_id, from))
      },
  }),
]

/** Sends a line for each, as fast as the client reads. */
async function sendLines(
  request: FastifyRequest,
  reply: FastifyReply,
  results: AsyncIterable<BatchResult>,
  signal: AbortSignal,
): Promise<void> {
  const { raw } = reply
  const { cors, limits } = request.exchange
  reply.hijack()
  raw.writeHead(200, ['Content-Type', JSON_LINES, 'Cache-Control', 'no-store', ...COMMON, ...(cors ?? []), ...limits])
  try {
    for await (const result of results) {
      signal.throwIfAborted()
      if (!raw.write(`${JSON.stringify(result)}\n`)) await once(raw, 'drain', { signal })
    }
    raw.end()
    finished(request, 200)
  } catch (error) {
    // It is too late for an answer: the connection breaks, so that nobody takes a part for the whole.
    if (signal.aborted) finished(request, CLIENT_GONE)
    else sendError(error, request, reply)
  }
}
