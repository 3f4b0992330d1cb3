import type { Stream } from '@libp2p/interface'
import { Compile } from 'typebox/compile'
import { LIMITS } from '../../protocol/limits.ts'
import { type CellRequest, type ErrorMessage, RPC_REQUESTS } from '../../protocol/rpc.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { Channel } from './channel.ts'
import type { NetworkHandlers } from './handlers.ts'
import { PeerError } from './peer-error.ts'
import type { WireIdentity } from './session.ts'

const requestSchemas = {
  cell_request: Compile(RPC_REQUESTS.cell_request),
  package_request: Compile(RPC_REQUESTS.package_request),
  announcements_request: Compile(RPC_REQUESTS.announcements_request),
}

/** Standing streams of one peer: one, and what is left of earlier ones whose end has not been noticed yet. */
export const RPC_STREAMS_PER_PEER = 4
/** Bytes of answers that wait for a peer which does not read; beyond it requests are answered `busy`. */
const OUTBOX_BYTES = 8 * 1024 * 1024
/** Bytes of a cell answer beside its cells. */
const ENVELOPE_BYTES = 64
/** Characters of an error text, as in the schema. */
const MESSAGE_LENGTH = 512

/** What the server needs. */
export interface RpcServerInit {
  readonly self: WireIdentity
  readonly handlers: NetworkHandlers
  readonly logger: Logger
}

/** Answers peers on the streams that they opened. */
export class RpcServer {
  readonly #init: RpcServerInit
  readonly #channels = new Map<string, number>()

  constructor(init: RpcServerInit) {
    this.#init = init
  }

  /** Serves a stream until it ends. Never rejects: what goes wrong ends the stream, and is logged. */
  async serve(stream: Stream, remote: string): Promise<void> {
    const open = this.#channels.get(remote) ?? 0
    if (open >= RPC_STREAMS_PER_PEER) {
      stream.abort(
        new PeerError('busy', `${remote} has ${open} streams open; at most ${RPC_STREAMS_PER_PEER} are allowed`),
      )
      return
    }
    this.#channels.set(remote, open + 1)
    const { self, handlers, logger } = this.#init
    const ended = Promise.withResolvers<void>()
    const asked = new AnsweringPeer(remote, handlers, logger)
    try {
      asked.channel = await Channel.accept({
        stream,
        remote,
        self,
        user: {
          onFrame: (value) => asked.receive(value),
          onClose: (error) => {
            if (!(error instanceof PeerError && error.code === 'unreachable')) {
              logger.warn({ peer: remote, err: error }, 'a peer broke the protocol')
            }
            ended.resolve()
          },
        },
        pauseWhenFull: true,
      })
      await ended.promise
    } catch (error) {
      logger.warn({ peer: remote, err: error }, 'a stream was refused')
    } finally {
      const left = (this.#channels.get(remote) ?? 1) - 1
      if (left === 0) this.#channels.delete(remote)
      else this.#channels.set(remote, left)
    }
  }
}

/** The requests of one stream. */
class AnsweringPeer {
  channel: Channel | undefined
  readonly #remote: string
  readonly #handlers: NetworkHandlers
  readonly #logger: Logger
  #underWay = 0

  constructor(remote: string, handlers: NetworkHandlers, logger: Logger) {
    this.#remote = remote
    this.#handlers = handlers
    this.#logger = logger
  }

  /** Throws for what cannot be answered, because it has no id. */
  receive(value: unknown): void {
    if (typeof value !== 'object' || value === null || !('id' in value) || !isId(value.id)) {
      throw new PeerError('violation', `${this.#remote} sent a request without an id`)
    }
    const { id } = value
    if (this.#underWay >= LIMITS.requestsPerStream) {
      this.#fail(id, 'busy', `${LIMITS.requestsPerStream} requests are under way`)
      return
    }
    if ((this.channel?.queuedBytes ?? 0) > OUTBOX_BYTES) {
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
      if (requestSchemas.package_request.Check(request)) {
        this.#answer(id, async () => {
          const found = await this.#handlers.onPackageRequest(request, this.#remote)
          return JSON.stringify({ type: 'package_response', id, cell: found?.cell, chunks: found?.chunks })
        })
      } else this.#refuse(id, requestSchemas.package_request, request)
    } else if (type === 'announcements_request') {
      if (requestSchemas.announcements_request.Check(request)) {
        const { after } = request
        this.#answer(id, async () => {
          const { announcements, next } = await this.#handlers.onAnnouncementsRequest(after, this.#remote)
          return JSON.stringify({ type: 'announcements_response', id, announcements, next })
        })
      } else this.#refuse(id, requestSchemas.announcements_request, request)
    } else this.#fail(id, 'bad_request', 'unknown type of request')
  }

  /** The hot path: an answer that is ready at once is sent without a promise. */
  #answerCells(id: number, request: CellRequest): void {
    try {
      const cells = this.#handlers.onCellRequest(request, this.#remote)
      if (cells instanceof Promise) this.#answer(id, async () => cellResponse(id, await cells))
      else this.#send(id, cellResponse(id, cells))
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
    if ((this.channel?.queuedBytes ?? 0) > OUTBOX_BYTES) this.#fail(id, 'busy', 'earlier answers have not been read')
    else this.channel?.send(text)
  }

  #refuse(
    id: number,
    schema: { Errors(value: unknown): { instancePath: string; message: string }[] },
    request: object,
  ): void {
    const first = schema.Errors(request)[0]
    this.#fail(
      id,
      'bad_request',
      `${first?.instancePath || 'the request'}: ${first?.message ?? 'another form than the schema'}`,
    )
  }

  #failed(id: number, error: unknown): void {
    this.#logger.error({ peer: this.#remote, err: error }, 'a request of a peer could not be answered')
    this.#fail(id, 'internal', 'the request could not be answered')
  }

  #fail(id: number, code: ErrorMessage['code'], message: string): void {
    this.channel?.send(
      JSON.stringify({ type: 'error', id, code, message: message.slice(0, MESSAGE_LENGTH).toWellFormed() }),
    )
  }
}

function isId(id: unknown): id is number {
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= 0xffffffff
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
