import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import OpenAI, { APIError } from 'openai'
import type { ChatCompletion } from '../../protocol/chat.ts'
import type { ProviderConfig } from '../../src/kernel/plugins/provider-config.ts'
import { memoryError } from '../../src/node/memory-api.ts'
import {
  begin,
  type ChatUpstream,
  chatUpstream,
  chunkOf,
  DONE,
  FINISHED,
  llmOf,
  MODEL,
  says,
} from '../support/chat-upstream.ts'
import { EXPIRED_TOKEN, FakeMemory, READ_TOKEN, SESSION_TOKEN } from '../support/fake-memory.ts'
import { type NodeWithServer, nodeWithServer } from '../support/node-servers.ts'

interface Chatting {
  readonly upstream: ChatUpstream
  readonly memory: FakeMemory
  readonly node: NodeWithServer
  /** The official client without memory; with the session's token, `remembering`. */
  readonly client: OpenAI
  readonly remembering: OpenAI
}

/** A whole node whose language model is scripted. */
async function chatting(t: TestContext, config: ProviderConfig = {}): Promise<Chatting> {
  const upstream = await chatUpstream(t)
  const memory = new FakeMemory()
  const node = await nodeWithServer(t, { llm: await llmOf(upstream, config), sessions: memory })
  return {
    upstream,
    memory,
    node,
    // Who needs no key sends none.
    client: clientOf(node, 'v1', 'none', { Authorization: null }),
    remembering: clientOf(node, 'v2', SESSION_TOKEN),
  }
}

const clientOf = (
  { url }: NodeWithServer,
  version: 'v1' | 'v2',
  apiKey: string,
  defaultHeaders: Record<string, string | null> = {},
): OpenAI => new OpenAI({ baseURL: `${url}/${version}`, apiKey, defaultHeaders, maxRetries: 0 })

const ASK = { model: MODEL, messages: [{ role: 'user' as const, content: 'Say hello.' }] }

/** What an official client raises. */
const raises =
  (status: number | undefined, expected: Partial<APIError>) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof APIError, String(error))
    assert.equal(error.status, status)
    for (const [name, value] of Object.entries(expected)) assert.equal(error[name as keyof typeof error], value)
    return true
  }

test('the official client gets a completion, its usage, and what it asked for is passed on', async (t) => {
  const { client, upstream } = await chatting(t)
  const answer = await client.chat.completions.create({
    ...ASK,
    temperature: 0.3,
    top_p: 0.9,
    max_tokens: 50,
    stop: ['END'],
    seed: 7,
  })
  assert.match(answer.id, /^chatcmpl-[0-9a-f]{24}$/)
  assert.deepEqual([answer.object, answer.model], ['chat.completion', MODEL])
  assert.deepEqual(answer.choices, [
    { index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' },
  ])
  assert.deepEqual(answer.usage, { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16 })
  assert.ok(!('memory_metadata' in answer))
  const { body } = upstream.asked[0]!
  assert.deepEqual(body, {
    ...ASK,
    temperature: 0.3,
    top_p: 0.9,
    max_tokens: 50,
    stop: ['END'],
    seed: 7,
    stream: true,
    stream_options: { include_usage: true },
  })
})

test('usage is counted where the service says nothing of it', async (t) => {
  const { client, upstream } = await chatting(t)
  upstream.script = (_asked, response) => void begin(response).end(chunkOf('Hello.') + FINISHED + DONE)
  const { usage } = await client.chat.completions.create(ASK)
  assert.deepEqual(usage, { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 })
})

test('the official client streams, piece by piece, with usage where it asks for it', async (t) => {
  const { client, upstream } = await chatting(t)
  upstream.script = says('One two three.')
  const pieces: string[] = []
  const ends: unknown[] = []
  let usage: unknown
  for await (const chunk of await client.chat.completions.create({
    ...ASK,
    stream: true,
    stream_options: { include_usage: true },
  })) {
    const [choice] = chunk.choices
    if (choice?.delta.content !== undefined && choice.delta.content !== null) pieces.push(choice.delta.content)
    if (choice?.finish_reason) ends.push(choice.finish_reason)
    usage = chunk.usage
  }
  assert.deepEqual([pieces, ends], [['One ', 'two ', 'three.'], ['stop']])
  assert.deepEqual(usage, { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16 })
})

test('a piece arrives before the next one is made', async (t) => {
  const { client, upstream } = await chatting(t)
  let proceed: (() => void) | undefined
  upstream.script = async (_asked, response) => {
    begin(response).write(chunkOf('first'))
    await new Promise<void>((resolve) => {
      proceed = resolve
    })
    response.end(chunkOf('second') + FINISHED + DONE)
  }
  const seen: unknown[] = []
  for await (const chunk of await client.chat.completions.create({ ...ASK, stream: true })) {
    seen.push(chunk.choices[0]?.delta.content)
    proceed?.()
  }
  assert.deepEqual(seen, ['first', 'second', undefined])
})

test('models are listed, and found by name', async (t) => {
  const { client } = await chatting(t)
  assert.deepEqual(
    (await client.models.list()).data.map(({ id, object }) => [id, object]),
    [[MODEL, 'model']],
  )
  assert.equal((await client.models.retrieve(MODEL)).id, MODEL)
  await assert.rejects(client.models.retrieve('gpt-4'), raises(404, { code: 'model_not_found', param: 'model' }))
})

describe('failures have the form that the official client raises', () => {
  test('401 for a wrong key, and without one where the service costs something', async (t) => {
    const { node, client } = await chatting(t, { api_key: 'secret' })
    await assert.rejects(client.chat.completions.create(ASK), raises(401, { type: 'authentication_error' }))
    await assert.rejects(
      clientOf(node, 'v1', 'wrong').chat.completions.create(ASK),
      raises(401, { type: 'authentication_error', code: 'invalid_api_key' }),
    )
    const { body } = await node.send('POST', '/api/v1/keys', { role: 'reader', name: 'chat' })
    const answer = await clientOf(node, 'v1', String(body.key)).chat.completions.create(ASK)
    assert.equal(answer.choices[0]?.message.content, 'Hello.')
  })

  test('401 and 403 for tokens of a session', async (t) => {
    const { node, remembering } = await chatting(t)
    const code = { type: 'authentication_error', code: 'INVALID_SESSION_TOKEN' }
    const with_ = (token: string) => clientOf(node, 'v2', token).chat.completions.create(ASK)
    await assert.rejects(with_('eyJhbGciOiJub25lIn0.e30.x'), raises(401, code))
    await assert.rejects(with_(EXPIRED_TOKEN), raises(401, { ...code, code: 'SESSION_EXPIRED' }))
    await assert.rejects(with_(READ_TOKEN), raises(403, { code: 'PERMISSION_DENIED' }))
    await assert.rejects(
      clientOf(node, 'v2', 'none', { Authorization: null }).chat.completions.create(ASK),
      raises(401, code),
    )
    const other = { ...ASK, session_id: `sess_${'f'.repeat(32)}` }
    await assert.rejects(remembering.chat.completions.create(other), raises(404, { code: 'SESSION_NOT_FOUND' }))
    const absent = { ...ASK, conversation_id: `conv_${'f'.repeat(32)}` }
    await assert.rejects(remembering.chat.completions.create(absent), raises(404, { code: 'CONVERSATION_NOT_FOUND' }))
  })

  test('404 for a model that is not there, 400 for what is no request, 413 for too much of it', async (t) => {
    const { client } = await chatting(t)
    const invalid = { type: 'invalid_request_error' }
    await assert.rejects(
      client.chat.completions.create({ ...ASK, model: 'gpt-4' }),
      raises(404, { ...invalid, code: 'model_not_found', param: 'model' }),
    )
    await assert.rejects(client.chat.completions.create({ ...ASK, messages: [] }), raises(400, invalid))
    const long = 'x'.repeat(200_000)
    const messages = Array.from({ length: 30 }, () => ({ role: 'user' as const, content: long }))
    await assert.rejects(client.chat.completions.create({ ...ASK, messages }), raises(413, invalid))
  })

  for (const [field, value] of [
    ['tools', [{ type: 'function', function: { name: 'f' } }]],
    ['functions', [{ name: 'f' }]],
    ['n', 2],
    ['logprobs', true],
    ['response_format', { type: 'json_object' }],
    ['modalities', ['text', 'audio']],
  ] as const) {
    test(`400 that names the field for ${field}, which would be left out`, async (t) => {
      const { client, upstream } = await chatting(t)
      const request = { ...ASK, [field]: value } as OpenAI.ChatCompletionCreateParamsNonStreaming
      await assert.rejects(
        client.chat.completions.create(request),
        raises(400, { code: 'unsupported_parameter', param: field }),
      )
      assert.equal(upstream.asked.length, 0)
    })
  }

  test('fields that change nothing are accepted', async (t) => {
    const { client } = await chatting(t)
    const request = { ...ASK, n: 1, logprobs: false, tools: [], response_format: { type: 'text' as const }, user: 'u' }
    assert.equal((await client.chat.completions.create(request)).choices.length, 1)
  })

  for (const [name, script] of [
    ['refuses', (_asked, response) => void response.writeHead(500).end('secret words')],
    ['wants to be left alone', (_asked, response) => void response.writeHead(429, { 'Retry-After': '17' }).end()],
    ['breaks off', (_asked, response) => void begin(response).write(chunkOf('Hel'), () => response.destroy())],
    ['ends in the middle', (_asked, response) => void begin(response).end(chunkOf('Hel'))],
    ['says what is no chat completion', (_asked, response) => void begin(response).end('data: {"error":{}}\n\n')],
    ['says nothing', () => undefined],
  ] as [string, ChatUpstream['script']][]) {
    test(`503 when the service ${name}: nothing is stored, and nothing repeated`, async (t) => {
      const { remembering, upstream, memory } = await chatting(t, { timeout: 300 })
      upstream.script = script
      const conversation_id = memory.add('Before.', 'Yes.')
      const before = memory.said(conversation_id)
      await assert.rejects(remembering.chat.completions.create({ ...ASK, conversation_id } as typeof ASK), (error) => {
        raises(503, { type: 'server_error', code: 'MEMORY_SERVICE_ERROR' })(error)
        const { message, headers, error: body } = error as APIError
        assert.doesNotMatch(message, /secret/)
        const seconds = name.startsWith('wants') ? 17 : 30
        assert.equal((body as { retry_after: number }).retry_after, seconds)
        assert.equal(headers?.get('retry-after'), String(seconds))
        return true
      })
      assert.deepEqual([memory.said(conversation_id), memory.conversationsById.size], [before, 1])
    })
  }

  test('429 with the time to wait', async (t) => {
    const upstream = await chatUpstream(t)
    const node = await nodeWithServer(t, {
      llm: await llmOf(upstream),
      sessions: new FakeMemory(),
      rates: { anonymous: 1 },
    })
    const client = clientOf(node, 'v1', 'none', { Authorization: null })
    await client.chat.completions.create(ASK)
    await assert.rejects(client.chat.completions.create(ASK), (error) => {
      raises(429, { type: 'rate_limit_error', code: 'rate_limit_exceeded' })(error)
      assert.ok(Number((error as APIError).headers?.get('retry-after')) > 0)
      return true
    })
  })

  test('a stream that fails after it began raises, and nothing is stored', async (t) => {
    const { remembering, upstream, memory } = await chatting(t)
    upstream.script = (_asked, response) => void begin(response).write(chunkOf('Hel'), () => response.destroy())
    const seen: unknown[] = []
    await assert.rejects(
      async () => {
        for await (const chunk of await remembering.chat.completions.create({ ...ASK, stream: true }))
          seen.push(chunk.choices[0]?.delta.content)
      },
      raises(undefined, { type: 'server_error', code: 'MEMORY_SERVICE_ERROR' }),
    )
    assert.deepEqual([seen, memory.conversationsById.size], [['Hel'], 0])
  })

  test('an answer that cannot be stored is no answer', async (t) => {
    const { remembering, memory } = await chatting(t)
    memory.refusal = memoryError('STORAGE_QUOTA_EXCEEDED', 'the session is full')
    await assert.rejects(remembering.chat.completions.create(ASK), raises(413, { code: 'STORAGE_QUOTA_EXCEEDED' }))
    await assert.rejects(
      async () => {
        for await (const _ of await remembering.chat.completions.create({ ...ASK, stream: true }));
      },
      raises(undefined, { code: 'STORAGE_QUOTA_EXCEEDED' }),
    )
  })
})

describe('a client that goes away ends the work behind it', () => {
  const started = async (t: TestContext) => {
    const chat = await chatting(t)
    chat.upstream.script = (_asked, response) => void begin(response).write(chunkOf('Hello'))
    return { ...chat, asked: chat.upstream.next() }
  }

  test('while it waits for a whole answer', async (t) => {
    const { remembering, memory, asked } = await started(t)
    const stop = new AbortController()
    const answer = remembering.chat.completions.create(ASK, { signal: stop.signal })
    const { leftEarly } = await asked
    stop.abort()
    await assert.rejects(answer, OpenAI.APIUserAbortError)
    assert.equal(await leftEarly, true)
    assert.equal(memory.conversationsById.size, 0)
  })

  test('while it streams', async (t) => {
    const { remembering, memory, asked } = await started(t)
    const stream = await remembering.chat.completions.create({ ...ASK, stream: true })
    for await (const _ of stream) break
    assert.equal(await (await asked).leftEarly, true)
    assert.equal(memory.conversationsById.size, 0)
  })

  test('when its own time is over', async (t) => {
    const { node, asked } = await started(t)
    const hasty = new OpenAI({ baseURL: `${node.url}/v2`, apiKey: SESSION_TOKEN, maxRetries: 0, timeout: 500 })
    await assert.rejects(hasty.chat.completions.create(ASK), OpenAI.APIConnectionTimeoutError)
    assert.equal(await (await asked).leftEarly, true)
  })
})

describe('with the memory of a session', () => {
  const create = async (client: OpenAI, more: object = {}): Promise<ChatCompletion> =>
    (await client.chat.completions.create({ ...ASK, ...more } as typeof ASK)) as ChatCompletion

  test('a conversation is started when none is named, and both turns are in it', async (t) => {
    const { remembering, memory } = await chatting(t)
    const answer = await create(remembering, { session_id: memory.sessionId })
    const metadata = answer.memory_metadata!
    assert.deepEqual(metadata, {
      context_used: false,
      relevant_conversations: 0,
      agent_state_applied: false,
      turn_stored: true,
      turn_id: 'turn_002',
      conversation_id: metadata.conversation_id,
    })
    assert.equal(answer.choices[0]?.message.agent, 'assistant')
    assert.deepEqual(memory.said(metadata.conversation_id!), ['user: Say hello.', 'assistant: Hello.'])
  })

  test('a conversation goes on, and the directive that started it is not told twice', async (t) => {
    const { remembering, memory } = await chatting(t)
    const conversation_id = memory.add('Say hello.')
    const first = await create(remembering, { conversation_id, memory_options: { agent: 'beatrice' } })
    assert.equal(first.memory_metadata?.turn_id, 'turn_002')
    await create(remembering, { conversation_id, messages: [{ role: 'user', content: 'Again.' }] })
    assert.deepEqual(memory.said(conversation_id), [
      'user: Say hello.',
      'beatrice: Hello.',
      'user: Again.',
      'assistant: Hello.',
    ])
  })

  test('the last chunk of a stream says what was remembered and stored', async (t) => {
    const { remembering, memory } = await chatting(t)
    for (const stream_options of [undefined, { include_usage: true }]) {
      const chunks: { memory_metadata?: { turn_stored: boolean } }[] = []
      const params = { ...ASK, stream: true as const, ...(stream_options && { stream_options }) }
      for await (const chunk of await remembering.chat.completions.create(params)) chunks.push(chunk as object)
      assert.deepEqual(
        chunks.map(({ memory_metadata }) => memory_metadata?.turn_stored),
        chunks.map((_, at) => (at === chunks.length - 1 ? true : undefined)),
      )
    }
    assert.equal(memory.conversationsById.size, 2)
  })

  test('nothing is stored where the client does not want it', async (t) => {
    const { remembering, memory } = await chatting(t)
    const { memory_metadata } = await create(remembering, { memory_options: { auto_store_response: false } })
    assert.deepEqual([memory_metadata?.turn_stored, memory_metadata?.turn_id], [false, null])
    assert.equal(memory.conversationsById.size, 0)
  })

  test('nobody is asked for what could not be stored', async (t) => {
    const { remembering, memory, upstream } = await chatting(t)
    const conversation_id = memory.add('Before.')
    memory.conversationsById.get(conversation_id)!.status = 'completed'
    await assert.rejects(create(remembering, { conversation_id }), raises(409, { code: 'CONFLICT' }))
    memory.status = 'archived'
    await assert.rejects(create(remembering), raises(409, { code: 'SESSION_ARCHIVED' }))
    const silent = { messages: [{ role: 'system', content: 'Say hello.' }] }
    memory.status = 'active'
    await assert.rejects(create(remembering, silent), raises(400, { param: 'messages' }))
    assert.equal(upstream.asked.length, 0)
  })

  test('two completions in one conversation are stored one after the other, each whole', async (t) => {
    const { remembering, memory, upstream } = await chatting(t)
    const conversation_id = memory.add('Before.', 'Yes.')
    upstream.script = (asked, response) => says(`Answer to ${asked.body.messages.at(-1)!.content}`)(asked, response)
    const words = ['one', 'two', 'three', 'four', 'five']
    await Promise.all(
      words.map((content) => create(remembering, { conversation_id, messages: [{ role: 'user', content }] })),
    )
    const said = memory.said(conversation_id).slice(2)
    for (let at = 0; at < said.length; at += 2)
      assert.equal(said[at + 1], `assistant: Answer to ${said[at]!.slice('user: '.length)}`)
    assert.deepEqual([said.length, memory.writes], [10, 5])
  })
})
