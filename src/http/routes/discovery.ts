import { PeerList, ProviderInfo } from '../../../protocol/discovery.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

/** Provider API, "Provider Discovery API", and the node's peers. */
export const discoveryRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/discovery/info',
    access: 'open',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'Who this provider is and what it offers',
    answers: { 200: { description: 'The provider', schema: ProviderInfo } },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.info()),
  }),
  route({
    method: 'GET',
    path: '/api/v1/peers',
    access: 'admin',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'Connected peers and seeds',
    answers: {
      200: { description: 'Peers', schema: PeerList },
      401: { description: "The administrator's key is missing or wrong", schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.peers()),
  }),
]
