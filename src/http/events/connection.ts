import { randomBytes } from 'node:crypto'
import type { RawData, WebSocket } from 'ws'
import { INTERNAL_ERROR } from '../../../protocol/errors.ts'
import {
  EVENT_CHANNELS,
  EVENT_CLOSE,
  EVENT_LIMITS,
  type EventAnswer,
  type EventChannel,
  EventCommand,
  type EventGap,
} from '../../../protocol/events.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { parseStrictJson, StrictJsonError } from '../../kernel/base/strict-json.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import { compileCheck } from '../validation.ts'
import type { EventRing, KeptEvent } from './event-ring.ts'
import type { EventStreamLimits } from './limits.ts'
import { channelsOf, mayHear, type Standing } from './standing.ts'
import { Subscriptions } from './subscriptions.ts'

/** Why the node ended a connection: labels of a metric, too. */
export type EndReason = keyof typeof EVENT_CLOSE | 'stopping' | 'message'

/** What a connection is made of. */
export interface ConnectionInit {
  readonly socket: WebSocket
  readonly ring: EventRing
  readonly limits: EventStreamLimits
  readonly logger: Logger
  readonly providerId: string
  /** Who connected. */
  readonly standing: Standing | undefined
  prove(command: EventCommand['authenticate'], challenge: string): Promise<Standing>
  /** Called once when the node ends the connection. */
  onEnd(reason: EndReason): void
}

/** Events that were missed, which a client asked for. */
interface Replay {
  readonly channels: readonly EventChannel[]
  readonly goalId: string | undefined
  next: number
  /** The last one: what comes later comes as it happens. */
  readonly last: number
}

const TEXT = { binary: false } as const
const CODES: Readonly<Record<EndReason, number>> = { ...EVENT_CLOSE, stopping: 1001, message: 1009 }
/** Milliseconds that a client gets to answer the closing of its connection. */
const CLOSING_MS = 2000
/** Wrong attempts to prove something, after which a connection ends. */
const ATTEMPTS = 3
/** Replays that wait for each other on one connection. */
const REPLAYS = 8

const CHECKS = {
  subscribe: compileCheck(EventCommand.subscribe, 'subscribe'),
  unsubscribe: compileCheck(EventCommand.unsubscribe, 'unsubscribe'),
  authenticate: compileCheck(EventCommand.authenticate, 'authenticate'),
  ping: compileCheck(EventCommand.ping, 'ping'),
} as const
const isKind = (type: unknown): type is keyof typeof CHECKS => typeof type === 'string' && Object.hasOwn(CHECKS, type)

/**
 * One client of the event stream. It holds a place in the ring and no queue: what is sent waits in its socket, up to a limit, and what is
 * not sent yet in the ring, until that moves on past it.
 */
export class Connection {
  readonly #init: ConnectionInit
  readonly #challenge = randomBytes(32).toString('base64url')
  readonly #subscriptions = new Subscriptions()
  #standing: Standing | undefined
  /** Number of the next event that is looked at. */
  #next: number
  #replays: Replay[] = []
  /** Whether the socket holds as much as it may. */
  #isFull = false
  #isEnding = false
  #sent = 0
  #failures = 0
  /** When all that the client sent would have been allowed, as `performance.now()` (the generic cell rate algorithm). */
  #allowedAt = 0
  /** Messages are answered one after the other. */
  #answering: Promise<void> = Promise.resolve()
  #isAlive = true
  /** Beats since the client listened to something. */
  #idleBeats = 0

  constructor(init: ConnectionInit) {
    this.#init = init
    this.#standing = init.standing
    this.#next = init.ring.last + 1
    const { socket } = init
    socket.on('message', (data, isBinary) => this.#hear(data, isBinary))
    socket.on('ping', () => this.#allow(1))
    socket.on('pong', () => {
      this.#isAlive = true
    })
    // The library has closed the connection with the code of RFC 6455 that says why.
    socket.on('error', () => this.#ended('message'))
    this.#say({
      type: 'welcome',
      provider_id: init.providerId,
      challenge: this.#challenge,
      cursor: init.ring.cursor(),
      channels: channelsOf(this.#standing),
      heartbeat_seconds: init.limits.heartbeatMs / 1000,
    })
  }

  /** Events that were sent so far. */
  get sent(): number {
    return this.#sent
  }

  /** Whether the client listens to a channel, for every goal. */
  hears(channel: EventChannel): boolean {
    return this.#subscriptions.includes({ channel, goalId: undefined })
  }

  /** What the client listens to: pairs of channel and goal. */
  get subscriptions(): number {
    return this.#subscriptions.size
  }

  /** Sends what is due, as far as the client keeps up. */
  pump(): void {
    const { ring, socket } = this.#init
    if (this.#isEnding || socket.readyState !== socket.OPEN) return
    if (this.#subscriptions.size === 0) this.#next = ring.last + 1
    while (!this.#isEnding) {
      const replay = this.#replays[0]
      if (Math.min(this.#next, replay?.next ?? this.#next) < ring.oldest) {
        this.end('slow', 'events came faster than they were read; come back with the last cursor')
        return
      }
      if (this.#isFull) return
      if (replay !== undefined) {
        if (replay.next > replay.last) this.#replays.shift()
        else {
          const event = ring.at(replay.next++)
          if (isMissed(replay, event)) this.#send(event)
        }
      } else {
        if (this.#next > ring.last) return
        const event = ring.at(this.#next++)
        if (this.#subscriptions.includes(event)) this.#send(event)
      }
    }
  }

  /** Looks whether the client is there and may still be, and asks it for a sign of life. */
  beat(): void {
    const { socket, limits } = this.#init
    if (this.#standing?.holds() === false) {
      this.end('unauthorized', 'the key does not count any more')
      return
    }
    this.#idleBeats = this.#subscriptions.size === 0 ? this.#idleBeats + 1 : 0
    if (!this.#isAlive) this.end('idle', 'no sign of life')
    else if (this.#idleBeats > limits.idleBeats) this.end('idle', 'subscribed to nothing')
    else if (socket.readyState === socket.OPEN) {
      this.#isAlive = false
      socket.ping()
    }
  }

  /** Closes the connection, saying why, and cuts it when the client does not answer that. */
  end(reason: EndReason, words: string): void {
    if (this.#isEnding) return
    this.#init.socket.close(CODES[reason], words)
    this.#ended(reason)
  }

  #ended(reason: EndReason): void {
    if (this.#isEnding) return
    this.#isEnding = true
    const { socket } = this.#init
    const cutting = setTimeout(() => socket.terminate(), CLOSING_MS)
    socket.once('close', () => clearTimeout(cutting))
    this.#init.onEnd(reason)
  }

  #send(event: KeptEvent): void {
    this.#sent++
    const text = event.text()
    const { socket, limits } = this.#init
    if (socket.bufferedAmount + text.length < limits.queuedBytes) {
      socket.send(text, TEXT)
      return
    }
    this.#isFull = true
    socket.send(text, TEXT, () => {
      this.#isFull = false
      this.pump()
    })
  }

  #say(answer: EventAnswer): void {
    const { socket, limits } = this.#init
    if (this.#isEnding) return
    // Who asks and asks, and reads no answer.
    if (socket.bufferedAmount > 2 * limits.queuedBytes) this.end('slow', 'answers are not read')
    else socket.send(JSON.stringify(answer))
  }

  /** Ends the connection when the client sent more than it may. */
  #allow(cost: number): boolean {
    const { burst, perSecond } = this.#init.limits.messages
    const now = performance.now()
    this.#allowedAt = Math.max(this.#allowedAt, now) + (cost * 1000) / perSecond
    if (this.#allowedAt - now <= (burst * 1000) / perSecond) return true
    this.end('flood', `allowed are ${perSecond} messages per second, and ${burst} at once`)
    return false
  }

  #hear(data: RawData, isBinary: boolean): void {
    this.#isAlive = true
    if (this.#isEnding || !this.#allow(1)) return
    this.#answering = this.#answering.then(() => this.#answer(data as Buffer, isBinary))
  }

  /** Never rejects. */
  async #answer(data: Buffer, isBinary: boolean): Promise<void> {
    if (this.#isEnding) return
    let id: string | undefined
    try {
      if (isBinary) throw new ProviderError('PROV_001', 'found a binary message, allowed is JSON as text')
      const message = parseStrictJson(data)
      if (typeof message !== 'object' || message === null || Array.isArray(message)) {
        throw new ProviderError('PROV_001', 'a message is a JSON object')
      }
      id = idOf(message)
      const { type } = message as { type?: unknown }
      if (!isKind(type)) {
        const found = JSON.stringify(type)?.slice(0, 80) ?? 'nothing'
        throw new ProviderError('PROV_001', `type: found ${found}, allowed are ${Object.keys(CHECKS).join(', ')}`)
      }
      const error = CHECKS[type](message)
      if (error !== undefined) throw error
      await this.#obey(message as EventCommand[keyof EventCommand])
    } catch (error) {
      this.#say({ type: 'error', ...(id === undefined ? {} : { id }), error: this.#explain(error) })
    }
  }

  async #obey(command: EventCommand[keyof EventCommand]): Promise<void> {
    if (command.type === 'subscribe') this.#subscribe(command)
    else if (command.type === 'unsubscribe') this.#unsubscribe(command)
    else if (command.type === 'authenticate') await this.#authenticate(command)
    else this.#say({ type: 'pong', ...withId(command) })
  }

  #subscribe(command: EventCommand['subscribe']): void {
    const { channels, goal_id: goalId, since } = command
    const { ring, limits } = this.#init
    for (const channel of channels) {
      if (!mayHear(this.#standing, channel)) throw refused(channel, this.#standing)
      if (goalId !== undefined && !EVENT_CHANNELS[channel].goals) {
        throw new ProviderError('PROV_001', `goal_id: events of the channel ${channel} belong to no goal`)
      }
    }
    const start = since === undefined ? undefined : ring.after(since)
    // Reading all of the ring is work for the node: it counts as many messages.
    if (start !== undefined && !this.#allow(limits.replayCost)) return
    if (start !== undefined && this.#replays.length >= REPLAYS) {
      throw new ProviderError('PROV_013', `since: ${REPLAYS} replays are under way, read them first`)
    }
    // What the client does not listen to yet is behind it.
    if (this.#subscriptions.size === 0) this.#next = ring.last + 1
    this.#subscriptions.add(channels, goalId)
    this.#say({ type: 'subscribed', ...about(command), cursor: ring.cursor() })
    if (start !== undefined && since !== undefined) {
      const { next, lost } = start
      if (lost !== undefined) this.#say(gap(command, { since, cursor: ring.cursor(next - 1), reason: lost }))
      this.#replays.push({ channels, goalId, next, last: this.#next - 1 })
    }
    this.pump()
  }

  #unsubscribe(command: EventCommand['unsubscribe']): void {
    const { channels, goal_id: goalId } = command
    this.#subscriptions.remove(channels, goalId)
    this.#replays = this.#replays.flatMap((replay) => {
      if (goalId !== undefined && replay.goalId !== goalId) return [replay]
      const left = replay.channels.filter((channel) => !channels.includes(channel))
      return left.length === 0 ? [] : [{ ...replay, channels: left }]
    })
    this.#say({ type: 'unsubscribed', ...about(command), cursor: this.#init.ring.cursor() })
  }

  async #authenticate(command: EventCommand['authenticate']): Promise<void> {
    try {
      this.#standing = await this.#init.prove(command, this.#challenge)
    } catch (error) {
      if (++this.#failures >= ATTEMPTS) this.end('unauthorized', `${ATTEMPTS} attempts to authenticate failed`)
      throw error
    }
    const { role } = this.#standing
    this.#say({ type: 'authenticated', ...withId(command), role, channels: channelsOf(this.#standing) })
  }

  #explain(error: unknown): { code: string; message: string } {
    if (error instanceof ProviderError) return { code: error.code, message: error.message }
    if (error instanceof StrictJsonError) return { code: 'PROV_001', message: error.message }
    this.#init.logger.error({ err: error }, 'a message of an event subscriber could not be answered')
    return { code: INTERNAL_ERROR, message: 'Internal error' }
  }
}

const isMissed = ({ channels, goalId }: Replay, event: KeptEvent): boolean =>
  channels.includes(event.channel) && (goalId === undefined || goalId === event.goalId)

const withId = ({ id }: { readonly id?: string | undefined }) => (id === undefined ? {} : { id })

const about = ({ id, channels, goal_id }: EventCommand['subscribe' | 'unsubscribe']) => ({
  ...withId({ id }),
  channels: [...channels],
  ...(goal_id === undefined ? {} : { goal_id }),
})

const gap = (command: { readonly id?: string }, found: Omit<EventGap, 'type' | 'id'>): EventGap => ({
  type: 'gap',
  ...withId(command),
  ...found,
})

function refused(channel: EventChannel, standing: Standing | undefined): ProviderError {
  const message = `channels: ${channel} is for the operator`
  if (standing !== undefined) return new ProviderError('PROV_015', `${message}, you are a ${standing.role}`)
  return new ProviderError('PROV_016', `${message}: authenticate first`)
}

/** What a client called its message, where the answer can repeat it. */
function idOf(message: object): string | undefined {
  if (!('id' in message) || typeof message.id !== 'string') return undefined
  return message.id.length > EVENT_LIMITS.messageId ? undefined : message.id
}
