import { NodeInfo, NodeStatus } from '../../../protocol/node-info.ts'
import { openApiText } from '../../kernel/config/package-files.ts'
import { JSON_TYPE, sendJson, sendText, TEXT_TYPE } from '../respond.ts'
import { type Route, route } from '../route.ts'

const shared = { method: 'GET', access: 'open', family: 'system', bodyLimit: 0 } as const
/** Prometheus text exposition format. */
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Agent network, "Health", "Metrics" and "Node Info", and the description of this API. */
export const systemRoutes: readonly Route[] = [
  route({
    ...shared,
    path: '/health',
    summary: 'Whether the process answers',
    answers: { 200: { description: '`OK`', mediaType: 'text/plain' } },
    handler: () => (request, reply) => sendText(request, reply, 200, TEXT_TYPE, 'OK'),
  }),
  route({
    ...shared,
    path: '/ready',
    summary: 'Whether the node can do its work',
    answers: {
      200: { description: '`READY`, or `DEGRADED:` and why', mediaType: 'text/plain' },
      503: { description: '`NOT READY:` and why', mediaType: 'text/plain' },
    },
    handler:
      ({ node }) =>
      (request, reply) => {
        const { ready, degraded, reasons } = node.health()
        const why = reasons.join('; ')
        if (!ready) return sendText(request, reply, 503, TEXT_TYPE, `NOT READY: ${why}`)
        return sendText(request, reply, 200, TEXT_TYPE, degraded ? `DEGRADED: ${why}` : 'READY')
      },
  }),
  route({
    ...shared,
    path: '/info',
    summary: 'Who this node is in the agent network, and how it stands to its federation',
    answers: { 200: { description: 'The node', schema: NodeInfo } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.nodeInfo()),
  }),
  route({
    ...shared,
    path: '/status',
    summary: 'Uptime, peers, sync and consensus of this node',
    answers: { 200: { description: 'Status, whatever it is', schema: NodeStatus } },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.nodeStatus()),
  }),
  route({
    ...shared,
    path: '/metrics',
    summary: 'Metrics for Prometheus',
    answers: { 200: { description: 'Text exposition format', mediaType: 'text/plain' } },
    handler:
      ({ metrics }) =>
      async (request, reply) =>
        sendText(request, reply, 200, METRICS_TYPE, await metrics.text()),
  }),
  route({
    ...shared,
    path: '/openapi.json',
    summary: 'This API as OpenAPI 3.1',
    answers: { 200: { description: 'The document', mediaType: 'application/json' } },
    handler: () => {
      const document = openApiText()
      return (request, reply) => sendText(request, reply, 200, JSON_TYPE, document)
    },
  }),
]
