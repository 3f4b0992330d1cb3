import { Approval, ApprovalList, ApprovalName, ApprovalOrder } from '../../../protocol/approvals.ts'
import { AssuranceFailure } from '../../../protocol/assurance.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { callerOf, sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

const shared = { access: 'admin', family: 'assurance' } as const
const APPROVALS = '/api/v1/assurance/approvals'
const full = { description: 'There is no room for another one', schema: AssuranceFailure }

/** What answers to questions rest on: publishers whose documents are approved. For the administrator. */
export const sourceRoutes: readonly Route[] = [
  route({
    ...shared,
    method: 'GET',
    path: APPROVALS,
    bodyLimit: 0,
    summary: 'List whose documents questions are answered from',
    answers: { 200: { description: 'Approvals', schema: ApprovalList } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.sources.approvals()),
  }),
  route({
    ...shared,
    method: 'PUT',
    path: APPROVALS,
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: "Approve a publisher's documents for a domain, in place of what was approved before",
    body: ApprovalOrder,
    answers: { 200: { description: 'Approved, and durable', schema: Approval }, 507: full },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.sources.approve(request.body, callerOf(request))),
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: `${APPROVALS}/:domain/:publisher`,
    bodyLimit: 0,
    summary: 'Take an approval back: its documents are not quoted any more, at once',
    params: ApprovalName,
    answers: {
      200: { description: 'The approval, as it was', schema: Approval },
      404: { description: 'There is no such approval', schema: AssuranceFailure },
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.sources.disapprove(request.params, callerOf(request))),
  }),
]
