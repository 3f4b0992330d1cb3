import { Type } from 'typebox'
import { ProviderId } from '../../../protocol/fields.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { PeerBan, PeerBanList, PeerBanOrder, PeerList, PeerUnbanned } from '../../../protocol/peers.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { callerOf, sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

const shared = { access: 'admin', family: 'discovery' } as const
const params = Type.Object({ provider_id: ProviderId })

/** Connected peers, under the path of the agent network and under that of the other families. */
const list = (path: string, operationId: string): Route =>
  route({
    ...shared,
    method: 'GET',
    path,
    operationId,
    bodyLimit: 0,
    summary: 'Connected peers and their scores, and seeds',
    answers: { 200: { description: 'Peers', schema: PeerList } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.peers()),
  })

/** Agent network, "GET /peers", and who is banned. */
export const peerRoutes: readonly Route[] = [
  list('/peers', 'get_connected_peers'),
  list('/api/v1/peers', 'get_peers'),
  route({
    ...shared,
    method: 'GET',
    path: '/api/v1/peers/banned',
    bodyLimit: 0,
    summary: 'Banned peers',
    answers: { 200: { description: 'Bans, the newest first', schema: PeerBanList } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.bans.list()),
  }),
  route({
    ...shared,
    method: 'POST',
    path: '/api/v1/peers/:provider_id/ban',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Ban a peer, connected or not',
    params,
    body: PeerBanOrder,
    answers: { 200: { description: 'The ban that is in force; one that lasts longer stays', schema: PeerBan } },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const by = callerOf(request)
        sendJson(request, reply, 200, await node.bans.ban(request.params.provider_id, request.body, by))
      },
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: '/api/v1/peers/:provider_id/ban',
    bodyLimit: 0,
    summary: 'Lift a ban; the peer starts anew',
    params,
    answers: {
      200: { description: 'The peer, as it stands now', schema: PeerUnbanned },
      404: { description: 'It is not banned', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const by = callerOf(request)
        sendJson(request, reply, 200, await node.bans.unban(request.params.provider_id, by))
      },
  }),
]
