import { Type } from 'typebox'
import { OperatorId } from '../../../protocol/assurance.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  Operator,
  OperatorCreated,
  OperatorCreation,
  OperatorList,
  OperatorListQuery,
  OperatorRotation,
} from '../../../protocol/operators.ts'
import { failureOf } from '../answers.ts'
import { callerOf, sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'

const shared = { access: 'admin', family: 'assurance' } as const
const params = Type.Object({ operator_id: OperatorId })
const failure = (description: string): Answer => ({ description, schema: failureOf(shared) })
const absent = failure('There is no such operator')

/** Those who ask signed questions, as the administrator manages them. */
export const operatorRoutes: readonly Route[] = [
  route({
    ...shared,
    method: 'POST',
    path: '/api/v1/operators',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Register an operator',
    body: OperatorCreation,
    answers: {
      201: { description: 'The operator; a secret is shown this once', schema: OperatorCreated },
      409: failure('The id is taken'),
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 201, await node.assurance.createOperator(request.body, callerOf(request))),
  }),
  route({
    ...shared,
    method: 'GET',
    path: '/api/v1/operators',
    bodyLimit: 0,
    summary: 'List operators, without their secrets',
    query: OperatorListQuery,
    answers: { 200: { description: 'Operators', schema: OperatorList } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.assurance.listOperators(request.query)),
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: '/api/v1/operators/:operator_id',
    bodyLimit: 0,
    summary: 'Suspend an operator, at once and until its key is rotated',
    params,
    answers: { 200: { description: 'The operator, suspended', schema: Operator }, 404: absent },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { operator_id } = request.params
        sendJson(request, reply, 200, await node.assurance.suspendOperator(operator_id, callerOf(request)))
      },
  }),
  route({
    ...shared,
    method: 'POST',
    path: '/api/v1/operators/:operator_id/rotate',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Give an operator a new key or secret; the old one ends at once, and so does a suspension',
    params,
    body: OperatorRotation,
    answers: {
      200: { description: 'The operator; a secret is shown this once', schema: OperatorCreated },
      404: absent,
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { operator_id } = request.params
        sendJson(request, reply, 200, await node.assurance.rotateOperator(operator_id, request.body, callerOf(request)))
      },
  }),
]
