import type { Reply } from '../http/harness.ts'
import type { Produce } from './cases.ts'
import type { ContractServer } from './server.ts'

const ROOT = '/api/v2'
const ABSENT = `conv_${'0'.repeat(32)}`
const json = { 'Content-Type': 'application/json' }

/** A session with a conversation, as who holds its token sees it. */
interface Session {
  readonly id: string
  readonly conversation: string
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>
  archived(): Promise<Session>
}

async function session(at: ContractServer): Promise<Session> {
  const { token, session_id } = (await at.send({ method: 'POST', path: `${ROOT}/sessions`, body: {} })).json()
  const id = String(session_id)
  const authorization = { Authorization: `Bearer ${token}` }
  const call: Session['send'] = (method, path, body, headers = {}) =>
    at.send({
      method,
      path: ROOT + path,
      headers: { ...authorization, ...headers },
      ...(body === undefined ? {} : { body }),
    })
  const started = await call('POST', '/conversations', { session_id: id, directive: 'the directive' })
  const made: Session = {
    id,
    conversation: String(started.json().conversation_id),
    send: call,
    async archived() {
      await call('POST', `/sessions/${id}/archive`)
      return made
    },
  }
  return made
}

type Path = (session: Session) => string
const ofSession =
  (end = ''): Path =>
  ({ id }) =>
    `/sessions/${id}${end}`
const ofConversation =
  (end = ''): Path =>
  ({ conversation }) =>
    `/conversations/${conversation}${end}`

const call =
  (method: string, path: Path, body?: unknown): Produce =>
  async (at) => {
    const own = await session(at)
    return own.send(method, path(own), body)
  }
const inArchived =
  (method: string, path: Path, body?: unknown): Produce =>
  async (at) => {
    const own = await (await session(at)).archived()
    return own.send(method, path(own), body)
  }
/** With the token of another session. */
const byAnother =
  (method: string, path: Path, body?: unknown): Produce =>
  async (at) =>
    (await session(at)).send(method, path(await session(at)), body)
const wrongType =
  (method: string, path: Path): Produce =>
  async (at) => {
    const own = await session(at)
    return own.send(method, path(own), 'x', { 'Content-Type': 'text/plain' })
  }
const tooLarge =
  (method: string, path: Path): Produce =>
  async (at) => {
    const own = await session(at)
    return own.send(method, path(own), 'x'.repeat(3_000_000), json)
  }

/** Statuses of a route with a body: `right` is one. */
const withBody = (method: string, path: Path, right: unknown): Record<number, Produce> => ({
  200: call(method, path, right),
  400: call(method, path, { unknown: 1 }),
  404: byAnother(method, path, right),
  413: tooLarge(method, path),
  415: wrongType(method, path),
})

const state = ofSession('/agents/beatrice/state')
const stateUpdate = { state_updates: { new_learned_pattern: 'short sentences' } }
const preferences = { context_depth: 3 }
const summary = { summary: 'all about tests', key_topics: ['tests'] }
const turn = { agent: 'beatrice', content: 'a turn' }

/** What a path whose id has no form of one answers. */
const malformed =
  (method: string, path: string, body?: unknown): Produce =>
  async (at) =>
    (await session(at)).send(method, path, body)

export const memoryCases: Record<string, Record<number, Produce>> = {
  [`POST ${ROOT}/sessions`]: {
    201: (at) => at.send({ method: 'POST', path: `${ROOT}/sessions`, body: { user_preferences: preferences } }),
    400: (at) => at.send({ method: 'POST', path: `${ROOT}/sessions`, body: { unknown: 1 } }),
    413: (at) => at.send({ method: 'POST', path: `${ROOT}/sessions`, headers: json, body: 'x'.repeat(300 * 1024) }),
    415: (at) =>
      at.send({ method: 'POST', path: `${ROOT}/sessions`, headers: { 'Content-Type': 'text/plain' }, body: 'x' }),
  },
  [`GET ${ROOT}/sessions/{session_id}`]: { 200: call('GET', ofSession()), 404: byAnother('GET', ofSession()) },
  [`DELETE ${ROOT}/sessions/{session_id}`]: { 204: call('DELETE', ofSession()), 404: byAnother('DELETE', ofSession()) },
  [`PUT ${ROOT}/sessions/{session_id}/preferences`]: {
    ...withBody('PUT', ofSession('/preferences'), preferences),
    409: inArchived('PUT', ofSession('/preferences'), preferences),
  },
  [`POST ${ROOT}/sessions/{session_id}/archive`]: {
    200: call('POST', ofSession('/archive')),
    404: byAnother('POST', ofSession('/archive')),
  },
  [`POST ${ROOT}/sessions/{session_id}/token`]: withBody('POST', ofSession('/token'), { permissions: ['read'] }),
  [`GET ${ROOT}/sessions/{session_id}/conversations`]: {
    200: call('GET', ofSession('/conversations?limit=1')),
    400: call('GET', ofSession('/conversations?limit=0')),
    404: byAnother('GET', ofSession('/conversations')),
  },
  [`POST ${ROOT}/conversations`]: {
    201: async (at) => {
      const own = await session(at)
      return own.send('POST', '/conversations', { session_id: own.id, directive: 'the directive again' })
    },
    400: call('POST', () => '/conversations', {}),
    404: async (at) => {
      const [own, other] = [await session(at), await session(at)]
      return own.send('POST', '/conversations', { session_id: other.id, directive: 'x' })
    },
    409: async (at) => {
      const own = await (await session(at)).archived()
      return own.send('POST', '/conversations', { session_id: own.id, directive: 'x' })
    },
    413: tooLarge('POST', () => '/conversations'),
    415: wrongType('POST', () => '/conversations'),
  },
  [`GET ${ROOT}/conversations/{conversation_id}`]: {
    200: call('GET', ofConversation('?limit=10')),
    400: call('GET', ofConversation('?limit=0')),
    404: byAnother('GET', ofConversation()),
  },
  [`POST ${ROOT}/conversations/{conversation_id}/turns`]: {
    201: call('POST', ofConversation('/turns'), turn),
    400: call('POST', ofConversation('/turns'), { ...turn, agent: 'No Name' }),
    404: byAnother('POST', ofConversation('/turns'), turn),
    409: inArchived('POST', ofConversation('/turns'), turn),
    413: tooLarge('POST', ofConversation('/turns')),
    415: wrongType('POST', ofConversation('/turns')),
  },
  [`POST ${ROOT}/conversations/{conversation_id}/complete`]: {
    200: call('POST', ofConversation('/complete')),
    400: malformed('POST', '/conversations/x/complete'),
    404: malformed('POST', `/conversations/${ABSENT}/complete`),
    409: inArchived('POST', ofConversation('/complete')),
  },
  [`GET ${ROOT}/sessions/{session_id}/context`]: {
    200: call('GET', ofSession('/context')),
    404: byAnother('GET', ofSession('/context')),
  },
  [`POST ${ROOT}/sessions/{session_id}/context/search`]: withBody('POST', ofSession('/context/search'), {
    query: 'the directive',
  }),
  [`PUT ${ROOT}/sessions/{session_id}/context/summary`]: {
    ...withBody('PUT', ofSession('/context/summary'), summary),
    409: inArchived('PUT', ofSession('/context/summary'), summary),
  },
  [`GET ${ROOT}/sessions/{session_id}/agents/{agent_name}/state`]: {
    200: async (at) => {
      const own = await session(at)
      await own.send('PUT', state(own), stateUpdate)
      return own.send('GET', state(own))
    },
    400: call('GET', ofSession('/agents/No%20Name/state')),
    404: byAnother('GET', state),
  },
  [`PUT ${ROOT}/sessions/{session_id}/agents/{agent_name}/state`]: {
    ...withBody('PUT', state, stateUpdate),
    409: inArchived('PUT', state, stateUpdate),
    412: async (at) => {
      const own = await session(at)
      return own.send('PUT', state(own), stateUpdate, { 'If-Match': '"7"' })
    },
  },
}
