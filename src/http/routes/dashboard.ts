import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { ProviderError } from '../../kernel/base/errors.ts'
import { type DashboardFile, readDashboard } from '../dashboard-files.ts'
import { COMMON, sendText, TEXT_TYPE } from '../respond.ts'
import { type Route, route } from '../route.ts'

const shared = { method: 'GET', access: 'open', family: 'system', bodyLimit: 0, hidden: true } as const

/** Code and style are files of this node and nothing else: what strangers wrote can never become either. */
const POLICY = [
  ...COMMON,
  'Content-Security-Policy',
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Cross-Origin-Opener-Policy',
  'same-origin',
  'Vary',
  'Accept-Encoding',
]
const PAGE = [...POLICY, 'Cache-Control', 'no-cache']
/** The name of a file has the hash of what it holds. */
const ASSET = [...POLICY, 'Cache-Control', 'public, max-age=31536000, immutable']

const HOW_TO_BUILD = 'The dashboard is not built in this checkout: npm run dashboard builds it. The API is at /docs.\n'

/** Read on the first visit, and once: nodes without visitors hold nothing. A checkout without it looks again each time. */
let dashboard: ReadonlyMap<string, DashboardFile> | undefined

const fileAt = (path: string): DashboardFile | undefined => {
  dashboard ??= readDashboard()
  return dashboard?.get(path)
}

/** The dashboard: one page, and the files that it loads. */
export const dashboardRoutes: readonly Route[] = [
  route({
    ...shared,
    path: '/',
    summary: 'The dashboard',
    answers: { 200: { description: 'A page', mediaType: 'text/html' } },
    handler: () => (request, reply) => {
      const page = fileAt('/index.html')
      return page === undefined
        ? sendText(request, reply, 200, TEXT_TYPE, HOW_TO_BUILD)
        : sendFile(request, reply, page, PAGE)
    },
  }),
  route({
    ...shared,
    path: '/assets/:file',
    summary: 'A file that the dashboard loads',
    params: Type.Object({ file: Type.String({ maxLength: 128 }) }),
    answers: { 200: { description: 'A script, a style or a picture', mediaType: 'text/javascript' } },
    handler: () => (request, reply) => {
      const asset = fileAt(`/assets/${request.params.file}`)
      if (asset === undefined) throw new ProviderError('PROV_001', 'there is no such file', { status: 404 })
      return sendFile(request, reply, asset, ASSET)
    },
  }),
]

function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  { type, plain, br, gzip }: DashboardFile,
  headers: readonly string[],
): undefined {
  const accepted = String(request.headers['accept-encoding'] ?? '')
  const coding = accepts(accepted, 'br') ? 'br' : accepts(accepted, 'gzip') ? 'gzip' : undefined
  const bytes = coding === 'br' ? br : coding === 'gzip' ? gzip : plain
  return sendText(request, reply, 200, type, bytes, coding && ['Content-Encoding', coding], headers)
}

/** Whether `Accept-Encoding` names a coding, and not to refuse it. */
const accepts = (header: string, coding: string): boolean =>
  header.split(',').some((item) => {
    const [name, ...parameters] = item.toLowerCase().split(';')
    return name?.trim() === coding && !parameters.some((parameter) => /^\s*q=0(\.0*)?\s*$/.test(parameter))
  })
