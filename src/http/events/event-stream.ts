import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { EVENT_LIMITS, EVENT_PROTOCOL } from '../../../protocol/events.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import type { Metrics } from '../../kernel/telemetry/metrics.ts'
import type { ProviderNode } from '../../node/api.ts'
import type { Gate } from '../guard.ts'
import type { Traffic } from '../traffic.ts'
import { Connection } from './connection.ts'
import { EventRing } from './event-ring.ts'
import { tellEvents } from './event-source.ts'
import { EVENT_STREAM_LIMITS, type EventStreamLimits } from './limits.ts'
import { prove, type StandingInit } from './standing.ts'
import { type Admitted, admit, refuseUpgrade, wantsEvents } from './upgrade.ts'

export interface EventStreamInit {
  readonly node: ProviderNode
  readonly gate: Gate
  readonly traffic: Pick<Traffic, 'sample'>
  readonly logger: Logger
  readonly metrics: Metrics
  readonly clock: Clock
  /** Node ids of keys that count as the operator's. */
  readonly operators: readonly string[]
  /** Other limits than usual. */
  readonly limits?: Partial<EventStreamLimits>
}

/** Events after which clients are served at once, instead of when the event loop comes round: a small part of what is kept. */
const AT_ONCE = 1024

/** The event stream: tells clients over WebSockets what happens in the node ("WebSocket API"). */
export class EventStream {
  readonly #init: EventStreamInit
  readonly #standing: StandingInit
  readonly #limits: EventStreamLimits
  readonly #ring: EventRing
  readonly #upgrader: WebSocketServer
  readonly #connections = new Map<Connection, string>()
  readonly #perAddress = new Map<string, number>()
  readonly #refused = new Map<string, number>()
  readonly #ended = new Map<string, number>()
  /** Events that were sent on connections that are closed. */
  #sent = 0
  #waiting = 0
  #isClosed = false
  #emptied: (() => void) | undefined
  readonly #stopListening: () => void
  readonly #beating: NodeJS.Timeout
  readonly #sampling: NodeJS.Timeout

  constructor(init: EventStreamInit) {
    const { node, gate, clock } = init
    this.#init = init
    this.#limits = { ...EVENT_STREAM_LIMITS, ...init.limits }
    this.#standing = { node, credential: gate.credential, operators: new Set(init.operators) }
    this.#ring = new EventRing(this.#limits.kept, clock)
    this.#upgrader = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Contexts of compression cost more memory than events are worth.
      perMessageDeflate: false,
      maxPayload: EVENT_LIMITS.messageBytes,
      handleProtocols: (offered) => (offered.has(EVENT_PROTOCOL) ? EVENT_PROTOCOL : false),
    })
    this.#stopListening = tellEvents(node.events, (happening) => {
      this.#ring.add(happening)
      this.#happened()
    })
    this.#beating = setInterval(() => {
      for (const connection of this.#connections.keys()) connection.beat()
    }, this.#limits.heartbeatMs)
    this.#beating.unref()
    this.#sampling = setInterval(() => this.#sample(), this.#limits.sampleMs)
    this.#sampling.unref()
    this.#measure()
  }

  /** Lets clients of this server connect. */
  attach(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy())
      try {
        this.#upgrade(request, socket, head)
      } catch (error) {
        this.#refuse(request, socket, error)
      }
    })
  }

  /** Ends all connections; resolves when they are closed, after two seconds at most. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopListening()
    clearInterval(this.#beating)
    clearInterval(this.#sampling)
    if (this.#connections.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#emptied = resolve
    for (const connection of this.#connections.keys()) connection.end('stopping', 'the node is stopping')
    await promise
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!wantsEvents(request)) throw new ProviderError('PROV_001', 'there is no WebSocket here', { status: 404 })
    if (this.#isClosed) throw new ProviderError('PROV_013', 'the node is stopping', { status: 503 })
    const admitted = admit(this.#init.gate, this.#standing, request)
    const { connections, connectionsPerAddress } = this.#limits
    if (this.#connections.size >= connections) throw tooMany(connections, 'this node')
    if (this.#countOf(admitted.address) >= connectionsPerAddress) throw tooMany(connectionsPerAddress, 'one address')
    this.#upgrader.handleUpgrade(request, socket, head, (webSocket) => {
      const { logger, node } = this.#init
      const path = request.url ?? ''
      const connection = new Connection({
        socket: webSocket,
        ring: this.#ring,
        limits: this.#limits,
        logger,
        providerId: node.providerId,
        standing: admitted.standing,
        prove: (command, challenge) => prove(this.#standing, command, { path, challenge }),
        onEnd: (reason) => this.#ended.set(reason, (this.#ended.get(reason) ?? 0) + 1),
      })
      this.#opened(connection, admitted)
      webSocket.once('close', () => this.#closed(connection))
    })
  }

  #refuse({ url }: IncomingMessage, socket: Duplex, error: unknown): void {
    const { logger } = this.#init
    const known = error instanceof ProviderError
    if (!known) logger.error({ err: error, url }, 'a WebSocket could not be opened')
    const reason = known ? error : new ProviderError('PROV_001', 'Internal error', { status: 500 })
    if (reason.status === 401) logger.warn({ url, reason: reason.message }, 'a WebSocket without the right credential')
    const label = String(reason.status)
    this.#refused.set(label, (this.#refused.get(label) ?? 0) + 1)
    refuseUpgrade(socket, reason)
  }

  #opened(connection: Connection, { address }: Admitted): void {
    this.#connections.set(connection, address)
    this.#perAddress.set(address, this.#countOf(address) + 1)
  }

  #closed(connection: Connection): void {
    const address = this.#connections.get(connection)!
    this.#connections.delete(connection)
    this.#sent += connection.sent
    const left = this.#countOf(address) - 1
    if (left === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, left)
    if (this.#connections.size === 0) this.#emptied?.()
  }

  #countOf(address: string): number {
    return this.#perAddress.get(address) ?? 0
  }

  /** Nothing is kept where nobody listens: samples would push out what happened. */
  #sample(): void {
    const data = this.#init.traffic.sample()
    if (!this.#connections.keys().some((connection) => connection.hears('traffic'))) return
    this.#ring.add({ type: 'traffic_sample', channel: 'traffic', data })
    this.#happened()
  }

  /** Serves all connections soon: what happens in one turn of the event loop is sent together. */
  #happened(): void {
    if (this.#connections.size === 0) return
    this.#waiting++
    if (this.#waiting === 1) setImmediate(() => this.#pump())
    else if (this.#waiting % AT_ONCE === 0) for (const connection of this.#connections.keys()) connection.pump()
  }

  #pump(): void {
    this.#waiting = 0
    for (const connection of this.#connections.keys()) connection.pump()
  }

  #measure(): void {
    const { metrics } = this.#init
    const open = metrics.gauge({
      name: 'cytoplex_events_connections',
      help: 'Clients of the event stream',
      collect: (): void => open.set(this.#connections.size),
    })
    const heard = metrics.gauge({
      name: 'cytoplex_events_subscriptions',
      help: 'Pairs of channel and goal that clients of the event stream listen to',
      collect: (): void => heard.set(this.#connections.keys().reduce((sum, one) => sum + one.subscriptions, 0)),
    })
    metrics.counted({
      name: 'cytoplex_events_sent_total',
      help: 'Events that were sent to clients',
      read: () => [[{}, this.#connections.keys().reduce((sum, { sent }) => sum + sent, this.#sent)]],
    })
    metrics.counted({
      name: 'cytoplex_events_refused_total',
      help: 'Connections to the event stream that were not opened, by HTTP status',
      labels: ['status'],
      read: () => this.#refused.entries().map(([status, count]) => [{ status }, count]),
    })
    metrics.counted({
      name: 'cytoplex_events_dropped_total',
      help: 'Connections to the event stream that this node ended, by reason',
      labels: ['reason'],
      read: () => this.#ended.entries().map(([reason, count]) => [{ reason }, count]),
    })
  }
}

const tooMany = (limit: number, whose: string): ProviderError =>
  new ProviderError('PROV_013', `${limit} connections to the event stream are open, more than that ${whose} takes`)
