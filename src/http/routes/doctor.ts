import { DoctorReport } from '../../../protocol/doctor.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

/** What is wrong with this node, if anything is. */
export const doctorRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/api/v1/doctor',
    access: 'admin',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'Look at this node, and let its peers connect to it, resolve and fetch; takes some seconds',
    answers: {
      200: { description: 'What was found, stage by stage', schema: DoctorReport },
      403: { description: 'The credential is not an administrator', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.doctor()),
  }),
]
