import { Type } from 'typebox'
import {
  ApiKeyCreated,
  ApiKeyCreation,
  ApiKeyId,
  ApiKeyInfo,
  ApiKeyList,
  ApiKeyListQuery,
} from '../../../protocol/access.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { callerOf, sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

const shared = { access: 'admin', family: 'discovery' } as const

/** Keys that the administrator gives out, each with a role. */
export const keyRoutes: readonly Route[] = [
  route({
    ...shared,
    method: 'POST',
    path: '/api/v1/keys',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Create a key',
    body: ApiKeyCreation,
    answers: {
      201: { description: 'The key, shown this once', schema: ApiKeyCreated },
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 201, await node.keys.create(request.body, callerOf(request))),
  }),
  route({
    ...shared,
    method: 'GET',
    path: '/api/v1/keys',
    bodyLimit: 0,
    summary: 'List keys, without their secrets',
    query: ApiKeyListQuery,
    answers: { 200: { description: 'Keys', schema: ApiKeyList } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.keys.list(request.query)),
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: '/api/v1/keys/:key_id',
    bodyLimit: 0,
    summary: 'Revoke a key, for good and at once',
    params: Type.Object({ key_id: ApiKeyId }),
    answers: {
      200: { description: 'The key, revoked', schema: ApiKeyInfo },
      404: { description: 'There is no such key', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.keys.revoke(request.params.key_id, callerOf(request))),
  }),
]
