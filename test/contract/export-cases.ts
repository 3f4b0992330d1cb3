import type { Reply } from '../http/harness.ts'
import type { Produce } from './cases.ts'
import type { ContractServer } from './server.ts'

const ROOT = '/api/v2'
const json = { 'Content-Type': 'application/json' }
const ABSENT = `export_${'0'.repeat(32)}`

interface Caller {
  readonly id: string
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>
}

/** Who holds the token of a session in which something was said. */
async function caller(at: ContractServer): Promise<Caller> {
  const { token, session_id } = (await at.send({ method: 'POST', path: `${ROOT}/sessions`, body: {} })).json()
  const id = String(session_id)
  const authorization = { Authorization: `Bearer ${token}` }
  const send: Caller['send'] = (method, path, body, headers = {}) =>
    at.send({
      method,
      path: ROOT + path,
      headers: { ...authorization, ...headers },
      ...(body === undefined ? {} : { body }),
    })
  await send('POST', '/conversations', { session_id: id, directive: 'the directive' })
  return { id, send }
}

/** An export whose file is complete. */
async function exported(by: Caller): Promise<Record<string, unknown>> {
  const ordered = (await by.send('POST', `/sessions/${by.id}/export`, { format: 'json' })).json()
  for (;;) {
    const status = (await by.send('GET', `/exports/${ordered.export_id}`)).json()
    if (status.status !== 'processing') return status
  }
}

const download = (at: ContractServer, url: unknown): Promise<Reply> => at.send({ method: 'GET', path: String(url) })
const byOwn =
  (method: string, end: string, body?: unknown, headers?: Record<string, string>): Produce =>
  async (at) => {
    const own = await caller(at)
    return own.send(method, `/sessions/${own.id}${end}`, body, headers)
  }
const byAnother =
  (method: string, end: string, body?: unknown): Produce =>
  async (at) =>
    (await caller(at)).send(method, `/sessions/${(await caller(at)).id}${end}`, body)
const importing =
  (body: unknown, headers: Record<string, string> = json): Produce =>
  (at) =>
    at.send({ method: 'POST', path: `${ROOT}/sessions/import`, headers, body: body as object })

export const exportCases: Record<string, Record<number, Produce>> = {
  [`GET ${ROOT}/sessions/{session_id}/analytics`]: {
    200: byOwn('GET', '/analytics'),
    404: byAnother('GET', '/analytics'),
  },
  [`POST ${ROOT}/sessions/{session_id}/export`]: {
    202: byOwn('POST', '/export', { format: 'markdown', include_metadata: false }),
    400: byOwn('POST', '/export', { format: 'pdf' }),
    404: byAnother('POST', '/export', {}),
    413: byOwn('POST', '/export', 'x'.repeat(300 * 1024), json),
    415: byOwn('POST', '/export', 'x', { 'Content-Type': 'text/plain' }),
  },
  [`GET ${ROOT}/exports/{export_id}`]: {
    200: async (at) => {
      const own = await caller(at)
      return own.send('GET', `/exports/${(await exported(own)).export_id}`)
    },
    400: async (at) => (await caller(at)).send('GET', '/exports/x'),
    404: async (at) => {
      const { export_id } = await exported(await caller(at))
      return (await caller(at)).send('GET', `/exports/${export_id}`)
    },
  },
  [`GET ${ROOT}/exports/{export_id}/download`]: {
    200: async (at) => download(at, (await exported(await caller(at))).download_url),
    400: (at) => download(at, `${ROOT}/exports/x/download`),
    404: (at) => download(at, `${ROOT}/exports/${ABSENT}/download?expires=1&signature=AA`),
    409: async (at) => {
      // One behind another is not being written yet.
      const own = await caller(at)
      const started = await own.send('POST', '/conversations', { session_id: own.id, directive: 'long' })
      const turns = `/conversations/${started.json().conversation_id}/turns`
      for (let count = 0; count < 8; count++) {
        await own.send('POST', turns, { agent: 'user', content: 'x'.repeat(200_000) })
      }
      const order = { format: 'json' }
      const ordered = await Promise.all(
        Array.from({ length: 8 }, () => own.send('POST', `/sessions/${own.id}/export`, order)),
      )
      return download(at, ordered.at(-1)!.json().download_url)
    },
  },
  [`POST ${ROOT}/sessions/import`]: {
    201: async (at) => {
      const file = await download(at, (await exported(await caller(at))).download_url)
      return importing(file.text)(at, undefined as never)
    },
    400: importing({ format: 'another' }),
    413: importing('x'.repeat(9 * 1024 * 1024)),
    415: importing('x', { 'Content-Type': 'text/plain' }),
  },
}
