import {
  CapabilitySearch,
  CapabilitySearchResponse,
  ProviderHealth,
  ProviderInfo,
} from '../../../protocol/discovery.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

/** Provider API, "Provider Discovery API". */
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
        sendJson(request, reply, 200, await node.info(request.exchange.caller?.role === 'admin')),
  }),
  route({
    method: 'GET',
    path: '/api/v1/discovery/capabilities',
    access: 'open',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'Who offers a capability, in which versions',
    query: CapabilitySearch,
    answers: {
      200: { description: 'What is known here; an empty list when nobody offers it', schema: CapabilitySearchResponse },
      400: { description: 'The capability is missing, or the version is no semver range', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.searchCapabilities(request.query)),
  }),
  route({
    method: 'GET',
    path: '/api/v1/discovery/health',
    access: 'open',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'How this provider is doing, component by component',
    answers: { 200: { description: 'Health, whatever it is', schema: ProviderHealth } },
    handler:
      ({ node, traffic }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, { ...(await node.componentHealth()), metrics: traffic.metrics() }),
  }),
]
