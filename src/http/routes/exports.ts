import { once } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  ExportId,
  ExportStatus,
  MEMORY_LIMITS,
  MemoryAnalytics,
  SessionExport,
  SessionId,
  SessionImported,
} from '../../../protocol/memory.ts'
import { SessionFile } from '../../../protocol/memory-export.ts'
import type { ExportFile } from '../../node/memory-api.ts'
import { failureOf } from '../answers.ts'
import { sendError } from '../errors.ts'
import { COMMON, finished, sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'
import { sessionOf } from '../session-of.ts'
import { CLIENT_GONE, untilGone } from '../until-gone.ts'

const family = 'memory'
const params = Type.Object({ session_id: SessionId })
const ofExport = Type.Object({ export_id: ExportId })
const Link = Type.Object({ expires: Type.Optional(Type.String()), signature: Type.Optional(Type.String()) })
const failure = (description: string): Answer => ({ description, schema: failureOf({ family }) })
const other = failure('The token is of another session')

/** Sessions as files, and what is measured of them. */
export const exportRoutes: readonly Route[] = [
  route({
    family,
    bodyLimit: 0,
    method: 'GET',
    path: '/api/v2/sessions/:session_id/analytics',
    access: 'session:read',
    memory: { class: 'analytics', operation: 'get_analytics' },
    summary: 'What is measured of a session; null where nothing measures it',
    params,
    answers: { 200: { description: 'The measurements', schema: MemoryAnalytics }, 404: other },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.memory.analytics(sessionOf(request))),
  }),
  route({
    family,
    bodyLimit: LIMITS.jsonBodyBytes,
    method: 'POST',
    path: '/api/v2/sessions/:session_id/export',
    access: 'session:memory',
    memory: { class: 'session', operation: 'export_session' },
    summary: 'Order an export of a session; its file is written afterwards',
    params,
    body: SessionExport,
    answers: {
      202: { description: 'The export, with the link that its file will be at', schema: ExportStatus },
      404: other,
      413: failure('The session has as many exports as it may, or the body is too large'),
      415: failure('The body is no JSON'),
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 202, await node.memory.export(sessionOf(request), request.body)),
  }),
  route({
    family,
    bodyLimit: 0,
    method: 'GET',
    path: '/api/v2/exports/:export_id',
    access: 'session:memory',
    memory: { class: 'context', operation: 'get_export' },
    summary: 'How far an export is',
    params: ofExport,
    answers: {
      200: { description: 'The export', schema: ExportStatus },
      404: failure('There is no such export of the session, or it has expired'),
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.memory.exportStatus(sessionOf(request), request.params.export_id)),
  }),
  route({
    family,
    bodyLimit: 0,
    method: 'GET',
    path: '/api/v2/exports/:export_id/download',
    access: 'open',
    memory: { class: 'context', operation: 'download_export' },
    summary: 'The file of an export, for who has its link: no token is needed',
    params: ofExport,
    query: Link,
    answers: {
      200: { description: 'The file', mediaType: 'application/octet-stream' },
      404: failure('The link is wrong or has expired, or the export or its session is gone'),
      409: failure('The file is still being written'),
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const file = await node.memory.download(request.params.export_id, request.query)
          await sendFile(request, reply, file, signal)
        }),
  }),
  route({
    family,
    bodyLimit: MEMORY_LIMITS.importBytes,
    method: 'POST',
    path: '/api/v2/sessions/import',
    access: 'spending',
    memory: { class: 'session', operation: 'import_session' },
    summary: 'Make a new session of an export with format json: numbers and times are kept, ids are new',
    body: SessionFile,
    checkedByNode: true,
    answers: {
      201: { description: 'The session, with its token', schema: SessionImported },
      413: failure('The file, or the session that it makes, is too large'),
      415: failure('The body is no JSON'),
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 201, await node.memory.import(request.body)),
  }),
]

/** Sends a file as fast as the client reads. Nothing in it may run in a browser. */
async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  { mediaType, name, size, bytes }: ExportFile,
  signal: AbortSignal,
): Promise<void> {
  const { raw } = reply
  const { cors, limits } = request.exchange
  const headers = ['Content-Type', mediaType, 'Content-Length', String(size), 'Cache-Control', 'no-store']
  const safety = ['Content-Disposition', `attachment; filename="${name}"`, 'Content-Security-Policy', 'sandbox']
  reply.hijack()
  raw.writeHead(200, [...headers, ...safety, ...COMMON, ...(cors ?? []), ...limits])
  try {
    for await (const part of bytes()) {
      signal.throwIfAborted()
      if (!raw.write(part)) await once(raw, 'drain', { signal })
    }
    raw.end()
    finished(request, 200)
  } catch (error) {
    // It is too late for an answer: the connection breaks, so that nobody takes a part for the whole.
    if (signal.aborted) finished(request, CLIENT_GONE)
    else sendError(error, request, reply)
  }
}
