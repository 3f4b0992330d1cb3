import { Type } from 'typebox'
import { Approval, ApprovalList, ApprovalName, ApprovalOrder } from '../../../protocol/approvals.ts'
import { AssuranceFailure } from '../../../protocol/assurance.ts'
import {
  CONSTRAINT_LIMITS,
  ConstraintList,
  ConstraintListQuery,
  ConstraintName,
  ConstraintOrder,
  RegisteredConstraint,
} from '../../../protocol/constraints.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { callerOf, sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

const shared = { access: 'admin', family: 'assurance' } as const
const APPROVALS = '/api/v1/assurance/approvals'
const CONSTRAINTS = '/api/v1/constraints'
const full = { description: 'There is no room for another one', schema: AssuranceFailure }

/** What answers to questions rest on: publishers whose documents are approved, and constraints. For the administrator. */
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
  route({
    ...shared,
    method: 'GET',
    path: CONSTRAINTS,
    bodyLimit: 0,
    summary: 'List constraints',
    query: ConstraintListQuery,
    answers: { 200: { description: 'Constraints', schema: ConstraintList } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.sources.constraints(request.query)),
  }),
  route({
    ...shared,
    method: 'POST',
    path: CONSTRAINTS,
    bodyLimit: 2 * CONSTRAINT_LIMITS.bytes,
    summary: 'Register a signed constraint, or a newer version of one, for everybody or for one operator',
    body: ConstraintOrder,
    // It says which part of which kind is wrong.
    checkedByNode: true,
    answers: {
      201: { description: 'Registered, and durable', schema: RegisteredConstraint },
      409: { description: 'That version, or a newer one, is there', schema: AssuranceFailure },
      507: full,
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 201, await node.sources.addConstraint(request.body, callerOf(request))),
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: `${CONSTRAINTS}/:constraint_id`,
    bodyLimit: 0,
    summary: 'Remove a constraint, the one for everybody unless an operator is named',
    params: ConstraintName,
    query: Type.Object(ConstraintListQuery.properties),
    answers: {
      200: { description: 'The constraint, as it was', schema: RegisteredConstraint },
      404: { description: 'There is no such constraint', schema: AssuranceFailure },
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { constraint_id: id } = request.params
        const { operator_id: operatorId } = request.query
        sendJson(request, reply, 200, await node.sources.removeConstraint(id, operatorId, callerOf(request)))
      },
  }),
]
