import { Type } from 'typebox'
import { AssuranceFailure } from '../../protocol/assurance.ts'
import { ErrorBody } from '../../protocol/cells.ts'
import { ChatFailure } from '../../protocol/chat.ts'
import { GoalFailure } from '../../protocol/goal-api.ts'
import { MemoryFailure } from '../../protocol/memory.ts'
import { isForSessions } from './guard.ts'
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
}: Pick<Route, 'family'>):
  | typeof Failure
  | typeof GoalFailure
  | typeof AssuranceFailure
  | typeof MemoryFailure
  | typeof ChatFailure =>
  family === 'goals'
    ? GoalFailure
    : family === 'assurance'
      ? AssuranceFailure
      : family === 'memory'
        ? MemoryFailure
        : family === 'chat'
          ? ChatFailure
          : Failure

/** What routes about sessions answer to a body that they do not take. */
export const MEMORY_BODY: Readonly<Record<number, Answer>> = {
  413: { description: 'The body is too large, or the session would be', schema: MemoryFailure },
  415: { description: 'The body is no JSON', schema: MemoryFailure },
}

/** Everything that a route answers with: what is its own, and what follows from who may call it and what it reads. */
export function answersOf(route: Route): Readonly<Record<number, Answer>> {
  const failure = (description: string): Answer =>
    route.method === 'HEAD' ? { description } : { description, schema: failureOf(route) }
  const reads = route.body ?? route.multipart ?? route.query ?? paramsOf(route)
  const isRestricted = route.access === 'admin' || route.access === 'publisher'
  const isForSession = isForSessions(route.access)
  return {
    ...(reads === undefined ? {} : { 400: failure('Something that was sent is not valid') }),
    401: failure(
      isForSession
        ? 'The session token is missing, wrong or expired, or its session is gone'
        : isRestricted
          ? 'The key is missing, wrong, expired or revoked'
          : 'The key is wrong, expired or revoked',
    ),
    ...(isRestricted ? { 403: failure('The key is of another role') } : {}),
    ...(isForSession && route.access !== 'session:any' ? { 403: failure('The session token lacks a permission') } : {}),
    429: failure('Too many requests: see Retry-After'),
    500: failure('A mistake of the node; its log has more'),
    ...route.answers,
  }
}

/** Those that can be wrong: a session in the path is the token's, or not there. */
function paramsOf({ access, params }: Route): Route['params'] {
  const names = Object.keys((params as { properties?: object } | undefined)?.properties ?? {})
  return isForSessions(access) && names.every((name) => name === 'session_id') ? undefined : params
}
