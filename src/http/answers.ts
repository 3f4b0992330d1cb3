import { Type } from 'typebox'
import { AssuranceFailure } from '../../protocol/assurance.ts'
import { ErrorBody } from '../../protocol/cells.ts'
import { ChatFailure } from '../../protocol/chat.ts'
import { GoalFailure } from '../../protocol/goal-api.ts'
import type { Answer, Route } from './route.ts'

/** The body of an error, in the shape of the route's family. */
export const Failure = Type.Object(
  {
    status: Type.Literal('error'),
    request_id: Type.Optional(Type.String({ description: 'Cell requests only.' })),
    message: Type.Optional(Type.String({ description: 'All but cell requests.' })),
    error: ErrorBody,
  },
  { title: 'Failure' },
)

/** Schema of the errors of a route. */
export const failureOf = ({
  family,
}: Pick<Route, 'family'>): typeof Failure | typeof GoalFailure | typeof AssuranceFailure | typeof ChatFailure => {
  if (family === 'chat') return ChatFailure
  return family === 'goals' ? GoalFailure : family === 'assurance' ? AssuranceFailure : Failure
}

/** Everything that a route answers with: what is its own, and what follows from who may call it and what it reads. */
export function answersOf(route: Route): Readonly<Record<number, Answer>> {
  const failure = (description: string): Answer =>
    route.method === 'HEAD' ? { description } : { description, schema: failureOf(route) }
  const reads = route.body ?? route.multipart ?? route.query ?? route.params
  const isRestricted = route.access === 'admin' || route.access === 'publisher'
  return {
    ...(reads === undefined ? {} : { 400: failure('Something that was sent is not valid') }),
    401: failure(
      isRestricted ? 'The key is missing, wrong, expired or revoked' : 'The key is wrong, expired or revoked',
    ),
    ...(isRestricted ? { 403: failure('The key is of another role') } : {}),
    429: failure('Too many requests: see Retry-After'),
    500: failure('A mistake of the node; its log has more'),
    ...route.answers,
  }
}
