import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import type { ChatCompletionChunk } from '../../protocol/chat.ts'
import { DEFAULT_PREFERENCES } from '../../protocol/memory.ts'
import {
  CCCMemoryClient,
  ClientError,
  NotFoundError,
  UnauthorizedError,
  UnreachableError,
} from '../../src/client/index.ts'
import { type FakeNode, fakeNode, type Handler } from './fake-node.ts'

const SESSION = `sess_${'1'.repeat(32)}`
const CONVERSATION = `conv_${'2'.repeat(32)}`
const EXPORT = `export_${'3'.repeat(32)}`
const AT = '2026-01-01T00:00:00.000Z'
const TURN = { turn_id: 'turn_001', turn_number: 1, agent: 'user', content: 'Hello', timestamp: AT }

const json = (response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void =>
  void response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body))

const COMPLETION = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi.', agent: 'assistant' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  memory_metadata: {
    context_used: false,
    relevant_conversations: 0,
    agent_state_applied: false,
    turn_stored: true,
    turn_id: 'turn_002',
    conversation_id: CONVERSATION,
  },
}
const chunk = (content: string): ChatCompletionChunk => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
})
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const stream = (response: ServerResponse): ServerResponse =>
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })

/** What each route of memory answers, in the documented form. */
const ANSWERS: Readonly<Record<string, unknown>> = {
  'POST /api/v2/sessions': {
    session_id: SESSION,
    created_at: AT,
    token: 'a-token',
    expires_at: AT,
    permissions: ['read', 'write', 'memory'],
    status: 'active',
  },
  [`POST /api/v2/sessions/${SESSION}/token`]: { session_token: 'a-fresh-token', expires_at: AT, permissions: ['read'] },
  [`GET /api/v2/sessions/${SESSION}`]: {
    session_id: SESSION,
    created_at: AT,
    last_active: AT,
    conversation_count: 0,
    total_turns: 0,
    user_preferences: DEFAULT_PREFERENCES,
    status: 'active',
  },
  [`PUT /api/v2/sessions/${SESSION}/preferences`]: {
    session_id: SESSION,
    updated_preferences: DEFAULT_PREFERENCES,
    updated_at: AT,
  },
  [`POST /api/v2/sessions/${SESSION}/archive`]: {
    session_id: SESSION,
    status: 'archived',
    archived_at: AT,
    conversations_archived: 1,
  },
  [`DELETE /api/v2/sessions/${SESSION}`]: {},
  'POST /api/v2/conversations': {
    conversation_id: CONVERSATION,
    session_id: SESSION,
    directive: 'Hello',
    created_at: AT,
    status: 'active',
    relevant_context: [],
  },
  [`GET /api/v2/sessions/${SESSION}/conversations?limit=5`]: { total: 0, limit: 5, offset: 0, conversations: [] },
  [`GET /api/v2/conversations/${CONVERSATION}?after=3`]: {
    conversation_id: CONVERSATION,
    session_id: SESSION,
    directive: 'Hello',
    created_at: AT,
    status: 'active',
    total_turns: 1,
    summary: null,
    turns: [{ ...TURN, metadata: {} }],
    next: null,
  },
  [`POST /api/v2/conversations/${CONVERSATION}/turns`]: { ...TURN, conversation_id: CONVERSATION, stored: true },
  [`POST /api/v2/conversations/${CONVERSATION}/complete`]: {
    conversation_id: CONVERSATION,
    status: 'completed',
    completed_at: AT,
    total_turns: 1,
    summary: null,
  },
  [`GET /api/v2/sessions/${SESSION}/context`]: {
    session_id: SESSION,
    context_summary: '',
    key_topics: [],
    agent_states: {},
    recent_conversations: [],
  },
  [`POST /api/v2/sessions/${SESSION}/context/search`]: { query: 'x', results: [], total_matches: 0, search_time_ms: 1 },
  [`PUT /api/v2/sessions/${SESSION}/context/summary`]: {
    session_id: SESSION,
    summary_updated: true,
    updated_at: AT,
    previous_summary_archived: false,
  },
  [`GET /api/v2/sessions/${SESSION}/agents/beatrice/state`]: {
    session_id: SESSION,
    agent: 'beatrice',
    state: { mood: 'calm' },
    last_updated: AT,
  },
  [`PUT /api/v2/sessions/${SESSION}/agents/beatrice/state`]: {
    session_id: SESSION,
    agent: 'beatrice',
    state_updated: true,
    updated_fields: ['mood'],
    updated_at: AT,
  },
  [`POST /api/v2/sessions/${SESSION}/export`]: exportStatus('processing'),
  [`GET /api/v2/exports/${EXPORT}`]: exportStatus('completed'),
  'POST /v2/chat/completions': COMPLETION,
}

function exportStatus(status: string) {
  return {
    export_id: EXPORT,
    session_id: SESSION,
    format: 'json',
    status,
    progress: 0,
    estimated_completion: null,
    download_url: '/x',
    expires_at: AT,
    sha256: null,
    size: null,
  }
}

async function remembering(t: TestContext, handler?: Handler): Promise<{ client: CCCMemoryClient; node: FakeNode }> {
  const node = await fakeNode(t, (request, response) => {
    const answer = ANSWERS[`${request.method} ${request.path}`]
    if (handler !== undefined && request.path !== '/api/v2/sessions') return handler(request, response)
    if (answer === undefined) return json(response, { error: { code: 'X', message: 'no such route' } }, 404)
    return json(response, answer, 200, { ETag: '"7"' })
  })
  const client = new CCCMemoryClient({ baseUrl: node.url, apiVersion: 'v2', apiKey: 'a-key' })
  await client.createSession({ memory_retention_days: 30, context_depth: 10 })
  return { client, node }
}

const MESSAGES = [{ role: 'user' as const, content: 'Hello' }]

test('every call of the document reaches its route, with the token of its session', async (t) => {
  const { client, node } = await remembering(t)
  await client.startConversation({ session_id: SESSION, directive: 'Hello', use_context: true })
  await client.session()
  await client.updatePreferences({ auto_summarize: false })
  await client.conversations({ limit: 5 })
  assert.equal((await client.conversation(CONVERSATION, { after: 3 })).turns[0]?.content, 'Hello')
  await client.addTurn(CONVERSATION, { agent: 'beatrice', content: 'Hello' })
  await client.completeConversation(CONVERSATION)
  await client.context()
  await client.searchContext({ query: 'x' })
  await client.updateSummary({ summary: 'x' })
  assert.equal((await client.agentState('beatrice')).etag, '"7"')
  await client.updateAgentState('beatrice', { state_updates: { mood: 'calm' } }, { ifMatch: '"7"' })
  assert.equal((await client.exportSession()).status, 'processing')
  assert.equal((await client.exportStatus(EXPORT)).status, 'completed')
  const answer = await client.enhancedChatCompletion({ session_id: SESSION, messages: MESSAGES })
  assert.equal(answer.memory_metadata?.turn_id, 'turn_002')
  await client.archiveSession()
  const [creation, ...others] = node.seen
  assert.deepEqual(JSON.parse(String(creation?.body)), {
    user_preferences: { memory_retention_days: 30, context_depth: 10 },
  })
  assert.deepEqual([creation?.headers['x-api-key'], creation?.headers.authorization], ['a-key', undefined])
  for (const { headers } of others) {
    assert.deepEqual([headers['x-api-key'], headers.authorization], [undefined, 'Bearer a-token'])
  }
  assert.equal(node.seen.find(({ headers }) => headers['if-match'] !== undefined)?.headers['if-match'], '"7"')
  await client.refreshToken()
  await client.session()
  assert.equal(node.seen.at(-1)?.headers.authorization, 'Bearer a-fresh-token')
  await client.deleteSession()
  await assert.rejects(client.session(), { name: 'ClientError', code: 'INVALID_ARGUMENT' })
})

test('a completion is streamed piece by piece', async (t) => {
  const { client, node } = await remembering(t, (_request, response) => {
    stream(response).end(`: hello\n\n${event(chunk('Hel'))}${event(chunk('lo'))}data: [DONE]\n\n`)
  })
  const pieces: unknown[] = []
  for await (const { choices } of client.streamChatCompletion({ messages: MESSAGES }))
    pieces.push(choices[0]?.delta.content)
  assert.deepEqual(pieces, ['Hel', 'lo'])
  assert.equal(JSON.parse(String(node.seen.at(-1)?.body)).stream, true)
})

test('whoever stops reading a stream ends it', async (t) => {
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  const { client } = await remembering(t, (_request, response) => {
    response.once('close', resolve)
    stream(response).write(event(chunk('Hel')))
  })
  for await (const _ of client.streamChatCompletion({ messages: MESSAGES })) break
  await closed
})

test('a stream that fails, breaks off or is something else is an error', async (t) => {
  const failure = {
    error: { message: 'm', type: 'server_error', param: null, code: 'MEMORY_SERVICE_ERROR', retry_after: 9 },
  }
  for (const [text, expected] of [
    [`event: error\n${event(failure)}`, { code: 'MEMORY_SERVICE_ERROR', retryable: true, retryAfter: 9 }],
    [event(chunk('Hel')), { name: 'UnreachableError' }],
    [event({ object: 'other' }), { code: 'BAD_ANSWER' }],
    ['data: no json\n\n', { code: 'BAD_ANSWER' }],
  ] as const) {
    const { client } = await remembering(t, (_request, response) => void stream(response).end(text))
    await assert.rejects(async () => {
      for await (const _ of client.streamChatCompletion({ messages: MESSAGES }));
    }, expected)
  }
})

test('failures are typed, in both shapes', async (t) => {
  const { client } = await remembering(t, (request, response) => {
    if (request.path.endsWith('/context'))
      return json(response, { error: { code: 'SESSION_EXPIRED', message: 'm' } }, 401)
    if (request.path.startsWith('/v2/')) {
      const error = { message: 'm', type: 'invalid_request_error', param: 'model', code: 'model_not_found' }
      return json(response, { error }, 404)
    }
    return json(response, { error: { code: 'RATE_LIMIT_EXCEEDED', message: 'm', retry_after: 12 } }, 429)
  })
  await assert.rejects(
    client.context(),
    (error) => error instanceof UnauthorizedError && error.code === 'SESSION_EXPIRED',
  )
  await assert.rejects(
    client.enhancedChatCompletion({ model: 'x', messages: MESSAGES }),
    (error) => error instanceof NotFoundError && error.code === 'model_not_found',
  )
  await assert.rejects(client.session(), { code: 'RATE_LIMIT_EXCEEDED', retryAfter: 12, retryable: true })
})

test('what cannot work is refused before anybody is asked', async (t) => {
  const node = await fakeNode(t, (_request, response) => json(response, {}))
  const client = new CCCMemoryClient({ baseUrl: node.url })
  await assert.rejects(client.context(), ClientError)
  await assert.rejects(client.session({ session_id: SESSION }), ClientError)
  assert.throws(() => new CCCMemoryClient({ baseUrl: node.url, apiVersion: 'v1' as 'v2' }), ClientError)
  assert.throws(() => new CCCMemoryClient({ baseUrl: 'ftp://x' }), ClientError)
  assert.deepEqual(node.seen, [])
})

test('an answer in another form is refused, and a node that is away is said to be', async (t) => {
  const { client, node } = await remembering(t, (_request, response) => json(response, { session_id: 'x' }))
  await assert.rejects(client.session(), { code: 'BAD_ANSWER' })
  await node.close()
  await assert.rejects(client.session(), UnreachableError)
})
