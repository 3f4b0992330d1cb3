import type { Server as SecureServer } from 'node:https'
import type { Socket } from 'node:net'
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchema,
  type FastifyServerOptions,
  fastify,
} from 'fastify'
import { LIMITS } from '../../protocol/limits.ts'
import { DEPRECATED_ROUTES, type DeprecatedRoute } from '../../protocol/versions.ts'
import type { Clock } from '../kernel/base/clock.ts'
import type { DescribedSetting } from '../kernel/config/describe.ts'
import type { Config } from '../kernel/config/schema.ts'
import { LogRing } from '../kernel/telemetry/log-ring.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { ProviderNode } from '../node/api.ts'
import { BodyDeadlines } from './body-deadlines.ts'
import { BodyRoom } from './body-room.ts'
import { type Certificate, CertificateRenewal, type CertificateSource, firstCertificate } from './certificates.ts'
import { CONTRIBUTOR, credentialCheck } from './credentials.ts'
import { refuseConnection, sendError } from './errors.ts'
import { EventStream } from './events/event-stream.ts'
import type { EventStreamLimits } from './events/limits.ts'
import { type Gate, guard, isForSessions } from './guard.ts'
import { HostPolicy } from './hosts.ts'
import { jsonParser } from './json-body.ts'
import {
  cannotListen,
  KEEP_ALIVE_MS,
  LISTENER,
  listenAlso,
  listenerUrl,
  MAX_CONNECTIONS,
  refuseFailedHandshakes,
  SILENT_MS,
  secureListener,
} from './listeners.ts'
import { createMeters, type RouteMeter } from './meter.ts'
import { type Bucket, RateLimits, rateLimitHeaders } from './rate-limits.ts'
import type { HttpContext, Route } from './route.ts'
import { ROUTES } from './routes.ts'
import { type MemoryRates, type SessionGate, sessionGate, sessionGuard } from './session-guard.ts'
import { prepareShutdown } from './shutdown.ts'
import { refuseStray } from './strays.ts'
import { Traffic } from './traffic.ts'
import { compileCheck, compileTextCheck } from './validation.ts'
import { endOf } from './versions.ts'

export interface HttpOptions {
  readonly config: Config['http']
  readonly cells: Config['cells']
  /** The administrator's key; not empty. */
  readonly adminKey: string
  readonly logger: Logger
  readonly metrics: Metrics
  readonly clock: Clock
  /** What `config.tls` asks for; without it, HTTP is plain. */
  readonly certificate?: CertificateSource | undefined
  /** Another port that serves the same, for those who watch the node. */
  readonly healthPort?: number | undefined
  /** Node ids whose keys count as the operator's where the event stream asks for one; none unless given. */
  readonly operators?: readonly string[]
  /** Requests per minute of one session; the document's unless given. */
  readonly memoryRates?: MemoryRates
  /** The newest lines of the node's log; none unless given. */
  readonly logs?: LogRing
  /** What the node runs with, secrets masked; nothing unless given. */
  readonly settings?: readonly DescribedSetting[]
  /** Routes that go; the contract's unless given. */
  readonly deprecated?: readonly DeprecatedRoute[]
  /** Limits of the event stream, where they are not the usual ones. */
  readonly eventLimits?: Partial<EventStreamLimits>
}

export interface HttpServer {
  /** Where it listens, as a URL that works on this machine, without a slash at the end. */
  readonly url: string
  readonly app: FastifyInstance
  /** The same of the listeners for health, and for events. */
  readonly healthUrl: string | undefined
  readonly wsUrl: string | undefined
  /** Stops accepting, lets running requests finish for up to 5 s, then closes their connections. */
  close(): Promise<void>
}

/**
 * Starts the HTTP facade of a node. Throws `StartError` when the address cannot be listened on, or when a configured address,
 * URL, range or certificate cannot be read.
 */
export async function startHttp(node: ProviderNode, options: HttpOptions): Promise<HttpServer> {
  const { config, logger } = options
  const deadlines = new BodyDeadlines()
  const certificate = options.certificate === undefined ? undefined : await firstCertificate(options.certificate)
  const scheme = certificate === undefined ? 'http' : 'https'
  const gate: Gate = {
    hosts: new HostPolicy(config, scheme),
    origins: new Set(config.allowed_origins),
    credential: credentialCheck(options.adminKey, config.api_key, node.keys),
    deadlines,
    room: new BodyRoom(),
    openReading: config.open_reading,
    closedContributing: config.api_key !== null,
    spends: node.chat.spends,
    limit: limiter(config, options.clock),
  }
  const traffic = new Traffic()
  const meterOf = createMeters(options.metrics, (status, ms) => {
    traffic.record(status, ms)
    node.analytics.recordRequest({ durationMs: ms, ok: status < 500 })
  })
  const stray = strayGuard(gate, meterOf('none'), logger)
  const app = createApp(deadlines, stray, certificate)
  const { deprecated = DEPRECATED_ROUTES } = options
  const sessions = sessionGate(gate, node.memory, { rates: options.memoryRates, clock: options.clock })
  registerRoutes(app, { gate, sessions }, contextOf(node, options, traffic, gate), meterOf, logger, deprecated)
  registerStrays(app, stray)
  const { operators = [], eventLimits: limits = {}, metrics, clock } = options
  const stream = new EventStream({ node, gate, traffic, logger, metrics, clock, operators, limits })
  stream.attach(app.server)
  const shutDown = prepareShutdown(app)
  const also = async (port: number | null | undefined, key: string) => {
    if (port === null || port === undefined) return undefined
    const server = await listenAlso(app, { host: config.host, port, key }, certificate)
    shutDown.add(server)
    return server
  }
  try {
    // As many may come in one moment as may be here: the kernel drops what does not fit, and clients try again seconds later.
    await app.listen({ host: config.host, port: config.port, backlog: MAX_CONNECTIONS })
  } catch (error) {
    await Promise.all([stream.close(), app.close()])
    throw cannotListen(`${config.host}:${config.port}`, 'http.port (--http-port)', error)
  }
  app.server.maxConnections = MAX_CONNECTIONS
  deadlines.start()
  const close = (): Promise<void> =>
    Promise.all([stream.close(), shutDown.run()])
      .finally(() => {
        deadlines.stop()
        renewal?.stop()
      })
      .then(() => undefined)
  let renewal: CertificateRenewal | undefined
  try {
    const health = await also(options.healthPort, 'health.port')
    const ws = await also(config.ws_port, 'http.ws_port')
    if (options.certificate !== undefined && certificate !== undefined) {
      renewal = new CertificateRenewal(options.certificate, certificate, logger)
      // With a certificate they are all servers of HTTPS.
      renewal.start([app.server, health, ws].filter((server) => server !== undefined) as SecureServer[])
    }
    return {
      url: listenerUrl(app.server, scheme),
      app,
      healthUrl: health && listenerUrl(health, scheme),
      wsUrl: ws && listenerUrl(ws, scheme),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function contextOf(
  node: ProviderNode,
  { cells, logger, metrics, logs = new LogRing(), settings = [] }: HttpOptions,
  traffic: Traffic,
  { openReading, credential }: Gate,
): HttpContext {
  return {
    node,
    logger,
    metrics,
    traffic,
    maxPackageBytes: cells.max_package_bytes,
    logs,
    openReading,
    credential,
    settings,
  }
}

/**
 * Which limits apply to whom: addresses without a key share one, each key that is no administrator's has its own, and the agent network's one for
 * each address. 0 is none.
 */
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
    const name = caller === undefined ? address : caller === CONTRIBUTOR ? `api_key:${address}` : caller.name
    const buckets = known.get(name) ?? learn(name, caller === undefined ? `address:${address}` : name, limit)
    const verdict = limits.take(buckets)
    return { allowed: verdict?.allowed !== false, headers: rateLimitHeaders(verdict) }
  }
}

const UNLIMITED = { allowed: true, headers: [] } as const

type Guard = ReturnType<typeof guard>

/** The guard of everything that is in no route. */
function strayGuard(gate: Gate, meter: RouteMeter, logger: Logger): Guard {
  return guard(gate, { state: { meter, logger, family: 'system' }, access: 'open', takesToken: false, upload: false })
}

function createApp(deadlines: BodyDeadlines, stray: Guard, certificate: Certificate | undefined): FastifyInstance {
  const options: FastifyServerOptions = {
    connectionTimeout: SILENT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    logger: false,
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors(error, request, reply) {
      stray(request, reply, () => sendError(error, request, reply))
    },
    clientErrorHandler: (error, socket) => refuseConnection(error, socket as Socket),
  }
  const app: FastifyInstance =
    certificate === undefined
      ? fastify({ ...options, http: LISTENER })
      : // A server of HTTPS does all that one of HTTP does.
        (fastify({ ...options, https: secureListener(certificate) } as object) as FastifyInstance)
  refuseFailedHandshakes(app.server)
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
  { gate, sessions }: { readonly gate: Gate; readonly sessions: SessionGate },
  context: HttpContext,
  meterOf: (route: string) => RouteMeter,
  logger: Logger,
  deprecated: readonly DeprecatedRoute[],
): void {
  const meters = new Map<string, RouteMeter>()
  for (const route of ROUTES) {
    const meter = meters.get(route.path) ?? meterOf(route.path)
    meters.set(route.path, meter)
    const first = guard(gate, {
      state: { meter, logger, family: route.family, operation: route.memory?.operation },
      access: route.access,
      takesToken: route.forPartners === true || isForSessions(route.access),
      upload: route.multipart !== undefined || route.streamed !== undefined,
      largeBody: route.bodyLimit > LIMITS.jsonBodyBytes ? route.bodyLimit : undefined,
      end: endOf(route, deprecated),
    })
    const onRequest = route.memory === undefined ? first : [first, sessionGuard(sessions, route)]
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

/** Uploads live in a scope of their own, where theirs is the only content type and its body stays a stream. */
function addTo(app: FastifyInstance, route: Route, add: (scope: FastifyInstance) => void): void {
  const type = route.multipart === undefined ? route.streamed : 'multipart/form-data'
  if (type === undefined) {
    add(app)
    return
  }
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(type, (_request, _body, done) => done(null))
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
