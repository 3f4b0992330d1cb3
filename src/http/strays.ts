import type { FastifyReply, FastifyRequest } from 'fastify'
import { ProviderError } from '../kernel/base/errors.ts'
import { sendError } from './errors.ts'
import { COMMON, finished } from './respond.ts'
import { methodsFor } from './routes.ts'
import { unservedVersion } from './versions.ts'

/** Seconds that a browser may remember a preflight. */
const PREFLIGHT_SECONDS = 600
/** Characters of an unknown path that a message shows. */
const SHOWN = 200

/**
 * The second hook for requests that no route takes, after their guard: 404, or 405 with `Allow`; `OPTIONS` and preflights (Fetch
 * standard, "CORS-preflight request") of known paths are answered. The body is never read.
 */
export function refuseStray(request: FastifyRequest, reply: FastifyReply): undefined {
  const { method, url } = request.raw
  const methods = methodsFor(url ?? '')
  // A path may look right and yet be none: with a parameter that is too long.
  if (methods.length === 0 || (method !== 'OPTIONS' && methods.includes(method ?? ''))) {
    const message =
      unservedVersion(url ?? '') ?? `no such route: ${method} ${url?.slice(0, SHOWN)}; /docs lists those that there are`
    return sendError(new ProviderError('PROV_001', message, { status: 404 }), request, reply)
  }
  const allow = methods.join(', ')
  if (method === 'OPTIONS') return answerOptions(request, reply, allow)
  const message = `found ${method}, allowed ${methods.length === 1 ? 'is' : 'are'} ${allow}`
  return sendError(new ProviderError('PROV_001', message, { status: 405 }), request, reply, ['Allow', allow])
}

function answerOptions(request: FastifyRequest, reply: FastifyReply, allow: string): undefined {
  const { cors, limits } = request.exchange
  const headers = ['Allow', allow, 'Cache-Control', 'no-store', ...(cors ?? []), ...limits]
  if (cors?.[0] === 'Access-Control-Allow-Origin') {
    headers.push('Access-Control-Allow-Methods', allow)
    headers.push(
      'Access-Control-Allow-Headers',
      'Authorization, Content-Type, If-None-Match, If-Range, Prefer, Quantum-Signature, Range, Request-Token, X-API-Key',
    )
    headers.push('Access-Control-Max-Age', String(PREFLIGHT_SECONDS))
  }
  reply.raw.writeHead(204, [...COMMON, ...headers])
  reply.raw.end()
  return finished(request, 204)
}
