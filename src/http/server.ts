import type { AddressInfo, Socket } from 'node:net'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifySchema, fastify } from 'fastify'
import type { Clock } from '../kernel/base/clock.ts'
import { errorMessage, StartError } from '../kernel/base/errors.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { ProviderNode } from '../node/api.ts'
import { BodyDeadlines } from './body-deadlines.ts'
import { credentialCheck } from './credentials.ts'
import { refuseConnection, sendError } from './errors.ts'
import { EventStream } from './events/event-stream.ts'
import type { EventStreamLimits } from './events/limits.ts'
import { wantsEvents } from './events/upgrade.ts'
import { type Gate, guard } from './guard.ts'
import { HostPolicy } from './hosts.ts'
import { jsonParser } from './json-body.ts'
import { createMeters, type RouteMeter } from './meter.ts'
import { type Bucket, RateLimits, rateLimitHeaders } from './rate-limits.ts'
import type { HttpContext, Route } from './route.ts'
import { ROUTES } from './routes.ts'
import { prepareShutdown } from './shutdown.ts'
import { refuseStray } from './strays.ts'
import { Traffic } from './traffic.ts'
import { compileCheck, compileTextCheck } from './validation.ts'

export interface HttpOptions {
  readonly config: Config['http']
  readonly cells: Config['cells']
  /** The administrator's key; not empty. */
  readonly adminKey: string
  readonly logger: Logger
  readonly metrics: Metrics
  readonly clock: Clock
  /** Node ids whose keys count as the operator's where the event stream asks for one; none unless given. */
  readonly operators?: readonly string[]
  /** Limits of the event stream, where they are not the usual ones. */
  readonly eventLimits?: Partial<EventStreamLimits>
}

export interface HttpServer {
  /** Where it listens, as a URL that works on this machine, without a slash at the end. */
  readonly url: string
  readonly app: FastifyInstance
  /** Stops accepting, lets running requests finish for up to 5 s, then closes their connections. */
  close(): Promise<void>
}

const SERVER = {
  /** Bytes of all headers of a request. */
  maxHeaderSize: 16 * 1024,
  /** Milliseconds for the head of a request. Bodies: {@link BodyDeadlines}. */
  headersTimeout: 15_000,
  requestTimeout: 0,
  /** Milliseconds between two checks of that. */
  connectionsCheckingInterval: 5_000,
  /** Whoever wants to upgrade to something else gets an answer over HTTP (RFC 9110, section 7.8). */
  shouldUpgradeCallback: wantsEvents,
} as const
/**
 * Connections at once; more are closed when they come. One that reads nothing of its download holds 128 KiB: all of them stay
 * below 320 MiB, and below the usual limit of open files.
 */
const MAX_CONNECTIONS = 2048
/** Milliseconds that a connection may be silent in the middle of a request or answer. */
const SILENT_MS = 120_000
/** Milliseconds that a connection may wait for its next request. */
const KEEP_ALIVE_MS = 60_000

/**
 * Starts the HTTP facade of a node. Throws `StartError` when the address cannot be listened on, or when a configured address,
 * URL or range cannot be read.
 */
export async function startHttp(node: ProviderNode, options: HttpOptions): Promise<HttpServer> {
  const { config, logger } = options
  const deadlines = new BodyDeadlines()
  const gate: Gate = {
    hosts: new HostPolicy(config),
    origins: new Set(config.allowed_origins),
    credential: credentialCheck(options.adminKey, node.keys),
    deadlines,
    openReading: config.open_reading,
    limit: limiter(config, options.clock),
  }
  const traffic = new Traffic()
  const meterOf = createMeters(options.metrics, (status, ms) => {
    traffic.record(status, ms)
    node.analytics.recordRequest({ durationMs: ms, ok: status < 500 })
  })
  const stray = strayGuard(gate, meterOf('none'), logger)
  const app = createApp(deadlines, stray)
  registerRoutes(app, gate, contextOf(node, options, traffic, gate), meterOf, logger)
  registerStrays(app, stray)
  const { operators = [], eventLimits: limits = {}, metrics, clock } = options
  const stream = new EventStream({ node, gate, logger, metrics, clock, operators, limits })
  stream.attach(app.server)
  const shutDown = prepareShutdown(app)
  try {
    // As many may come in one moment as may be here: the kernel drops what does not fit, and clients try again seconds later.
    await app.listen({ host: config.host, port: config.port, backlog: MAX_CONNECTIONS })
  } catch (error) {
    await Promise.all([stream.close(), app.close()])
    const where = `${config.host}:${config.port}`
    throw new StartError(`cannot listen for HTTP on ${where}: ${errorMessage(error)}`, { cause: error })
  }
  app.server.maxConnections = MAX_CONNECTIONS
  deadlines.start()
  return {
    url: urlOf(app.server.address() as AddressInfo),
    app,
    async close() {
      await Promise.all([stream.close(), shutDown()]).finally(() => deadlines.stop())
    },
  }
}

function contextOf(
  node: ProviderNode,
  { cells, logger, metrics }: HttpOptions,
  traffic: Traffic,
  { openReading, credential }: Gate,
): HttpContext {
  return { node, logger, metrics, traffic, maxPackageBytes: cells.max_package_bytes, openReading, credential }
}

/** Which limits apply to whom: addresses without a key share one, each key that is no administrator's has its own. 0 is none. */
function limiter({ rate_per_minute }: Config['http'], clock: Clock): Gate['limit'] {
  const limits = new RateLimits({ clock })
  const known = new Map<string, readonly [Bucket]>()
  const learn = (name: string, client: string, limit: number): readonly [Bucket] => {
    const buckets = [limits.bucket(client, limit)] as const
    if (known.size >= MAX_CONNECTIONS) known.clear()
    known.set(name, buckets)
    return buckets
  }
  return (address, caller) => {
    const limit = rate_per_minute[caller === undefined ? 'anonymous' : caller.role]
    if (limit === 0) return UNLIMITED
    const name = caller === undefined ? address : caller.name
    const buckets = known.get(name) ?? learn(name, caller === undefined ? `address:${address}` : name, limit)
    const verdict = limits.take(buckets)
    return { allowed: verdict?.allowed !== false, headers: rateLimitHeaders(verdict) }
  }
}

const UNLIMITED = { allowed: true, headers: [] } as const

type Guard = ReturnType<typeof guard>

/** The guard of everything that is in no route. */
function strayGuard(gate: Gate, meter: RouteMeter, logger: Logger): Guard {
  return guard(gate, { state: { meter, logger, family: 'system' }, access: 'open', forPartners: false, upload: false })
}

function createApp(deadlines: BodyDeadlines, stray: Guard): FastifyInstance {
  const app = fastify({
    http: SERVER,
    connectionTimeout: SILENT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    logger: false,
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors(error, request, reply) {
      stray(request, reply, () => sendError(error, request, reply))
    },
    clientErrorHandler: (error, socket) => refuseConnection(error, socket as Socket),
  })
  // Declared, so that all requests keep one shape; the guard sets it before anybody reads it.
  app.decorateRequest('exchange')
  app.setValidatorCompiler(({ schema, httpPart }) => {
    if (httpPart !== 'body') return compileTextCheck(schema as object, httpPart === 'querystring' ? 'query' : 'path')
    const check = compileCheck(schema as object, 'body')
    return (value: unknown) => {
      const error = check(value)
      return error === undefined ? { value } : { error }
    }
  })
  app.setErrorHandler((error, request, reply) => {
    sendError(error, request, reply)
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    jsonParser((request) => deadlines.release(request.raw)),
  )
  return app
}

function registerRoutes(
  app: FastifyInstance,
  gate: Gate,
  context: HttpContext,
  meterOf: (route: string) => RouteMeter,
  logger: Logger,
): void {
  const meters = new Map<string, RouteMeter>()
  for (const route of ROUTES) {
    const meter = meters.get(route.path) ?? meterOf(route.path)
    meters.set(route.path, meter)
    const onRequest = guard(gate, {
      state: { meter, logger, family: route.family },
      access: route.access,
      forPartners: route.forPartners === true,
      upload: route.multipart !== undefined,
    })
    const { method, path: url, bodyLimit } = route
    const limit = bodyLimit > 0 ? { bodyLimit } : {}
    addTo(app, route, (scope) => {
      const handler = route.handler(context)
      scope.route({
        method,
        url,
        ...limit,
        exposeHeadRoute: !hasHead(route),
        onRequest,
        schema: schemaOf(route),
        handler,
      })
    })
  }
}

/** Uploads live in a scope of their own, where multipart is the only content type and its body stays a stream. */
function addTo(app: FastifyInstance, route: Route, add: (scope: FastifyInstance) => void): void {
  if (route.multipart === undefined) {
    add(app)
    return
  }
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('multipart/form-data', (_request, _body, done) => done(null))
    add(scope)
  })
}

const hasHead = ({ method, path }: Route): boolean =>
  method !== 'GET' || ROUTES.some((other) => other.method === 'HEAD' && other.path === path)

function schemaOf({ body, checkedByNode, query, params }: Route): FastifySchema {
  return {
    ...(body === undefined || checkedByNode === true ? {} : { body }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(params === undefined ? {} : { params }),
  }
}

/** Takes what no route takes. A route of its own, because only a route's first hook runs before a body is read. */
function registerStrays(app: FastifyInstance, stray: Guard): void {
  const handler = (request: FastifyRequest, reply: FastifyReply): undefined => refuseStray(request, reply)
  const onRequest = [stray, handler]
  app.route({ method: app.supportedMethods, url: '*', exposeHeadRoute: false, onRequest, handler })
  // Methods that the framework does not know.
  app.setNotFoundHandler((request, reply) => stray(request, reply, () => refuseStray(request, reply)))
}

function urlOf({ address, family, port }: AddressInfo): string {
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return family === 'IPv6' ? `http://[${host}]:${port}` : `http://${host}:${port}`
}
