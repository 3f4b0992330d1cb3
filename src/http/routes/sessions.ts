import { Type } from 'typebox'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  PreferencesUpdate,
  PreferencesUpdated,
  SessionArchived,
  SessionCreated,
  SessionCreation,
  SessionDetails,
  SessionId,
  SessionToken,
  TokenRefresh,
} from '../../../protocol/memory.ts'
import { failureOf, MEMORY_BODY } from '../answers.ts'
import { COMMON, finished, sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'
import { sessionOf } from '../session-of.ts'

const family = 'memory'
const shared = { family, bodyLimit: LIMITS.jsonBodyBytes } as const
const params = Type.Object({ session_id: SessionId })
const failure = (description: string): Answer => ({ description, schema: failureOf(shared) })
const other = failure('The token is of another session')
const archived = failure('The session is archived')
const operation = (name: string) => ({ class: 'session', operation: name }) as const

/** Sessions, each for who holds its token. */
export const sessionRoutes: readonly Route[] = [
  route({
    ...shared,
    method: 'POST',
    path: '/api/v2/sessions',
    access: 'spending',
    memory: operation('create_session'),
    summary: 'Start a session; its token is what all other calls need',
    body: SessionCreation,
    answers: { ...MEMORY_BODY, 201: { description: 'The session, with its token', schema: SessionCreated } },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 201, await node.memory.createSession(request.body)),
  }),
  route({
    family,
    bodyLimit: 0,
    method: 'GET',
    path: '/api/v2/sessions/:session_id',
    access: 'session:read',
    memory: operation('get_session'),
    summary: 'A session',
    params,
    answers: { 200: { description: 'The session', schema: SessionDetails }, 404: other },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.memory.session(sessionOf(request))),
  }),
  route({
    family,
    bodyLimit: 0,
    method: 'DELETE',
    path: '/api/v2/sessions/:session_id',
    access: 'session:write',
    memory: operation('delete_session'),
    summary: 'Delete a session, its key and everything that was said in it',
    params,
    answers: { 204: { description: 'It is gone' }, 404: other },
    handler:
      ({ node }) =>
      async (request, reply) => {
        await node.memory.deleteSession(sessionOf(request))
        const { cors, limits } = request.exchange
        reply.raw.writeHead(204, [...COMMON, 'Cache-Control', 'no-store', ...(cors ?? []), ...limits])
        reply.raw.end()
        finished(request, 204)
      },
  }),
  route({
    ...shared,
    method: 'PUT',
    path: '/api/v2/sessions/:session_id/preferences',
    access: 'session:write',
    memory: operation('update_preferences'),
    summary: 'Change preferences of a session; those that are not named stay',
    params,
    body: PreferencesUpdate,
    answers: {
      ...MEMORY_BODY,
      200: { description: 'The preferences', schema: PreferencesUpdated },
      404: other,
      409: archived,
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.memory.updatePreferences(sessionOf(request), request.body)),
  }),
  route({
    family,
    bodyLimit: 0,
    method: 'POST',
    path: '/api/v2/sessions/:session_id/archive',
    access: 'session:write',
    memory: operation('archive_session'),
    summary: 'Archive a session: from now on it can be read and deleted only. Once more changes nothing',
    params,
    answers: { 200: { description: 'It is archived', schema: SessionArchived }, 404: other },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.memory.archive(sessionOf(request))),
  }),
  route({
    ...shared,
    method: 'POST',
    path: '/api/v2/sessions/:session_id/token',
    access: 'session:any',
    memory: operation('refresh_token'),
    summary: 'Get another token for a session, before this one ends; with fewer permissions, if wanted',
    params,
    body: TokenRefresh,
    answers: { ...MEMORY_BODY, 200: { description: 'The token', schema: SessionToken }, 404: other },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.memory.refreshToken(sessionOf(request), request.body)),
  }),
]
