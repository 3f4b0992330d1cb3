import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { WebhookEvent } from '../../protocol/webhooks.ts'
import type { Reply } from '../http/harness.ts'
import type { Produce } from './cases.ts'
import type { ContractServer } from './server.ts'

const ROOT = '/api/v1/webhooks'
const ABSENT = `${ROOT}/wh_${'0'.repeat(24)}`
/** Nobody listens there. */
const SILENT_URL = 'http://127.0.0.1:1/'

/** URL of a receiver that answers challenges, and takes everything. It keeps no process alive. */
async function receiverUrl(): Promise<string> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { data } = JSON.parse(Buffer.concat(parts).toString()) as WebhookEvent
    response.end(JSON.stringify(data))
  })
  server.on('connection', (socket) => socket.unref())
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  server.unref()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const create = (at: ContractServer, url: string): Promise<Reply> =>
  at.admin({ method: 'POST', path: ROOT, body: { url, events: ['cell.registered', 'peer.banned'] } })

const active = async (at: ContractServer): Promise<string> =>
  `${ROOT}/${(await create(at, await receiverUrl())).json().webhook_id}`
const pending = async (at: ContractServer): Promise<string> =>
  `${ROOT}/${(await create(at, SILENT_URL)).json().webhook_id}`

/** Statuses of a route about one webhook, whose path ends like that. */
function ofOne(method: string, end = ''): Record<number, Produce> {
  const call = (path: string) => ({ method, path: `${path}${end}` })
  return {
    200: async (at) => {
      const path = await active(at)
      const reply = await at.admin(call(path))
      if (method !== 'DELETE') await at.admin({ method: 'DELETE', path })
      return reply
    },
    400: (at) => at.admin(call(`${ROOT}/wh_x`)),
    403: async (at) => at.send({ ...call(ABSENT), headers: await at.key('reader') }),
    404: (at) => at.admin(call(ABSENT)),
  }
}

/** By `METHOD /path` as the OpenAPI document writes it, and status. */
export const webhookCases: Record<string, Record<number, Produce>> = {
  [`POST ${ROOT}`]: {
    201: async (at) => create(at, await receiverUrl()),
    400: (at) => at.admin({ method: 'POST', path: ROOT, body: { url: SILENT_URL, events: ['everything'] } }),
    403: async (at) => at.send({ method: 'POST', path: ROOT, body: {}, headers: await at.key('reader') }),
    422: (at) => create(at, 'http://169.254.169.254/'),
  },
  [`GET ${ROOT}`]: {
    200: (at) => at.admin({ path: ROOT }),
    403: async (at) => at.send({ path: ROOT, headers: await at.key('reader') }),
  },
  [`GET ${ROOT}/{webhook_id}`]: ofOne('GET'),
  [`DELETE ${ROOT}/{webhook_id}`]: ofOne('DELETE'),
  [`POST ${ROOT}/{webhook_id}/test`]: ofOne('POST', '/test'),
  [`GET ${ROOT}/{webhook_id}/dead-letters`]: ofOne('GET', '/dead-letters'),
  [`POST ${ROOT}/{webhook_id}/dead-letters/replay`]: {
    ...ofOne('POST', '/dead-letters/replay'),
    409: async (at) => at.admin({ method: 'POST', path: `${await pending(at)}/dead-letters/replay` }),
  },
}
