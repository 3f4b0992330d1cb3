import type { FastifyRequest } from 'fastify'
import type { MemoryPermission } from '../../protocol/memory.ts'
import type { ProviderNode } from '../node/api.ts'
import { memoryError, type SessionAccess } from '../node/memory-api.ts'

/** The session whose token a request presents. Throws `INVALID_SESSION_TOKEN`, `SESSION_EXPIRED` and `PERMISSION_DENIED`. */
export async function sessionOf(
  { memory }: Pick<ProviderNode, 'memory'>,
  { exchange }: Pick<FastifyRequest, 'exchange'>,
  permission: MemoryPermission,
): Promise<SessionAccess> {
  const token = exchange.federationToken
  if (token === undefined) {
    throw memoryError('INVALID_SESSION_TOKEN', 'this needs the token of a session, as Authorization: Bearer')
  }
  const access = await memory.authorize(token)
  if (access.permissions.has(permission)) return access
  const held = [...access.permissions].join(', ')
  throw memoryError('PERMISSION_DENIED', `this needs the permission ${permission}, the token has ${held}`)
}
