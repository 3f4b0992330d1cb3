import { Type } from 'typebox'
import { LIMITS } from '../../../protocol/limits.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import {
  Vulnerability,
  VulnerabilityBatch,
  VulnerabilityBatchAnswer,
  VulnerabilityBody,
  VulnerabilityId,
  VulnerabilityList,
  VulnerabilityListQuery,
  VulnerabilityRemoval,
} from '../../../protocol/vulnerabilities.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { callerOf, sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

const COLLECTION = '/api/v1/repository/vulnerabilities'
const shared = { access: 'admin', family: 'repository' } as const
const full = { description: 'There is no room for more', schema: DeleteResponse }
const params = Type.Object({ id: VulnerabilityId })

/** Vulnerabilities of cells: what an administrator knows, and what a feed sends. */
export const vulnerabilityRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: COLLECTION,
    access: 'reader',
    family: 'repository',
    bodyLimit: 0,
    summary: 'List recorded vulnerabilities',
    query: VulnerabilityListQuery,
    answers: { 200: { description: 'Vulnerabilities', schema: VulnerabilityList } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.vulnerabilities.list(request.query)),
  }),
  route({
    ...shared,
    method: 'POST',
    path: COLLECTION,
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: "Record a feed's vulnerabilities, all or none",
    body: VulnerabilityBatch,
    answers: {
      200: { description: 'Recorded, and durable', schema: VulnerabilityBatchAnswer },
      507: full,
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { vulnerabilities } = request.body
        const by = callerOf(request)
        sendJson(request, reply, 200, await node.vulnerabilities.record(vulnerabilities, by))
      },
  }),
  route({
    ...shared,
    method: 'PUT',
    path: `${COLLECTION}/:id`,
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Record a vulnerability, or say something else of it',
    params,
    body: VulnerabilityBody,
    answers: {
      200: { description: 'Recorded, and durable', schema: Vulnerability },
      507: full,
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { id } = request.params
        const { cell_type } = request.body
        await node.vulnerabilities.record([{ id, ...request.body }], callerOf(request))
        const recorded = node.vulnerabilities.get(cell_type, id)
        if (recorded === undefined) {
          const message = `the vulnerability ${id} of ${cell_type} was recorded, and removed at the same time`
          throw new ProviderError('PROV_001', message, { status: 404 })
        }
        sendJson(request, reply, 200, recorded)
      },
  }),
  route({
    ...shared,
    method: 'DELETE',
    path: `${COLLECTION}/:id`,
    bodyLimit: 0,
    summary: 'Forget a vulnerability that was recorded of a cell type',
    params,
    query: VulnerabilityRemoval,
    answers: {
      200: { description: 'The vulnerability, forgotten', schema: Vulnerability },
      404: { description: 'There is no such vulnerability of that type', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const by = callerOf(request)
        const { id } = request.params
        sendJson(request, reply, 200, await node.vulnerabilities.remove(request.query.cell_type, id, by))
      },
  }),
]
