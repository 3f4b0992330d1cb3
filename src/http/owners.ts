import type { FastifyRequest } from 'fastify'
import { ProviderError } from '../kernel/base/errors.ts'
import { callerOf } from './respond.ts'
import type { HttpContext } from './route.ts'

/** Whose a request is. */
export interface Owner {
  /** An operator's id; null for the administrator. */
  readonly owner: string | null
  /** As the node's log names it. */
  readonly by: string
}

/**
 * The operator who signed a request, in its body or, where it has none, in its headers; undefined for a request that nobody signed. Throws for a
 * signature that does not count.
 */
export type OperatorOf = (context: HttpContext, request: FastifyRequest) => Promise<string | undefined>

/** The administrator by a key, an operator by a signature. Throws `PROV_016`, and `PROV_015` for other keys. */
export async function ownerOf(operatorOf: OperatorOf, context: HttpContext, request: FastifyRequest): Promise<Owner> {
  const { caller } = request.exchange
  if (caller?.role === 'admin') return { owner: null, by: callerOf(request) }
  const operator = await operatorOf(context, request)
  if (operator !== undefined) return { owner: operator, by: `operator:${operator}` }
  const needed = "this needs an operator's signature, or the administrator's key"
  if (caller === undefined) throw new ProviderError('PROV_016', needed)
  throw new ProviderError('PROV_015', `${needed}; the one that was presented is a ${caller.role}'s`)
}

/** What was sent: the administrator's body, or the payload of what an operator signed. */
export const sentBy = ({ owner }: Owner, body: unknown): unknown =>
  owner === null ? body : (body as { readonly payload: unknown }).payload
