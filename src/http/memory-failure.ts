import type { FastifyRequest } from 'fastify'
import { INTERNAL_ERROR } from '../../protocol/errors.ts'
import type { MemoryErrorCode, MemoryFailure } from '../../protocol/memory.ts'
import type { ProviderError } from '../kernel/base/errors.ts'

/** What an error says of memory, beside its message. */
interface MemoryDetails {
  readonly code: MemoryErrorCode
  readonly details?: Readonly<Record<string, unknown>>
  readonly retry_after?: number
}

/** An error in the shape of memory; none is a mistake of the node. */
export function memoryFailure(request: FastifyRequest, error: ProviderError | undefined): MemoryFailure {
  const { exchange, params } = request
  const found = error?.details.memory as MemoryDetails | undefined
  const { session_id: named } = (params ?? {}) as { readonly session_id?: string }
  const sessionId = exchange.session?.sessionId ?? named
  const retryAfter = found?.retry_after ?? retryAfterIn(exchange.limits)
  return {
    error: {
      code: found?.code ?? (error === undefined ? INTERNAL_ERROR : codeOf(error.status)),
      message: error?.message ?? `Internal error (request ${request.id})`,
      details: {
        ...(sessionId === undefined ? {} : { session_id: sessionId.slice(0, 128) }),
        operation: exchange.route.operation ?? '',
        timestamp: new Date().toISOString(),
        ...found?.details,
      },
      ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
    },
  }
}

/** Seconds after which it may be tried again, where the failure itself knows; undefined where it does not. */
export const retryAfterOf = (error: ProviderError | undefined): number | undefined =>
  (error?.details.memory as MemoryDetails | undefined)?.retry_after

/** The code of what the parts before memory refuse. */
function codeOf(status: number): MemoryErrorCode {
  if (status === 401) return 'INVALID_SESSION_TOKEN'
  if (status === 403) return 'PERMISSION_DENIED'
  if (status === 409) return 'CONFLICT'
  if (status === 429) return 'RATE_LIMIT_EXCEEDED'
  return status >= 500 ? 'MEMORY_SERVICE_ERROR' : 'INVALID_REQUEST'
}

function retryAfterIn(headers: readonly string[]): number | undefined {
  const at = headers.indexOf('Retry-After')
  return at === -1 ? undefined : Number(headers[at + 1])
}
