import { ERRORS, type ErrorCode } from '../../protocol/errors.ts'
import {
  EVENT_CLOSE,
  EVENT_KEY_PROTOCOL,
  EVENT_PROTOCOL,
  EventAnswer,
  type EventChannel,
  type EventGap,
  NodeEvent,
} from '../../protocol/events.ts'
import { toBase64Url, utf8 } from '../kernel/base/bytes.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import type { RequestKeys } from '../kernel/identity/quantum-signature.ts'
import { ClientError, UnauthorizedError, UnreachableError } from './errors.ts'
import { pause } from './pause.ts'
import type { Sign } from './signing.ts'
import { badAnswer, call, firstAnswer, type Transport } from './transport.ts'

/** What to hear of. */
export interface EventAsk {
  readonly channels: readonly EventChannel[]
  /** Only events of this goal. */
  readonly goalId?: string | undefined
  /** The cursor of the last event that was seen: what happened since comes first, as far as the node still knows it. */
  readonly since?: string | undefined
  /** Proves to be the operator of the node, for the channels `peers` and `sync`. An administrator's key does so too. */
  readonly operatorKeys?: RequestKeys | undefined
  readonly signal?: AbortSignal | undefined
}

/** An event, or that some may be missing before the next one. */
export type EventItem = NodeEvent | EventGap

const PATH = '/subscribe'
/** Items that wait for whoever reads them; with more, the connection is closed, and opened again when they are read. */
const MAX_WAITING = 1024
/** Milliseconds before the first attempt to connect again; doubled with each failure. */
const PAUSE_MS = 250
const MAX_DOUBLINGS = 5
/** Milliseconds between two signs of life at least, whatever a node says. */
const LEAST_BEAT_MS = 1000

const eventSchema = checkerOf(NodeEvent)
const answerSchema = checkerOf(EventAnswer)

/**
 * Events as they happen. A connection that breaks is opened again, and what happened meanwhile is caught up on. Throws when the first
 * connection fails, and later when the node refuses to go on.
 */
export async function* subscribe(
  transport: Transport,
  sign: Sign,
  ask: EventAsk,
): AsyncGenerator<EventItem, void, undefined> {
  let { since } = ask
  let wasOpen = false
  let failures = 0
  while (true) {
    ask.signal?.throwIfAborted()
    let session: Session | undefined
    try {
      session = await firstAnswer({ ...transport, retries: 0 }, (node) =>
        Session.open(transport, node, sign, { ...ask, since }),
      )
      wasOpen = true
      for await (const item of session.items()) {
        failures = 0
        yield item
      }
    } catch (error) {
      ask.signal?.throwIfAborted()
      if (!wasOpen || !(error instanceof ClientError) || !error.retryable) throw error
    } finally {
      session?.close()
    }
    since = session?.cursor ?? since
    await pause(PAUSE_MS * 2 ** Math.min(failures++, MAX_DOUBLINGS), ask.signal)
  }
}

/** One connection. */
class Session {
  /** What the next connection goes on from. */
  cursor: string | undefined
  readonly #node: string
  readonly #socket: WebSocket
  readonly #ask: EventAsk
  readonly #sign: Sign
  readonly #opened = Promise.withResolvers<void>()
  readonly #waiting: EventItem[] = []
  #end: { readonly error: unknown } | undefined
  #wake: () => void = () => undefined
  #isAlive = true
  #wasWelcome = false
  #beating: ReturnType<typeof setInterval> | undefined
  readonly #abort = (): void => this.#finish(this.#ask.signal?.reason)

  /** Resolves when the node has confirmed the subscription. */
  static async open(transport: Transport, node: string, sign: Sign, ask: EventAsk): Promise<Session> {
    const session = new Session(transport, node, sign, ask)
    const deadline = setTimeout(() => session.#finish(unreachable(node, 'no answer in time')), transport.timeoutMs)
    try {
      await session.#opened.promise
      return session
    } catch (error) {
      ask.signal?.throwIfAborted()
      // The platform does not tell why a WebSocket did not open, but a plain request does.
      if (!session.#wasWelcome) await refusal(transport, node, ask.signal)
      throw error
    } finally {
      clearTimeout(deadline)
    }
  }

  private constructor({ apiKey }: Transport, node: string, sign: Sign, ask: EventAsk) {
    this.#node = node
    this.#ask = ask
    this.#sign = sign
    this.cursor = ask.since
    const key = apiKey === undefined ? [] : [EVENT_KEY_PROTOCOL + toBase64Url(utf8(apiKey))]
    this.#socket = new WebSocket(node.replace(/^http/, 'ws') + PATH, [EVENT_PROTOCOL, ...key])
    this.#socket.addEventListener('message', ({ data }) => this.#hear(data))
    this.#socket.addEventListener('close', ({ code, reason }) => this.#closed(code, reason))
    // The reason is in what comes next: the end of the connection.
    this.#socket.addEventListener('error', () => undefined)
    ask.signal?.addEventListener('abort', this.#abort, { once: true })
  }

  /** What arrives, until the connection ends; throws what another connection would not mend. */
  async *items(): AsyncGenerator<EventItem, void, undefined> {
    while (true) {
      const item = this.#waiting.shift()
      if (item !== undefined) yield item
      else if (this.#end === undefined) {
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#wake = resolve
        await promise
      } else if (this.#end.error !== undefined) throw this.#end.error
      else return
    }
  }

  close(): void {
    this.#finish(undefined)
  }

  #finish(error: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { error }
    clearInterval(this.#beating)
    this.#ask.signal?.removeEventListener('abort', this.#abort)
    this.#socket.close()
    this.#opened.reject(error ?? unreachable(this.#node, 'the connection was closed'))
    // Nobody waits for it any more where the session is open.
    this.#opened.promise.catch(() => undefined)
    this.#wake()
  }

  #closed(code: number, reason: string): void {
    if (code === EVENT_CLOSE.unauthorized) {
      this.#finish(new UnauthorizedError('PROV_016', reason, { status: 401, node: this.#node }))
    } else this.#finish(undefined)
  }

  #hear(data: unknown): void {
    if (this.#end !== undefined) return
    this.#isAlive = true
    try {
      if (typeof data !== 'string') throw badAnswer(this.#node, undefined, 'it is not text')
      const message = parseStrictJson(data)
      if (eventSchema.Check(message)) this.#add(message)
      else if (answerSchema.Check(message)) this.#answered(message)
      else throw badAnswer(this.#node, undefined, 'it has not the documented form')
    } catch (error) {
      this.#finish(error instanceof ClientError ? error : badAnswer(this.#node, undefined, errorMessage(error)))
    }
  }

  #add(item: EventItem): void {
    this.#waiting.push(item)
    this.cursor = item.cursor
    if (this.#waiting.length >= MAX_WAITING) this.#finish(undefined)
    else this.#wake()
  }

  #answered(answer: EventAnswer): void {
    if (answer.type === 'welcome') {
      this.#wasWelcome = true
      this.#beat(Math.max(LEAST_BEAT_MS, answer.heartbeat_seconds * 1000))
      this.#introduce(answer.challenge).catch((error: unknown) => this.#finish(error))
    } else if (answer.type === 'subscribed') {
      // With `since`, older events are still to come.
      this.cursor ??= answer.cursor
      this.#opened.resolve()
    } else if (answer.type === 'gap') this.#add(answer)
    else if (answer.type === 'error') throw errorOf(this.#node, answer.error)
  }

  async #introduce(challenge: string): Promise<void> {
    const { operatorKeys, channels, goalId, since } = this.#ask
    if (operatorKeys !== undefined) {
      const body = { type: 'authenticate', challenge }
      const quantum_signature = await this.#sign(operatorKeys, this.#node, { method: 'GET', path: PATH, body })
      this.#say({ type: 'authenticate', quantum_signature })
    }
    const goal = goalId === undefined ? {} : { goal_id: goalId }
    this.#say({ type: 'subscribe', channels, ...goal, ...(since === undefined ? {} : { since }) })
  }

  /** Connections can die without a word: then nothing answers any more. */
  #beat(ms: number): void {
    this.#beating ??= setInterval(() => {
      if (!this.#isAlive) this.#finish(undefined)
      else {
        this.#isAlive = false
        this.#say({ type: 'ping' })
      }
    }, ms)
  }

  #say(message: object): void {
    if (this.#end === undefined) this.#socket.send(JSON.stringify(message))
  }
}

const unreachable = (node: string, reason: string): UnreachableError => new UnreachableError([{ node, reason }])

/** Throws why the node lets nobody connect, where it says so. */
async function refusal(transport: Transport, node: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await call(transport, node, { path: PATH, signal })
  } catch (error) {
    if (!(error instanceof ClientError) || error.status !== 426) throw error
  }
}

function errorOf(node: string, { code, message }: { readonly code: string; readonly message: string }): ClientError {
  const known = Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : undefined
  const options = { status: known?.status, retryable: known?.retryable ?? false, node }
  const isRefusal = known?.status === 401 || known?.status === 403
  return isRefusal ? new UnauthorizedError(code, message, options) : new ClientError(code, message, options)
}
