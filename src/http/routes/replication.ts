import { Type } from 'typebox'
import { Digest } from '../../../protocol/fields.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  CopyDropped,
  FollowPolicy,
  Pin,
  PolicyId,
  PolicyList,
  PolicyStatus,
  ReplicationStatus,
} from '../../../protocol/replication.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { callerOf, sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

const ROOT = '/api/v1/replication'
const shared = { access: 'admin', family: 'discovery' } as const
const digestParams = Type.Object({ digest: Digest })
const badDigest = { description: 'The digest is none', schema: DeleteResponse }

/** Copies that this node keeps of what its operator follows and pins. For the administrator: they say what the operator is interested in. */
export const replicationRoutes: readonly Route[] = [
  route({
    ...shared,
    method: 'GET',
    path: ROOT,
    bodyLimit: 0,
    summary: 'What is followed and pinned, and how far it is',
    answers: { 200: { description: 'Policies and pins', schema: ReplicationStatus } },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.replication.status()),
  }),
  route({
    ...shared,
    method: 'GET',
    path: `${ROOT}/policies`,
    bodyLimit: 0,
    summary: 'List what is followed',
    answers: { 200: { description: 'Policies', schema: PolicyList } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.replication.policies()),
  }),
  route({
    ...shared,
    method: 'POST',
    path: `${ROOT}/policies`,
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Follow a publisher, a capability or a partner: its cells are fetched and kept',
    body: FollowPolicy,
    answers: {
      201: { description: 'Followed, and durable; fetching begins', schema: PolicyStatus },
      404: { description: 'There is no such partner', schema: DeleteResponse },
      409: { description: 'The same is followed already', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 201, await node.replication.follow(request.body, callerOf(request))),
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: `${ROOT}/policies/:policy_id`,
    bodyLimit: 0,
    summary: 'Stop following: what was kept stays as ordinary copies, which go when room is needed',
    params: Type.Object({ policy_id: PolicyId }),
    answers: {
      200: { description: 'The policy, as it was', schema: PolicyStatus },
      404: { description: 'There is no such policy', schema: DeleteResponse },
      409: { description: 'The configuration file says so', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.replication.unfollow(request.params.policy_id, callerOf(request))),
  }),
  route({
    ...shared,
    method: 'POST',
    path: `${ROOT}/pins/:digest`,
    bodyLimit: 0,
    summary: 'Pin a package: it is fetched where it is not here, and kept',
    params: digestParams,
    answers: { 200: { description: 'Pinned, and durable; it may be yet to be fetched', schema: Pin }, 400: badDigest },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.replication.pin(request.params.digest, callerOf(request))),
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: `${ROOT}/pins/:digest`,
    bodyLimit: 0,
    summary: 'Unpin a package: the copy stays as an ordinary one',
    params: digestParams,
    answers: {
      200: { description: 'The pin, as it was', schema: Pin },
      400: badDigest,
      404: { description: 'It is not pinned', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.replication.unpin(request.params.digest, callerOf(request))),
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: `${ROOT}/copies/:digest`,
    bodyLimit: 0,
    summary: "Drop the copy of another node's package",
    params: digestParams,
    answers: {
      200: { description: 'Dropped, and durable', schema: CopyDropped },
      400: badDigest,
      404: { description: 'There is no copy of it here', schema: DeleteResponse },
      409: { description: 'A policy or a pin keeps it', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.replication.dropCopy(request.params.digest, callerOf(request))),
  }),
]
