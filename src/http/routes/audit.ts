import { AuditList, AuditQuery } from '../../../protocol/audit.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

/** What the leaves of the log about administration commit to. */
export const auditRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/audit',
    access: 'admin',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'List administrative acts, newest first, with what it takes to find each in the log',
    query: AuditQuery,
    answers: {
      200: { description: 'Administrative acts', schema: AuditList },
      400: { description: 'A field is not valid', schema: DeleteResponse },
      403: { description: 'The credential is not an administrator', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.audit(request.query)),
  }),
]
