import { Type } from 'typebox'
import { envelopeOf } from '../../../protocol/assurance.ts'
import {
  CONSTRAINT_LIMITS,
  ConstraintList,
  ConstraintListQuery,
  ConstraintName,
  ConstraintOrder,
  RegisteredConstraint,
} from '../../../protocol/constraints.ts'
import { failureOf } from '../answers.ts'
import { type OperatorOf, ownerOf, sentBy } from '../owners.ts'
import { sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'

const CONSTRAINTS = '/api/v1/constraints'
// Operators are known by their signature.
const shared = { access: 'open', family: 'assurance' } as const
const failure = (description: string): Answer => ({ description, schema: failureOf(shared) })
const forbidden = {
  403: failure("The key is not the administrator's, or the operator that is named is not who signed"),
} as const

/** Conditions that questions may name: the administrator's are for everybody or for any operator, an operator's for itself. */
export const constraintRoutes = (operatorOf: OperatorOf): readonly Route[] => [
  route({
    ...shared,
    method: 'GET',
    path: CONSTRAINTS,
    bodyLimit: 0,
    summary: "List constraints: all of them, or an operator's own",
    query: ConstraintListQuery,
    answers: { 200: { description: 'Constraints', schema: ConstraintList }, ...forbidden },
    handler: (context) => async (request, reply) => {
      const owner = await ownerOf(operatorOf, context, request)
      sendJson(request, reply, 200, context.node.sources.constraints(request.query, owner))
    },
  }),
  route({
    ...shared,
    method: 'POST',
    path: CONSTRAINTS,
    bodyLimit: 2 * CONSTRAINT_LIMITS.bytes,
    summary: 'Register a signed constraint, or a newer version of one, for everybody, for one operator or for yourself',
    body: Type.Union([ConstraintOrder, envelopeOf(ConstraintOrder, 'ConstraintRequest')]),
    // It says which part of which kind is wrong.
    checkedByNode: true,
    answers: {
      201: { description: 'Registered, and durable', schema: RegisteredConstraint },
      ...forbidden,
      409: failure('That version, or a newer one, is there, or the request was used before'),
      422: failure('Its expression or its schema cannot be applied'),
      507: failure('There is no room for another one'),
    },
    handler: (context) => async (request, reply) => {
      const owner = await ownerOf(operatorOf, context, request)
      const order = sentBy(owner, request.body)
      sendJson(request, reply, 201, await context.node.sources.addConstraint(order, owner))
    },
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: `${CONSTRAINTS}/:constraint_id`,
    bodyLimit: 0,
    summary: "Remove a constraint: the one for everybody unless an operator is named, or an operator's own",
    params: ConstraintName,
    query: Type.Object(ConstraintListQuery.properties),
    answers: {
      200: { description: 'The constraint, as it was', schema: RegisteredConstraint },
      ...forbidden,
      404: failure('There is no such constraint'),
    },
    handler: (context) => async (request, reply) => {
      const owner = await ownerOf(operatorOf, context, request)
      const { constraint_id: id } = request.params
      sendJson(request, reply, 200, await context.node.sources.removeConstraint(id, request.query, owner))
    },
  }),
]
