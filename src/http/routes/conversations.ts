import { Type } from 'typebox'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  Conversation,
  ConversationCompleted,
  ConversationId,
  ConversationList,
  ConversationListQuery,
  ConversationQuery,
  ConversationStart,
  ConversationStarted,
  SessionId,
  TurnAdded,
  TurnAddition,
} from '../../../protocol/memory.ts'
import { failureOf, MEMORY_BODY } from '../answers.ts'
import { sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'
import { sessionOf } from '../session-of.ts'
import { untilGone } from '../until-gone.ts'

/** Bytes of a turn: the longest, with every character escaped, and its metadata. */
const TURN_BYTES = 2 * 1024 * 1024

const family = 'memory'
const params = Type.Object({ conversation_id: ConversationId })
const failure = (description: string): Answer => ({ description, schema: failureOf({ family }) })
const absent = failure('There is no such conversation in the session of this token')
const closed = failure('The session is archived, or the conversation completed')
const operation = (name: string) => ({ class: 'conversation', operation: name }) as const

/** What was said in sessions. */
export const conversationRoutes: readonly Route[] = [
  route({
    family,
    bodyLimit: 0,
    method: 'GET',
    path: '/api/v2/sessions/:session_id/conversations',
    access: 'session:read',
    memory: operation('list_conversations'),
    summary: 'Conversations of a session, newest first',
    params: Type.Object({ session_id: SessionId }),
    query: ConversationListQuery,
    answers: {
      200: { description: 'Conversations', schema: ConversationList },
      404: failure('The token is of another session'),
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.memory.conversations(sessionOf(request), request.query)),
  }),
  route({
    family,
    bodyLimit: LIMITS.jsonBodyBytes,
    method: 'POST',
    path: '/api/v2/conversations',
    access: 'session:write',
    memory: operation('start_conversation'),
    summary: 'Start a conversation; the answer brings earlier ones that bear on it',
    body: ConversationStart,
    answers: {
      ...MEMORY_BODY,
      201: { description: 'The conversation', schema: ConversationStarted },
      404: failure('The token is of another session'),
      409: failure('The session is archived'),
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const started = await node.memory.startConversation(sessionOf(request), request.body, signal)
          sendJson(request, reply, 201, started)
        }),
  }),
  route({
    family,
    bodyLimit: 0,
    method: 'GET',
    path: '/api/v2/conversations/:conversation_id',
    access: 'session:read',
    memory: operation('get_conversation'),
    summary: 'A conversation with its turns, oldest first, page by page',
    params,
    query: ConversationQuery,
    answers: { 200: { description: 'The conversation', schema: Conversation }, 404: absent },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { conversation_id: id } = request.params
        sendJson(request, reply, 200, await node.memory.conversation(sessionOf(request), id, request.query))
      },
  }),
  route({
    family,
    bodyLimit: TURN_BYTES,
    method: 'POST',
    path: '/api/v2/conversations/:conversation_id/turns',
    access: 'session:write',
    memory: operation('add_turn'),
    summary: 'Add a turn to a conversation; it is durable when it is answered',
    params,
    body: TurnAddition,
    answers: { ...MEMORY_BODY, 201: { description: 'The turn', schema: TurnAdded }, 404: absent, 409: closed },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { conversation_id: id } = request.params
        const [added] = await node.memory.addTurns(sessionOf(request), id, [request.body])
        sendJson(request, reply, 201, added)
      },
  }),
  route({
    family,
    bodyLimit: 0,
    method: 'POST',
    path: '/api/v2/conversations/:conversation_id/complete',
    access: 'session:write',
    memory: operation('complete_conversation'),
    summary: 'Complete a conversation, with a summary where the session wants one. Once more changes nothing',
    params,
    answers: { 200: { description: 'It is completed', schema: ConversationCompleted }, 404: absent, 409: closed },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const { conversation_id: id } = request.params
          sendJson(request, reply, 200, await node.memory.complete(sessionOf(request), id, signal))
        }),
  }),
]
