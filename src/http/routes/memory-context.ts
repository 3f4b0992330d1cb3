import { Type } from 'typebox'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  AgentName,
  AgentStateAnswer,
  AgentStateUpdate,
  AgentStateUpdated,
  ContextSearch,
  ContextSearchResult,
  SessionContext,
  SessionId,
  SummaryUpdate,
  SummaryUpdated,
} from '../../../protocol/memory.ts'
import { failureOf, MEMORY_BODY } from '../answers.ts'
import { sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'
import { sessionOf } from '../session-of.ts'
import { untilGone } from '../until-gone.ts'

const family = 'memory'
const shared = { family, bodyLimit: LIMITS.jsonBodyBytes } as const
const params = Type.Object({ session_id: SessionId })
const ofAgent = Type.Object({ session_id: SessionId, agent_name: AgentName })
const failure = (description: string): Answer => ({ description, schema: failureOf(shared) })
const other = failure('The token is of another session')
const archived = failure('The session is archived')
const operation = (name: string) => ({ class: 'context', operation: name }) as const

/** What sessions are about, and what agents know in them. */
export const contextRoutes: readonly Route[] = [
  route({
    family,
    bodyLimit: 0,
    method: 'GET',
    path: '/api/v2/sessions/:session_id/context',
    access: 'session:read',
    memory: operation('get_context'),
    summary: 'What a session is about: summary, topics, agents, newest conversations',
    params,
    answers: { 200: { description: 'The context', schema: SessionContext }, 404: other },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          sendJson(request, reply, 200, await node.memory.context(sessionOf(request), signal))
        }),
  }),
  route({
    ...shared,
    method: 'POST',
    path: '/api/v2/sessions/:session_id/context/search',
    access: 'session:read',
    memory: operation('search_context'),
    summary: 'Search what was said in a session',
    params,
    body: ContextSearch,
    answers: {
      ...MEMORY_BODY,
      200: { description: 'What was found, best first', schema: ContextSearchResult },
      404: failure('The token is of another session, or the conversation is not in it'),
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          sendJson(request, reply, 200, await node.memory.search(sessionOf(request), request.body, signal))
        }),
  }),
  route({
    ...shared,
    method: 'PUT',
    path: '/api/v2/sessions/:session_id/context/summary',
    access: 'session:memory',
    memory: operation('update_summary'),
    summary: 'Replace the summary of a session; the one before is kept',
    params,
    body: SummaryUpdate,
    answers: {
      ...MEMORY_BODY,
      200: { description: 'It is replaced', schema: SummaryUpdated },
      404: other,
      409: archived,
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.memory.updateSummary(sessionOf(request), request.body)),
  }),
  route({
    family,
    bodyLimit: 0,
    method: 'GET',
    path: '/api/v2/sessions/:session_id/agents/:agent_name/state',
    access: 'session:read',
    memory: operation('get_agent_state'),
    summary: 'What an agent knows in a session; its ETag goes into If-Match of an update',
    params: ofAgent,
    answers: { 200: { description: 'The state; {} where there is none', schema: AgentStateAnswer }, 404: other },
    handler:
      ({ node }) =>
      (request, reply) => {
        const { answer, etag } = node.memory.agentState(sessionOf(request), request.params.agent_name)
        sendJson(request, reply, 200, answer, ['ETag', etag])
      },
  }),
  route({
    ...shared,
    method: 'PUT',
    path: '/api/v2/sessions/:session_id/agents/:agent_name/state',
    access: 'session:memory',
    memory: operation('update_agent_state'),
    summary: 'Merge an update into what an agent knows',
    params: ofAgent,
    headers: { 'If-Match': 'the ETag that the state must have' },
    body: AgentStateUpdate,
    answers: {
      ...MEMORY_BODY,
      200: { description: 'The fields that changed', schema: AgentStateUpdated },
      404: other,
      409: archived,
      412: failure('The state has another ETag by now'),
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { 'if-match': ifMatch } = request.headers
        const { agent_name: agent } = request.params
        const { answer, etag } = await node.memory.updateAgentState(sessionOf(request), agent, request.body, ifMatch)
        sendJson(request, reply, 200, answer, ['ETag', etag])
      },
  }),
]
