import { Type } from 'typebox'
import { ASSURANCE_ERRORS, type AssuranceCode, QueryRequest, QueryResponse } from '../../../protocol/assurance.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { failureOf } from '../answers.ts'
import { signerOfBody } from '../operator-signature.ts'
import { sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'
import { untilGone } from '../until-gone.ts'

// Operators are known by their signature.
const shared = { access: 'open', family: 'assurance' } as const
const failure = (description: string): Answer => ({ description, schema: failureOf(shared) })

/** Signed questions, and answers that carry their proof. */
export const assuranceRoutes: readonly Route[] = [
  route({
    ...shared,
    method: 'POST',
    path: '/api/v1/query',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Ask a signed question',
    body: QueryRequest,
    answers: {
      200: { description: 'The answer; `partial` where something could not be had (602)', schema: QueryResponse },
      401: failure('The operator is unknown or suspended, the signature does not hold, or the time is over'),
      403: failure('The operator may not ask about this domain or jurisdiction'),
      404: failure('The question names what is not there'),
      409: failure('The request_id was used before'),
      413: failure('The body is too large'),
      415: failure('The body is no JSON'),
      422: {
        description:
          'No answer that may be given: constraints (600), nothing that supports it (601), jurisdictions (603)',
        schema: Type.Union([QueryResponse, failureOf(shared)]),
      },
      503: failure('There was no answer in time'),
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const from = await signerOfBody(node, request)
          const response = await node.assurance.query(request.body, from, signal)
          sendJson(request, reply, statusOf(response), response)
        }),
  }),
]

/** HTTP's status of an answer: 200 unless it failed, then that of its worst error. */
function statusOf({ status, errors }: QueryResponse): number {
  if (status !== 'failed') return 200
  const statuses = errors.map(({ code }) => ASSURANCE_ERRORS[Number(code) as AssuranceCode]?.status ?? 500)
  return Math.max(400, ...statuses)
}
