import { CHAT_BODY_BYTES } from '../../protocol/chat.ts'
import type { MemoryPermission } from '../../protocol/memory.ts'
import { type Llm, LlmUnavailableError } from '../../src/kernel/plugins/packages/llms.ts'
import { createExtractiveLlm } from '../../src/providers/llms/extractive.ts'
import type { Reply } from '../http/harness.ts'
import type { Produce } from './cases.ts'
import type { ContractServer } from './server.ts'

const V1 = '/v1/chat/completions'
const V2 = '/v2/chat/completions'
const QUESTION = 'How much notice ends the lease?'
/** What the service behind the model gives no answer to. */
const TOO_HARD = 'too hard'

/** The embedded composer, away where it is asked {@link TOO_HARD}. */
export function sometimesAway(): Llm {
  const llm = createExtractiveLlm()
  return {
    ...llm,
    async *chat(order, signal) {
      if (order.messages.at(-1)?.content === TOO_HARD) throw new LlmUnavailableError('away', { retryAfter: 5 })
      yield* llm.chat(order, signal)
    },
  }
}

const body = (more: object = {}) => ({ model: 'extractive', messages: [{ role: 'user', content: QUESTION }], ...more })
const asked = (path: string, more?: object, headers: Record<string, string> = {}) => ({
  method: 'POST',
  path,
  headers,
  body: body(more),
})

/** Asks in a session of its own. */
async function inSession(
  at: ContractServer,
  more: object = {},
  permissions: MemoryPermission[] = ['read', 'write', 'memory'],
): Promise<Reply> {
  const { token } = await at.node.memory.createSession({ permissions })
  return at.send(asked(V2, more, { Authorization: `Bearer ${token}` }))
}

/** Reads with the token of a session of its own. */
async function inSessionOf(at: ContractServer, path: string): Promise<Reply> {
  const { token } = await at.node.memory.createSession({})
  return at.send({ path, headers: { Authorization: `Bearer ${token}` } })
}

async function afterTheEnd(at: ContractServer): Promise<Reply> {
  const { memory } = at.node
  const { token, session_id } = await memory.createSession({})
  const access = await memory.authorize(token)
  const signal = AbortSignal.timeout(10_000)
  const { conversation_id } = await memory.startConversation(access, { session_id, directive: QUESTION }, signal)
  await memory.complete(access, conversation_id, signal)
  return at.send(asked(V2, { conversation_id }, { Authorization: `Bearer ${token}` }))
}

const text = { 'Content-Type': 'text/plain' }
const large = [{ role: 'user', content: 'x'.repeat(CHAT_BODY_BYTES) }]
const hard = [{ role: 'user', content: TOO_HARD }]

/** By `METHOD /path` as the OpenAPI document writes it, and status. */
export const chatCases: Record<string, Record<number, Produce>> = {
  [`POST ${V2}`]: {
    200: (at) => inSession(at),
    400: (at) => inSession(at, { n: 2 }),
    401: (at) => at.send(asked(V2)),
    403: (at) => inSession(at, {}, ['read']),
    404: (at) => inSession(at, { conversation_id: `conv_${'f'.repeat(32)}` }),
    409: afterTheEnd,
    413: (at) => inSession(at, { messages: large }),
    415: async (at) => {
      const { token } = await at.node.memory.createSession({})
      return at.send({
        method: 'POST',
        path: V2,
        headers: { ...text, Authorization: `Bearer ${token}` },
        body: 'hello',
      })
    },
    503: (at) => inSession(at, { messages: hard }),
  },
  [`POST ${V1}`]: {
    200: (at) => at.send(asked(V1)),
    400: (at) => at.send(asked(V1, { tools: [{ type: 'function' }] })),
    404: (at) => at.send(asked(V1, { model: 'gpt-4' })),
    413: (at) => at.send(asked(V1, { messages: large })),
    415: (at) => at.send({ method: 'POST', path: V1, headers: text, body: 'hello' }),
    503: (at) => at.send(asked(V1, { messages: hard })),
  },
  'GET /v1/models': { 200: (at) => at.send({ path: '/v1/models' }) },
  'GET /v1/models/{model}': {
    200: (at) => at.send({ path: '/v1/models/extractive' }),
    400: (at) => at.send({ path: `/v1/models/${'x'.repeat(300)}` }),
    404: (at) => at.send({ path: '/v1/models/gpt-4' }),
  },
  'GET /v2/models': {
    200: (at) => inSessionOf(at, '/v2/models'),
    401: (at) => at.send({ path: '/v2/models' }),
  },
  'GET /v2/models/{model}': {
    200: (at) => inSessionOf(at, '/v2/models/extractive'),
    400: (at) => inSessionOf(at, `/v2/models/${'x'.repeat(300)}`),
    401: (at) => at.send({ path: '/v2/models/extractive' }),
    404: (at) => inSessionOf(at, '/v2/models/gpt-4'),
  },
}
