import type { Stream } from '@libp2p/interface'
import { validRange } from 'semver'
import { LIMITS } from '../../protocol/limits.ts'
import {
  type CellRequest,
  type ErrorMessage,
  type PackageRequest,
  RPC_REQUESTS,
  RPC_RESPONSES,
  type RpcMethods,
} from '../../protocol/rpc.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { Counts } from '../kernel/base/counts.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { Channel } from './channel.ts'
import type { AnnouncementsPage, Answers, AnswerTo, NetworkHandlers, PlainMethod } from './handlers.ts'
import type { IncompleteBatches } from './incomplete-batches.ts'
import { PeerError, Refusal } from './peer-error.ts'
import { type PeerLimits, trafficOf } from './peer-limits.ts'
import { PeerWarnings } from './peer-warnings.ts'
import type { ScoreEvent } from './scores/score-events.ts'
import type { WireIdentity } from './session.ts'
import { isViolation } from './violation.ts'

type Method = keyof RpcMethods
type RequestSchemas = {
  readonly [M in Method]: {
    Check(value: unknown): value is RpcMethods[M]['request']
    Errors(value: unknown): { instancePath: string; message: string }[]
  }
}

const requestSchemas = Object.fromEntries(
  Object.entries(RPC_REQUESTS).map(([method, schema]) => [method, checkerOf(schema)]),
) as unknown as RequestSchemas

/** Type of the answer to each request. */
const answerTypes = Object.fromEntries(
  Object.entries(RPC_RESPONSES).map(([method, schema]) => [method, schema.properties.type.const]),
) as Readonly<Record<Method, string>>

/** Standing streams of one peer: one, and what is left of earlier ones whose end has not been noticed yet. */
export const RPC_STREAMS_PER_PEER = 4
/** Bytes of answers that wait for a peer which does not read; beyond it requests are answered `busy`. */
const OUTBOX_BYTES = 4 * 1024 * 1024
/** The same over all peers. It counts once a stream has a part of its own waiting, so that peers which read are not held up by those that do not. */
const ALL_OUTBOXES_BYTES = 128 * 1024 * 1024
const OWN_PART_BYTES = 512 * 1024
/** Requests for announcements under way over all peers, one per peer: each holds half a megabyte of text, and what it is made from. */
const ANNOUNCEMENTS_AT_ONCE = 4
/** Package requests under way per stream: each may read a record with a long list of digests. */
export const PACKAGES_PER_STREAM = 8
/** Ranges that are remembered as readable: peers ask for few different ones. */
const REMEMBERED_RANGES = 1024
/** Bytes of a cell answer beside its cells. */
const ENVELOPE_BYTES = 64
/** Characters of an error text, as in the schema. */
const MESSAGE_LENGTH = 512

/** What the server needs. */
export interface RpcServerInit {
  readonly self: WireIdentity
  readonly handlers: AllHandlers
  readonly logger: Logger
  readonly limits: PeerLimits
  /** A peer did something that counts for its score. */
  punish(peer: string, event: ScoreEvent): void
  readonly incomplete: IncompleteBatches
}

/** The node's handlers, and what the network answers by itself. */
type AllHandlers = Omit<NetworkHandlers, 'answers'> & { readonly answers: Answers }

/** What the streams of all peers have in common. */
class Shared {
  readonly handlers: AllHandlers
  readonly limits: PeerLimits
  readonly punish: RpcServerInit['punish']
  readonly warnings: PeerWarnings
  /** Peers whose request for announcements is under way. */
  readonly announcing = new Set<string>()
  readonly streams = new Set<AnsweringPeer>()
  readonly #ranges = new Set<string>()

  constructor({ handlers, logger, limits, punish }: RpcServerInit) {
    this.handlers = handlers
    this.limits = limits
    this.punish = punish
    this.warnings = new PeerWarnings(logger)
  }

  /** Whether this node holds so many unread answers, one stream's `own` among them, that it starts no more work. */
  isFull(own: number): boolean {
    if (own > OUTBOX_BYTES) return true
    if (own <= OWN_PART_BYTES) return false
    let all = 0
    for (const stream of this.streams) all += stream.queuedBytes
    return all > ALL_OUTBOXES_BYTES
  }

  isRange(text: string): boolean {
    if (this.#ranges.has(text)) return true
    if (validRange(text) === null) return false
    if (this.#ranges.size >= REMEMBERED_RANGES) this.#ranges.clear()
    this.#ranges.add(text)
    return true
  }
}

/** Answers peers on the streams that they opened. */
export class RpcServer {
  readonly #init: RpcServerInit
  readonly #shared: Shared
  /** Streams by peer. */
  readonly #channels = new Counts()

  constructor(init: RpcServerInit) {
    this.#init = init
    this.#shared = new Shared(init)
  }

  /** Serves a stream until it ends. Never rejects: what goes wrong ends the stream, and is logged. */
  async serve(stream: Stream, remote: string): Promise<void> {
    const open = this.#channels.of(remote)
    if (open >= RPC_STREAMS_PER_PEER) {
      stream.abort(
        new PeerError('busy', `${remote} has ${open} streams open; at most ${RPC_STREAMS_PER_PEER} are allowed`),
      )
      return
    }
    this.#channels.add(remote, 1)
    const { self, incomplete } = this.#init
    const { warnings, streams, punish } = this.#shared
    const ended = Promise.withResolvers<void>()
    const asked = new AnsweringPeer(remote, this.#shared)
    streams.add(asked)
    try {
      asked.channel = await Channel.accept({
        stream,
        remote,
        self,
        incomplete,
        user: {
          onFrame: (value) => asked.receive(value),
          onClose: (error) => {
            if (!(error instanceof PeerError && error.code === 'unreachable')) {
              warnings.write('warn', remote, error, 'a peer broke the protocol')
            }
            if (isViolation(error)) punish(remote, 'protocol_violation')
            ended.resolve()
          },
        },
        pauseWhenFull: true,
      })
      await ended.promise
    } catch (error) {
      warnings.write('warn', remote, error, 'a stream was refused')
    } finally {
      streams.delete(asked)
      this.#channels.add(remote, -1)
    }
  }
}

/** The requests of one stream. */
class AnsweringPeer {
  channel: Channel | undefined
  readonly #remote: string
  readonly #shared: Shared
  readonly #handlers: AllHandlers
  #underWay = 0
  #packages = 0

  constructor(remote: string, shared: Shared) {
    this.#remote = remote
    this.#shared = shared
    this.#handlers = shared.handlers
  }

  get queuedBytes(): number {
    return this.channel?.queuedBytes ?? 0
  }

  /** Throws for what cannot be answered, because it has no id. */
  receive(value: unknown): void {
    if (typeof value !== 'object' || value === null || !('id' in value) || !isId(value.id)) {
      throw new PeerError('violation', `${this.#remote} sent a request without an id`)
    }
    const { id } = value
    const traffic = trafficOf('type' in value ? value.type : undefined)
    if (!this.#shared.limits.admits(this.#remote, traffic)) {
      this.#fail(id, 'busy', `more ${traffic}s per second than one peer may send`)
      return
    }
    if (this.#underWay >= LIMITS.requestsPerStream) {
      this.#fail(id, 'busy', `${LIMITS.requestsPerStream} requests are under way`)
      return
    }
    if (this.#shared.isFull(this.queuedBytes)) {
      this.#fail(id, 'busy', 'earlier answers have not been read')
      return
    }
    this.#dispatch(id, value)
  }

  #dispatch(id: number, request: object): void {
    const type = 'type' in request ? request.type : undefined
    if (type === 'cell_request') {
      if (requestSchemas.cell_request.Check(request)) this.#answerCells(id, request)
      else this.#refuse(id, requestSchemas.cell_request, request)
    } else if (type === 'package_request') {
      if (requestSchemas.package_request.Check(request)) this.#answerPackage(id, request)
      else this.#refuse(id, requestSchemas.package_request, request)
    } else if (type === 'announcements_request') {
      if (requestSchemas.announcements_request.Check(request)) this.#answerAnnouncements(id, request.after)
      else this.#refuse(id, requestSchemas.announcements_request, request)
    } else if (type === 'ping') {
      if (requestSchemas.ping.Check(request)) this.#send(id, `{"type":"pong","id":${id}}`)
      else this.#refuse(id, requestSchemas.ping, request)
    } else if (isPlain(type, this.#handlers)) {
      this.#answerPlain(id, type, request)
    } else this.#fail(id, 'bad_request', 'unknown type of request')
  }

  /** The hot path: an answer that is ready at once is sent without a promise. */
  #answerCells(id: number, request: CellRequest): void {
    if (request.range !== undefined && !this.#shared.isRange(request.range)) {
      this.#fail(id, 'bad_request', '/range: no semantic version range')
      return
    }
    try {
      const cells = this.#handlers.onCellRequest(request, this.#remote)
      if (cells instanceof Promise) this.#answer(id, async () => cellResponse(id, await cells))
      else this.#send(id, cellResponse(id, cells))
    } catch (error) {
      this.#failed(id, error)
    }
  }

  #answerPackage(id: number, request: PackageRequest): void {
    if (this.#packages >= PACKAGES_PER_STREAM) {
      this.#fail(id, 'busy', `${PACKAGES_PER_STREAM} package requests are under way on this stream`)
      return
    }
    this.#packages++
    this.#answer(id, async () => {
      try {
        const found = await this.#handlers.onPackageRequest(request, this.#remote)
        return JSON.stringify({ type: 'package_response', id, cell: found?.cell, chunks: found?.chunks })
      } finally {
        this.#packages--
      }
    })
  }

  #answerAnnouncements(id: number, after: string | undefined): void {
    const { announcing } = this.#shared
    // An earlier page that waits to be read counts as one that is under way.
    if (announcing.has(this.#remote) || this.queuedBytes > OWN_PART_BYTES) {
      this.#fail(id, 'busy', 'another request for announcements is under way')
      return
    }
    if (announcing.size >= ANNOUNCEMENTS_AT_ONCE) {
      this.#fail(id, 'busy', `${ANNOUNCEMENTS_AT_ONCE} requests for announcements of other peers are under way`)
      return
    }
    announcing.add(this.#remote)
    this.#answer(id, async () => {
      try {
        return announcementsResponse(id, await this.#handlers.onAnnouncementsRequest(after, this.#remote))
      } finally {
        announcing.delete(this.#remote)
      }
    })
  }

  #answerPlain<M extends PlainMethod>(id: number, method: M, request: object): void {
    const { channel } = this
    if (channel === undefined) return
    if (!requestSchemas[method].Check(request)) {
      this.#refuse(id, requestSchemas[method], request)
      return
    }
    const textOf = (answer: AnswerTo<M>): string => JSON.stringify({ type: answerTypes[method], id, ...answer })
    try {
      const answer = this.#handlers.answers[method](request, this.#remote, channel.session)
      if (answer instanceof Promise) this.#answer(id, async () => textOf(await answer))
      else this.#send(id, textOf(answer))
    } catch (error) {
      this.#failed(id, error)
    }
  }

  #answer(id: number, work: () => Promise<string>): void {
    this.#underWay++
    work()
      .then(
        (text) => this.#send(id, text),
        (error: unknown) => this.#failed(id, error),
      )
      .catch((error: unknown) => this.#failed(id, error))
      .finally(() => {
        this.#underWay--
      })
  }

  #send(id: number, text: string): void {
    if (this.#shared.isFull(this.queuedBytes)) this.#fail(id, 'busy', 'earlier answers have not been read')
    else this.channel?.send(text)
  }

  #refuse(
    id: number,
    schema: { Errors(value: unknown): { instancePath: string; message: string }[] },
    request: object,
  ): void {
    this.#shared.punish(this.#remote, 'invalid_message')
    const first = schema.Errors(request)[0]
    this.#fail(
      id,
      'bad_request',
      `${first?.instancePath || 'the request'}: ${first?.message ?? 'another form than the schema'}`,
    )
  }

  #failed(id: number, error: unknown): void {
    if (error instanceof Refusal) {
      this.#fail(id, error.code, error.message)
      return
    }
    this.#shared.warnings.write('error', this.#remote, error, 'a request of a peer could not be answered')
    this.#fail(id, 'internal', 'the request could not be answered')
  }

  #fail(id: number, code: ErrorMessage['code'], message: string): void {
    this.channel?.send(
      JSON.stringify({ type: 'error', id, code, message: message.slice(0, MESSAGE_LENGTH).toWellFormed() }),
    )
  }
}

function isPlain(type: unknown, { answers }: Pick<AllHandlers, 'answers'>): type is PlainMethod {
  return typeof type === 'string' && Object.hasOwn(answers, type)
}

function isId(id: unknown): id is number {
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= 0xffffffff
}

function announcementsResponse(id: number, page: AnnouncementsPage): string {
  const list = 'json' in page ? page.json : JSON.stringify(page.announcements)
  const next = page.next === undefined ? '' : `,"next":${JSON.stringify(page.next)}`
  return `{"type":"announcements_response","id":${id},"announcements":${list}${next}}`
}

/** The answer with as many cells as fit one frame. */
function cellResponse(id: number, cells: readonly object[] | string): string {
  const text = typeof cells === 'string' ? cells : JSON.stringify(cells)
  // UTF-8 takes at most three bytes per UTF-16 code unit, so most answers need not be measured.
  const fits =
    text.length * 3 < LIMITS.frameBytes - ENVELOPE_BYTES || Buffer.byteLength(text) < LIMITS.frameBytes - ENVELOPE_BYTES
  if (fits) return `{"type":"cell_response","id":${id},"cells":${text}}`
  const list: object[] = typeof cells === 'string' ? JSON.parse(cells) : [...cells]
  return cellResponse(id, list.slice(0, -1))
}
