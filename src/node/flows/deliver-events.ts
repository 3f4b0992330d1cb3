import { randomBytes } from 'node:crypto'
import { CHALLENGE_EVENT, TEST_EVENT, WEBHOOK_LIMITS } from '../../../protocol/webhooks.ts'
import { type Deliveries, type Delivery, newDeliveryId } from '../../domain/assurance/deliveries.ts'
import type { WebhookOnFile, Webhooks } from '../../domain/assurance/webhooks.ts'
import { toBase64Url } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { unlessAborted } from '../../kernel/base/racing.ts'
import {
  DeliveryFailure,
  type Destination,
  type Notification,
  type Notifier,
} from '../../kernel/plugins/packages/notifiers.ts'
import type { Transaction } from '../../kernel/storage/store.ts'
import type { Metrics } from '../../kernel/telemetry/metrics.ts'
import type { NodeParts } from '../parts.ts'
import { type AttemptError, type Standing, Standings } from './standings.ts'
import { type Telling, tellOf, webhookEvent } from './webhook-events.ts'

type Parts = Pick<NodeParts, 'clock' | 'logger' | 'events'>

interface Needs {
  readonly webhooks: Webhooks
  readonly deliveries: Deliveries
  readonly notifiers: readonly { readonly name: string; readonly notifier: Notifier }[]
}

/** Where events go: to a webhook, or to a notifier that knows itself where. */
interface Receiver {
  /** Of the webhook; of a notifier its name, which is no webhook's id. */
  readonly id: string
  /** What may only be asked so much at a time. */
  readonly target: string
  readonly notifier: Notifier
  readonly webhook: WebhookOnFile | undefined
}

/** Milliseconds between two looks at what is due. */
const LOOK_MS = 1000
const CHALLENGE_BYTES = 32
/** Why nothing is sent for a webhook whose secret was sealed with a key that is gone. */
const SECRET_LOST = 'secret_lost'

/** There is no place for another request to that target now. */
export class TargetBusyError extends Error {
  override readonly name = 'TargetBusyError'
}

/**
 * Delivers events to webhooks and notifiers, at least once and again for up to a day. Each receiver has places of its own, so that a slow one
 * delays no other; those that fail are left alone for a while. The queue is on disk: what is on its way when the node ends is sent after the next
 * start.
 */
export class EventDelivery implements Part {
  readonly name = 'event delivery'
  readonly #parts: Parts
  readonly #needs: Needs
  readonly #posting: Notifier | undefined
  readonly #tellers: readonly Receiver[]
  readonly #standings: Standings
  /** Requests under way, by target. */
  readonly #targets = new Map<string, number>()
  /** Challenges of webhooks that did not answer theirs yet: when the next is sent, and how many were. */
  readonly #challenges = new Map<string, { due: number; attempts: number; underWay: boolean }>()
  readonly #work = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #silence: () => void = () => undefined
  /** Who is asked first next time: all take turns. */
  #turn = 0
  #count: (error: AttemptError) => void = () => undefined

  constructor(parts: Parts, needs: Needs) {
    this.#parts = parts
    this.#needs = needs
    this.#standings = new Standings(parts.clock)
    this.#posting = needs.notifiers.find(({ notifier }) => notifier.needsDestination)?.notifier
    this.#tellers = needs.notifiers.flatMap(({ name, notifier }) =>
      notifier.needsDestination ? [] : [{ id: name, target: name, notifier, webhook: undefined }],
    )
  }

  /** Shows how it goes to whoever scrapes the metrics. */
  measure(metrics: Metrics): void {
    const { deliveries } = this.#needs
    const queued = metrics.gauge({
      name: 'cytoplex_events_queued',
      help: 'Events on their way to webhooks and notifiers',
      collect() {
        queued.set(deliveries.total)
      },
    })
    const attempts = metrics.counter<'outcome'>({
      name: 'cytoplex_event_deliveries_total',
      help: 'Attempts to deliver an event',
      labels: ['outcome'],
    })
    this.#count = (error) => attempts.inc({ outcome: error === undefined ? 'delivered' : 'failed' })
  }

  /** Whether there is a notifier for webhooks. */
  get canPost(): boolean {
    return this.#posting !== undefined
  }

  async start(): Promise<void> {
    const { webhooks, deliveries } = this.#needs
    await webhooks.load()
    await deliveries.load((to) => webhooks.get(to) !== undefined || this.#tellers.some(({ id }) => id === to))
    this.#silence = tellOf(this.#parts.events, (telling) => this.#tell(telling))
    this.#timer = setInterval(() => this.look(), LOOK_MS)
    this.look()
  }

  async stop(): Promise<void> {
    this.#silence()
    clearInterval(this.#timer)
    this.#stop.abort(new Error('the node is stopping'))
    while (this.#work.size > 0) await Promise.all(this.#work)
    for (const { name, notifier } of this.#needs.notifiers) {
      await notifier.close().catch((error: unknown) => {
        this.#parts.logger.warn({ notifier: name, reason: errorMessage(error) }, 'a notifier did not close')
      })
    }
  }

  /** Sends what is due, as far as there are places. */
  look(): void {
    if (this.#stop.signal.aborted) return
    const receivers = this.#receivers()
    const first = this.#turn++ % Math.max(1, receivers.length)
    for (const receiver of [...receivers.slice(first), ...receivers.slice(0, first)]) {
      while (this.#next(receiver)) {
        // As many as it may have at once.
      }
    }
    for (const webhook of this.#needs.webhooks.list()) if (webhook.status === 'pending') this.#challengeAgain(webhook)
  }

  /** How it goes at a webhook. */
  standingOf(id: string): Pick<Standing, 'failures' | 'lastError' | 'lastDeliveryAt'> {
    return this.#standings.of(id)
  }

  /** Sends a challenge. Throws `TargetBusyError`. */
  challenge(webhook: WebhookOnFile, secret: string | undefined, deadlineMs: number): Promise<AttemptError> {
    const challenge = toBase64Url(randomBytes(CHALLENGE_BYTES))
    const data = { webhook_id: webhook.id, challenge }
    return this.#once(webhook, secret, deadlineMs, CHALLENGE_EVENT, data, challenge)
  }

  /** Sends an event to try the webhook out. Throws `TargetBusyError`. */
  async test(webhook: WebhookOnFile): Promise<AttemptError> {
    const { webhooks } = this.#needs
    const secret = webhooks.secretOf(webhook)
    const error = await this.#once(webhook, secret, WEBHOOK_LIMITS.attemptMs, TEST_EVENT, { webhook_id: webhook.id })
    if (error === 'gone') await this.#switchOff(webhook.id)
    return error
  }

  /** Forgets how it went at a webhook that is gone. */
  forget(id: string): void {
    this.#standings.forget(id)
    this.#challenges.delete(id)
  }

  /** Tells of something in the transaction that makes it so. What is returned wants to know whether that became durable. */
  tellIn(tx: Transaction, telling: Telling): (isDurable: boolean) => void {
    const event = webhookEvent(this.#parts.clock.now(), telling)
    const admitted = this.#needs.deliveries.admit(event, this.#wanting(telling))
    admitted.put(tx)
    return (isDurable) => {
      admitted.settle(isDurable)
      this.look()
    }
  }

  #tell(telling: Telling): void {
    const event = webhookEvent(this.#parts.clock.now(), telling)
    this.#run(async () => {
      await this.#needs.deliveries.add(event, this.#wanting(telling))
      this.look()
    })
  }

  /** Ids of those who are told. */
  #wanting({ owner, type }: Telling): string[] {
    const wanting = this.#needs.webhooks
      .list(owner)
      .filter(({ status, events }) => status === 'active' && events.includes(type))
    return [...wanting, ...this.#tellers].map(({ id }) => id)
  }

  #receivers(): Receiver[] {
    const posting = this.#posting
    if (posting === undefined) return [...this.#tellers]
    const active = this.#needs.webhooks.list().filter(({ status }) => status === 'active')
    return [...this.#tellers, ...active.map((webhook) => receiverOf(webhook, posting))]
  }

  /** Starts the next delivery to a receiver; false when there is none, or no place for it. */
  #next(receiver: Receiver): boolean {
    const { id, target } = receiver
    const standing = this.#standings.of(id)
    if (!this.#standings.hasPlace(standing)) return false
    if (!this.#hasPlace(target)) return false
    const delivery = this.#needs.deliveries.take(id)
    if (delivery === undefined) return false
    this.#run(async () => {
      standing.underWay++
      try {
        await this.#attempt(receiver, standing, delivery)
      } finally {
        standing.underWay--
      }
      this.look()
    })
    return true
  }

  async #attempt(receiver: Receiver, standing: Standing, delivery: Delivery): Promise<void> {
    const { deliveries } = this.#needs
    const { id, type } = delivery
    const body = this.#read(delivery)
    if (body === undefined) return deliveries.arrived(delivery)
    const secret = receiver.webhook && this.#needs.webhooks.secretOf(receiver.webhook)
    const error = await this.#send(receiver, secret, { id, type, body }, WEBHOOK_LIMITS.attemptMs)
    if (this.#stop.signal.aborted && error !== undefined) return deliveries.putBack(delivery)
    this.#count(error)
    this.#standings.note(standing, error)
    if (error !== undefined) this.#parts.logger.debug({ to: receiver.id, reason: error }, 'an event was not delivered')
    if (error === undefined) return deliveries.arrived(delivery)
    if (error === 'gone' && receiver.webhook !== undefined) return this.#switchOff(receiver.id, delivery)
    await deliveries.failed(delivery, error)
  }

  /** The text of an event; where the disk does not give it, the event waits. */
  #read(delivery: Delivery): string | undefined {
    try {
      return this.#needs.deliveries.bodyOf(delivery)
    } catch (error) {
      this.#needs.deliveries.putBack(delivery)
      throw error
    }
  }

  /** One request; what it ended with. */
  async #send(
    { target, notifier, webhook }: Receiver,
    secret: string | undefined,
    notification: Notification,
    deadlineMs: number,
  ): Promise<AttemptError> {
    let destination: Destination | null = null
    if (webhook !== undefined) {
      if (secret === undefined) return SECRET_LOST
      destination = { url: webhook.url, secret }
    }
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(deadlineMs)])
    this.#targets.set(target, (this.#targets.get(target) ?? 0) + 1)
    try {
      await unlessAborted(notifier.deliver(notification, { destination, log: this.#parts.logger }, signal), signal)
      return undefined
    } catch (error) {
      if (!(error instanceof DeliveryFailure) && !signal.aborted) {
        this.#parts.logger.warn({ to: webhook?.id ?? target, reason: errorMessage(error) }, 'a notifier failed')
      }
      return reasonOf(error, signal)
    } finally {
      const left = (this.#targets.get(target) ?? 1) - 1
      if (left === 0) this.#targets.delete(target)
      else this.#targets.set(target, left)
    }
  }

  /** One request that somebody waits for, past the queue. */
  async #once(
    webhook: WebhookOnFile,
    secret: string | undefined,
    deadlineMs: number,
    type: string,
    data: object,
    challenge?: string,
  ): Promise<AttemptError> {
    if (this.#posting === undefined) throw new Error('this node has no notifier for webhooks')
    const receiver = receiverOf(webhook, this.#posting)
    if (!this.#hasPlace(receiver.target))
      throw new TargetBusyError(`too many requests to ${receiver.target} are under way`)
    const now = this.#parts.clock.now()
    const body = JSON.stringify(webhookEvent(now, { type, requestId: null, data }))
    const notification = { id: newDeliveryId(now), type, body, ...(challenge === undefined ? {} : { challenge }) }
    return this.#send(receiver, secret, notification, deadlineMs)
  }

  /** Sends the challenge again, with the same pauses as an event, for a day. */
  #challengeAgain(webhook: WebhookOnFile): void {
    const { webhooks } = this.#needs
    const now = this.#parts.clock.now()
    const before = this.#challenges.get(webhook.id)
    const state = before ?? { due: now + WEBHOOK_LIMITS.firstRetryMs, attempts: 1, underWay: false }
    if (before === undefined) this.#challenges.set(webhook.id, state)
    const isOver = now - webhook.created_at > WEBHOOK_LIMITS.retryMs
    if (this.#posting === undefined || isOver || state.underWay || state.due > now) return
    if (!this.#hasPlace(targetOf(webhook.url))) return
    this.#run(async () => {
      state.underWay = true
      try {
        const error = await this.challenge(webhook, webhooks.secretOf(webhook), WEBHOOK_LIMITS.attemptMs)
        state.due = this.#parts.clock.now() + WEBHOOK_LIMITS.firstRetryMs * 2 ** state.attempts++
        await this.proven(webhook.id, error)
      } finally {
        state.underWay = false
      }
    })
  }

  /** What a challenge ended with: a webhook that answered it is active. */
  async proven(id: string, error: AttemptError): Promise<void> {
    const webhook = this.#needs.webhooks.get(id)
    if (webhook === undefined) return
    const standing = this.#standings.of(id)
    standing.lastError = error ?? null
    if (error !== undefined) return
    this.#challenges.delete(id)
    this.#standings.mended(standing)
    if (webhook.status !== 'active') await this.#needs.webhooks.setStatus(id, 'active')
    this.look()
  }

  /** The receiver wants nothing any more. */
  async #switchOff(id: string, delivery?: Delivery): Promise<void> {
    const { webhooks, deliveries } = this.#needs
    if (webhooks.get(id) === undefined) return
    this.#parts.logger.info({ webhook: id }, 'a webhook is switched off: its receiver answered that it is gone')
    this.#standings.of(id).lastError = 'gone'
    await webhooks.setStatus(id, 'disabled')
    await deliveries.giveUp(id, 'gone', delivery)
  }

  #hasPlace(target: string): boolean {
    return (this.#targets.get(target) ?? 0) < WEBHOOK_LIMITS.atOncePerTarget
  }

  /** Work that nobody waits for; what it throws is logged. */
  #run(work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => {
        this.#parts.logger.error({ reason: errorMessage(error) }, 'delivering events failed')
      })
      .finally(() => this.#work.delete(running))
    this.#work.add(running)
  }
}

const targetOf = (url: string): string => new URL(url).origin

const receiverOf = (webhook: WebhookOnFile, notifier: Notifier): Receiver => ({
  id: webhook.id,
  target: targetOf(webhook.url),
  notifier,
  webhook,
})

/** A short fixed word: what a receiver says is shown to nobody. */
function reasonOf(error: unknown, signal: AbortSignal): string {
  if (error instanceof DeliveryFailure) return error.reason === 'status' ? `status_${error.status}` : error.reason
  return signal.aborted ? 'timed_out' : 'failed'
}
