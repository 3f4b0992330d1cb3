import { EffectiveConfiguration } from '../../../protocol/configuration.ts'
import { sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

/** What the node runs with, as `cytoplex config show` prints it. */
export const configurationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/configuration',
    access: 'admin',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'The effective configuration, and where each value came from; secrets are masked',
    answers: { 200: { description: 'Every key', schema: EffectiveConfiguration } },
    handler:
      ({ settings }) =>
      (request, reply) =>
        sendJson(request, reply, 200, { settings }),
  }),
]
