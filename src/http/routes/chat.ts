import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import {
  CHAT_BODY_BYTES,
  ChatCompletion,
  type ChatCompletionChunk,
  ChatFailure,
  ChatRequest,
  EnhancedChatRequest,
  Model,
  ModelList,
} from '../../../protocol/chat.ts'
import { chatError } from '../../node/memory-api.ts'
import { assertSupported } from '../chat-body.ts'
import { failureAnswer } from '../errors.ts'
import { COMMON, finished, sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'
import { sendEvents } from '../send-events.ts'
import { sessionOf } from '../session-of.ts'
import { untilGone } from '../until-gone.ts'

const shared = { family: 'chat' } as const
const failure = (description: string): Answer => ({ description, schema: ChatFailure })

const ANSWERS: Readonly<Record<number, Answer>> = {
  200: {
    description:
      'The answer; with `stream: true` server-sent events, each a `chat.completion.chunk`, and `[DONE]` at the end',
    schema: ChatCompletion,
  },
  404: failure('There is no such model'),
  413: failure('The body is too large'),
  415: failure('The body is no JSON'),
  503: failure('The service behind the model does not answer; `retry_after` says when to try again'),
}

const EVENT_HEADERS = [
  ...COMMON,
  'Content-Type',
  'text/event-stream; charset=utf-8',
  'Cache-Control',
  'no-store',
  // nginx would collect what it proxies.
  'X-Accel-Buffering',
  'no',
] as const

/** What OpenAI's clients choose models from. */
function modelRoutes(version: 'v1' | 'v2', door: Pick<Route, 'access' | 'memory'>): readonly Route[] {
  return [
    route({
      ...shared,
      ...door,
      method: 'GET',
      path: `/${version}/models`,
      operationId: `get_${version}_models`,
      bodyLimit: 0,
      summary: 'List the models that chats may ask for',
      answers: { 200: { description: 'Models', schema: ModelList } },
      handler:
        ({ node }) =>
        (request, reply) =>
          sendJson(request, reply, 200, node.chat.models()),
    }),
    route({
      ...shared,
      ...door,
      method: 'GET',
      path: `/${version}/models/:model`,
      operationId: `get_${version}_models_by_model`,
      bodyLimit: 0,
      summary: 'One of these models',
      params: Type.Object({ model: Type.String({ minLength: 1, maxLength: 256 }) }),
      answers: { 200: { description: 'The model', schema: Model }, 404: failure('There is no such model') },
      handler:
        ({ node }) =>
        (request, reply) => {
          const { model } = request.params
          const found = node.chat.models().data.find(({ id }) => id === model)
          if (found === undefined)
            throw chatError('model_not_found', `there is no model ${JSON.stringify(model)}`, 'model')
          return sendJson(request, reply, 200, found)
        },
    }),
  ]
}

/** Chat completions in the shape of OpenAI's: "Enhanced Chat Completions", and "Stage 1 Endpoints". */
export const chatRoutes: readonly Route[] = [
  route({
    ...shared,
    method: 'POST',
    path: '/v2/chat/completions',
    access: 'session:memory',
    memory: { class: 'chat', operation: 'chat_completion' },
    operationId: 'post_v2_chat_completions',
    bodyLimit: CHAT_BODY_BYTES,
    summary: 'Answer a chat with what a session remembers, and remember the answer',
    body: EnhancedChatRequest,
    answers: {
      ...ANSWERS,
      401: failure('The token of the session is missing, wrong or expired'),
      403: failure('The token lacks the permission `memory`'),
      404: failure('There is no such model, or no such conversation in this session'),
      409: failure('The session is archived, or the conversation is completed'),
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const access = sessionOf(request)
          const { body } = request
          assertSupported(body)
          if (body.stream === true)
            await stream(node.chat.streamWithMemory(access, body, signal), request, reply, signal)
          else sendJson(request, reply, 200, await node.chat.completeWithMemory(access, body, signal))
        }),
  }),
  route({
    ...shared,
    method: 'POST',
    path: '/v1/chat/completions',
    operationId: 'post_v1_chat_completions',
    access: 'spending',
    bodyLimit: CHAT_BODY_BYTES,
    summary: 'Answer a chat without remembering anything',
    body: ChatRequest,
    answers: ANSWERS,
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const { body } = request
          assertSupported(body)
          if (body.stream === true) await stream(node.chat.stream(body, signal), request, reply, signal)
          else sendJson(request, reply, 200, await node.chat.complete(body, signal))
        }),
  }),
  ...modelRoutes('v1', { access: 'spending' }),
  // Clients that have a session's token for a key ask where they chat.
  ...modelRoutes('v2', { access: 'session:any', memory: { class: 'context', operation: 'list_models' } }),
]

async function stream(
  chunks: AsyncIterable<ChatCompletionChunk>,
  request: FastifyRequest,
  reply: FastifyReply,
  signal: AbortSignal,
): Promise<void> {
  const { cors = [], limits } = request.exchange
  await sendEvents(chunks, {
    raw: reply.raw,
    headers: [...EVENT_HEADERS, ...cors, ...limits],
    end: '[DONE]',
    failure: (error) => JSON.stringify(failureAnswer(error, request).body),
    signal,
  })
  finished(request, 200)
}
