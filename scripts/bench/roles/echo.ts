import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import { CapabilityRequest } from '../../../protocol/cells.ts'

/** A bare Fastify that checks the body of a capability request and answers `length` bytes: the request id and a constant. Returns its port. */
async function start({ length }: { length: number }): Promise<number> {
  const app = fastify()
  const envelope = (id: string, filler: string): string => `{"request_id":"${id}","echo":"${filler}"}`
  app.post<{ Body: CapabilityRequest }>('/echo', { schema: { body: CapabilityRequest } }, (request, reply) => {
    const { request_id: id } = request.body
    reply.type('application/json; charset=utf-8').send(envelope(id, filler.slice(id.length)))
  })
  const filler = 'x'.repeat(length - envelope('', '').length)
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

export const commands = { start }
