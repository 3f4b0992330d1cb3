import type { Stream } from '@libp2p/interface'
import { LIMITS } from '../../protocol/limits.ts'
import { ErrorMessage, RPC_RESPONSES, type RpcMethods } from '../../protocol/rpc.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { Channel } from './channel.ts'
import type { IncompleteBatches } from './incomplete-batches.ts'
import { PeerError } from './peer-error.ts'
import type { WireIdentity } from './session.ts'
import type { PeerSession } from './session-key.ts'
import { withSignal } from './streams.ts'
import { isViolation } from './violation.ts'

type Method = keyof RpcMethods
type Response = RpcMethods[Method]['response']

const responseSchemas = Object.fromEntries(
  Object.entries(RPC_RESPONSES).map(([method, schema]) => [method, checkerOf(schema)]),
) as unknown as { readonly [M in Method]: { Check(value: unknown): value is RpcMethods[M]['response'] } }
const errorSchema = checkerOf(ErrorMessage)

/** Bytes of requests that wait for a peer which does not read: given-up requests stay in line. A thousand usual requests take a third. */
const OUTBOX_BYTES = 1024 * 1024
/** Milliseconds to connect, open and shake hands, whoever waits for it. */
const OPEN_MS = 10_000
const ID_LIMIT = 2 ** 32

interface Pending {
  readonly method: Method
  resolve(response: Response): void
  reject(error: unknown): void
}

/** Requests to one peer over one channel, told apart by their ids. */
class StandingStream {
  readonly remote: string
  readonly #pending = new Map<number, Pending>()
  #channel: Channel | undefined
  #nextId = 0
  #onClose: (error: Error) => void = () => undefined

  private constructor(remote: string) {
    this.remote = remote
  }

  static async open(
    { self, incomplete }: Pick<RpcClientInit, 'self' | 'incomplete'>,
    stream: Stream,
    remote: string,
    onClose: (error: Error) => void,
  ): Promise<StandingStream> {
    const standing = new StandingStream(remote)
    standing.#onClose = onClose
    standing.#channel = await Channel.open({
      stream,
      remote,
      self,
      incomplete,
      user: {
        onFrame: (value) => standing.#receive(value),
        onClose: (error) => standing.#close(error),
        unanswered: () => standing.#pending.size,
      },
      pauseWhenFull: false,
    })
    return standing
  }

  get isOpen(): boolean {
    return this.#channel?.isOpen === true
  }

  get isAsking(): boolean {
    return this.#pending.size > 0
  }

  /** That of an open stream. */
  get session(): PeerSession {
    if (this.#channel === undefined) throw new PeerError('unreachable', `the stream to ${this.remote} was lost`)
    return this.#channel.session
  }

  ask(method: Method, body: object, signal: AbortSignal): Promise<Response> {
    const channel = this.#channel
    if (channel === undefined || !channel.isOpen)
      throw new PeerError('unreachable', `the stream to ${this.remote} was lost`)
    if (this.#pending.size >= LIMITS.requestsPerStream) {
      throw new PeerError('busy', `${LIMITS.requestsPerStream} requests to ${this.remote} are under way`)
    }
    if (channel.queuedBytes > OUTBOX_BYTES) {
      throw new PeerError('busy', `${this.remote} has not read the requests before this one`)
    }
    return new Promise((resolve, reject) => {
      const id = this.#freeId()
      // `type` and `id` come last, so that no body can replace them.
      channel.send(JSON.stringify({ ...body, type: method, id }))
      const onAbort = (): void => {
        this.#pending.delete(id)
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#pending.set(id, {
        method,
        resolve: (response) => {
          signal.removeEventListener('abort', onAbort)
          resolve(response)
        },
        reject: (error) => {
          signal.removeEventListener('abort', onAbort)
          reject(error)
        },
      })
    })
  }

  abort(error: Error): void {
    this.#channel?.abort(error)
  }

  #freeId(): number {
    do {
      this.#nextId = (this.#nextId + 1) % ID_LIMIT
    } while (this.#pending.has(this.#nextId))
    return this.#nextId
  }

  #receive(value: unknown): void {
    const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined
    if (typeof id !== 'number') throw new PeerError('violation', `${this.remote} sent an answer without an id`)
    const pending = this.#pending.get(id)
    // The answer to a request that was given up.
    if (pending === undefined) return
    if (!responseSchemas[pending.method].Check(value)) {
      if (errorSchema.Check(value)) {
        this.#pending.delete(id)
        pending.reject(new PeerError(value.code, `${this.remote} answered ${value.code}: ${value.message}`))
        return
      }
      throw new PeerError(
        'violation',
        `the answer of ${this.remote} to ${pending.method} has another form than the schema`,
      )
    }
    this.#pending.delete(id)
    pending.resolve(value)
  }

  #close(error: Error): void {
    this.#onClose(error)
    const reason =
      error instanceof PeerError
        ? error
        : new PeerError('violation', `${this.remote}: ${error.message}`, { cause: error })
    for (const pending of this.#pending.values()) pending.reject(reason)
    this.#pending.clear()
  }
}

/** What the client needs from the host. */
export interface RpcClientInit {
  readonly self: WireIdentity
  readonly incomplete: IncompleteBatches
  /** Opens a stream of the RPC protocol to a peer, connecting when necessary. */
  openStream(peer: string, signal: AbortSignal): Promise<Stream>
  /** A standing stream to a peer is open. */
  onOpen(peer: string): void
  /** A peer broke the protocol in its answers. */
  onViolation(peer: string): void
}

/** Asks peers. One standing stream per peer is opened on first use, shared by all callers, and replaced after it failed. */
export class RpcClient {
  readonly #init: RpcClientInit
  readonly #streams = new Map<string, StandingStream | Promise<StandingStream>>()
  readonly #stopped = new AbortController()

  constructor(init: RpcClientInit) {
    this.#init = init
  }

  /**
   * Throws the reason of `signal` when that fires first, and `PeerError` otherwise: `unreachable` also when the standing stream has another session
   * than the one that is named.
   */
  async request<M extends Method>(
    peer: string,
    method: M,
    body: object,
    signal: AbortSignal,
    session?: string,
  ): Promise<RpcMethods[M]['response']> {
    signal.throwIfAborted()
    const standing = this.#openTo(peer) ?? (await withSignal(this.#open(peer), signal))
    if (session !== undefined && standing.session.id !== session) {
      throw new PeerError('unreachable', `the session with ${peer} has ended`)
    }
    return standing.ask(method, body, signal)
  }

  /** The session of the standing stream, which is opened when needed. Throws as `request` does. */
  async session(peer: string, signal: AbortSignal): Promise<PeerSession> {
    signal.throwIfAborted()
    return (this.#openTo(peer) ?? (await withSignal(this.#open(peer), signal))).session
  }

  /** Peers to whom a standing stream is open. */
  *peers(): Generator<string, void, undefined> {
    for (const peer of this.#streams.keys()) if (this.#openTo(peer) !== undefined) yield peer
  }

  /** Whether a peer is to answer something. */
  isAsking(peer: string): boolean {
    return this.#openTo(peer)?.isAsking === true
  }

  /** Ends every stream; requests under way fail. */
  stop(): void {
    const reason = new PeerError('unreachable', 'the network stopped')
    this.#stopped.abort(reason)
    for (const standing of this.#streams.values()) if (standing instanceof StandingStream) standing.abort(reason)
    this.#streams.clear()
  }

  #openTo(peer: string): StandingStream | undefined {
    const known = this.#streams.get(peer)
    return known instanceof StandingStream && known.isOpen ? known : undefined
  }

  /** Callers that come while a stream is being opened share it. It has a deadline of its own, so that none of them can spoil it for the others. */
  #open(peer: string): Promise<StandingStream> {
    const known = this.#streams.get(peer)
    if (known instanceof Promise) return known
    const opening = this.#connect(peer)
    this.#streams.set(peer, opening)
    opening.then(
      (standing) => {
        if (this.#streams.get(peer) !== opening) return
        if (standing.isOpen) {
          this.#streams.set(peer, standing)
          this.#init.onOpen(peer)
        } else this.#streams.delete(peer)
      },
      () => {
        if (this.#streams.get(peer) === opening) this.#streams.delete(peer)
      },
    )
    return opening
  }

  async #connect(peer: string): Promise<StandingStream> {
    try {
      this.#stopped.signal.throwIfAborted()
      const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(OPEN_MS)])
      const stream = await this.#init.openStream(peer, signal)
      const standing: StandingStream = await StandingStream.open(this.#init, stream, peer, (error) => {
        if (isViolation(error)) this.#init.onViolation(peer)
        const current = this.#streams.get(peer)
        if (current instanceof StandingStream && !current.isOpen) this.#streams.delete(peer)
      })
      if (this.#stopped.signal.aborted) standing.abort(this.#stopped.signal.reason)
      return standing
    } catch (error) {
      if (error instanceof PeerError) throw error
      throw new PeerError('unreachable', `${peer} cannot be reached: ${errorMessage(error)}`, { cause: error })
    }
  }
}
