import {
  ConstraintList,
  type ConstraintListQuery,
  type ConstraintOrder,
  RegisteredConstraint,
} from '../../protocol/constraints.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { type OperatorCalls, ownersAsk } from './operator-calls.ts'
import { type CallOptions, type Transport, withQuery } from './transport.ts'

/** Conditions that questions may name, at the first node: an operator's own, or, for the administrator, everybody's and each operator's. */
export interface ConstraintsClient {
  /** Registers a signed constraint, or a newer version of one. Durable when it resolves. */
  add(order: ConstraintOrder, options?: CallOptions): Promise<RegisteredConstraint>
  /** Constraints that the caller's questions may name. */
  list(query?: ConstraintListQuery, options?: CallOptions): Promise<RegisteredConstraint[]>
  /** Resolves with the constraint as it was. */
  remove(constraintId: string, query?: ConstraintListQuery, options?: CallOptions): Promise<RegisteredConstraint>
}

const schemas = { registered: checkerOf(RegisteredConstraint), list: checkerOf(ConstraintList) }

const CONSTRAINTS = '/api/v1/constraints'

/** As the administrator whose key the transport has, or as an operator. */
export function constraintsClient(transport: Transport, operator?: OperatorCalls): ConstraintsClient {
  const ask = ownersAsk(transport, operator)
  return {
    add: (order, options) => ask(schemas.registered, 'POST', CONSTRAINTS, { ...options, payload: order }),
    list: async (query = {}, options) =>
      (await ask<ConstraintList>(schemas.list, 'GET', withQuery(CONSTRAINTS, query), options)).constraints,
    remove: (constraintId, query = {}, options) => {
      const path = withQuery(`${CONSTRAINTS}/${encodeURIComponent(constraintId)}`, query)
      return ask(schemas.registered, 'DELETE', path, options)
    },
  }
}
