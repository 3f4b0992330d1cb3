import { ProviderError } from '../../kernel/base/errors.ts'
import { Failure } from '../answers.ts'
import { sendError } from '../errors.ts'
import { EVENT_PATHS } from '../events/upgrade.ts'
import { type Route, route } from '../route.ts'

const UPGRADE = ['Upgrade', 'websocket', 'Connection', 'Upgrade'] as const

/**
 * Agent network, "WebSocket API", for those who ask without wanting a WebSocket. Left out of the OpenAPI document, which has no words for
 * WebSockets: `protocol/README.md` describes them.
 */
export const eventRoutes: readonly Route[] = EVENT_PATHS.map((path) =>
  route({
    method: 'GET',
    path,
    access: 'reader',
    family: 'system',
    bodyLimit: 0,
    hidden: true,
    summary: 'Events of this node, over a WebSocket',
    answers: { 426: { description: 'This path is for WebSockets only', schema: Failure } },
    handler: () => (request, reply) => {
      const error = new ProviderError('PROV_001', 'this is an event stream: connect with a WebSocket', { status: 426 })
      return sendError(error, request, reply, UPGRADE)
    },
  }),
)
