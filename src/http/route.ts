import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Static, TSchema } from 'typebox'
import type { AccessRole } from '../../protocol/access.ts'
import type { MemoryClass, MemoryPermission } from '../../protocol/memory.ts'
import type { DescribedSetting } from '../kernel/config/describe.ts'
import type { LogRing } from '../kernel/telemetry/log-ring.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { ProviderNode } from '../node/api.ts'
import type { Credential } from './credentials.ts'
import type { Traffic } from './traffic.ts'

/** What the handlers of all routes share. */
export interface HttpContext {
  readonly node: ProviderNode
  readonly logger: Logger
  readonly metrics: Metrics
  readonly traffic: Traffic
  /** Bytes of a package at most. */
  readonly maxPackageBytes: number
  /** The newest lines of the node's log. */
  readonly logs: LogRing
  /** Whether routes for readers are open to everybody. */
  readonly openReading: boolean
  /** Who calls, as of now. */
  readonly credential: (headers: IncomingHttpHeaders) => Credential
  /** What the node runs with, for the administrator. */
  readonly settings: readonly DescribedSetting[]
}

/**
 * Who may call a route: anybody, or who presents a key with that role or a higher one. Routes for a `reader` are open unless the configuration
 * closes them. Those for a `contributor` are, too, unless the agent network's `api_key` is set: then they need that key, or a publisher's. A wrong
 * key is refused on open routes as well. `spending` routes are open, whether reading is or not, unless answers to chats cost the operator something: then
 * they need any key. `session:<permission>` takes the token of a session with that permission, `session:any` with whatever permissions, and no key stands
 * in for it.
 */
export type Access = 'open' | 'contributor' | 'spending' | SessionPermission | AccessRole
export type SessionPermission = `session:${MemoryPermission | 'any'}`

/**
 * The documented shape of a route's errors: `cells` answers `{request_id, status, error}`, `goals`
 * `{success, data, error, timestamp}`, `assurance` `{request_id, status: 'failed', payload: null, errors}`, `memory`
 * `{error: {code, message, details, retry_after}}`, `chat` what OpenAI's clients expect, the others `{status, message, error}`.
 */
export type Family = 'cells' | 'repository' | 'discovery' | 'goals' | 'assurance' | 'memory' | 'chat' | 'system'

/** What a route answers with one status. */
export interface Answer {
  readonly description: string
  /** Schema of a JSON answer. */
  readonly schema?: TSchema
  /** Media type of an answer that is no JSON. */
  readonly mediaType?: string
}

type Handler<B extends TSchema, Q extends TSchema, P extends TSchema> = (
  request: FastifyRequest<{ Body: Static<B>; Querystring: Static<Q>; Params: Static<P> }>,
  reply: FastifyReply,
) => undefined | Promise<void>

interface RouteDefinition<B extends TSchema, Q extends TSchema, P extends TSchema> {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With parameters as `:name`; a `*` at the end is the rest of the path. */
  readonly path: string
  readonly access: Access
  /** Whether a partner's federation token may stand in for a key. The handler verifies it. */
  readonly forPartners?: boolean
  readonly family: Family
  /** Of routes about sessions: what limits count together with it, and what errors call it. */
  readonly memory?: { readonly class: MemoryClass; readonly operation: string }
  /** Bytes of a body at most; 0 where none is read. Uploads are bounded part by part. */
  readonly bodyLimit: number
  /** In the OpenAPI document, where the path of another route gives the same. */
  readonly operationId?: string
  readonly summary: string
  /** JSON body. */
  readonly body?: B
  /** The node checks the body, with an error code of its own: `body` is for the documentation. */
  readonly checkedByNode?: boolean
  /** Parts of a multipart body, for the documentation: the handler reads the stream itself. */
  readonly multipart?: TSchema
  /** Media type of a body that the handler reads as a stream, as long as it comes. */
  readonly streamed?: string
  readonly query?: Q
  readonly params?: P
  /** Request headers that the route understands, with what they do. */
  readonly headers?: Readonly<Record<string, string>>
  readonly answers: Readonly<Record<number, Answer>>
  /** Left out of the OpenAPI document. */
  readonly hidden?: boolean
  handler(context: HttpContext): Handler<B, Q, P>
}

/** One row of the route table: everything that the server and the documentation need to know about a route. */
export type Route = RouteDefinition<TSchema, TSchema, TSchema>

/** Declares a route; the handler's request is typed by its schemas. */
export function route<B extends TSchema, Q extends TSchema, P extends TSchema>(
  definition: RouteDefinition<B, Q, P>,
): Route {
  // The table forgets the schemas' types: Fastify validates with the same schemas before it calls the handler.
  return definition as unknown as Route
}
