import type { Logger } from '../../telemetry/logger.ts'
import { lacking, type PackageDefinition } from '../package.ts'

/** An event on its way to one receiver. */
export interface Notification {
  /** The same each time that it is tried, so that a receiver can tell whether it has it already. */
  readonly id: string
  /** `event_type` of the event. */
  readonly type: string
  /** The event as JSON (protocol/webhooks.ts, `WebhookEvent`): the same characters each time. */
  readonly body: string
  /** What the receiver has to answer, to show that it wants events; it is in the body, too. */
  readonly challenge?: string
}

/** Where a webhook wants its events. */
export interface Destination {
  /** http or https, as somebody typed it: nobody has checked where it leads. */
  readonly url: string
  /** `whsec_…`, to sign with. */
  readonly secret: string
}

/** What a notifier is given beside the event. */
export interface DeliveryContext {
  /** Null for notifiers that know themselves where events go. */
  readonly destination: Destination | null
  /** The node's log. */
  readonly log: Pick<Logger, 'info'>
}

/**
 * Why an event did not arrive: `address` the destination may not be called, `unreachable`, `certificate` it does not show that it is who it is called, `timed_out`, `redirect`, `status` it was answered with
 * another status than 2xx, `gone` the receiver wants nothing any more, `challenge` it did not answer the challenge.
 */
export type DeliveryFailureReason =
  | 'address'
  | 'unreachable'
  | 'certificate'
  | 'timed_out'
  | 'redirect'
  | 'status'
  | 'gone'
  | 'challenge'

/** The event did not arrive, for a reason that its owner may see. Any other error counts as a failure of the notifier. */
export class DeliveryFailure extends Error {
  override readonly name = 'DeliveryFailure'
  readonly reason: DeliveryFailureReason
  /** HTTP status of the answer, where there was one. */
  readonly status: number | undefined

  constructor(reason: DeliveryFailureReason, message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.reason = reason
    this.status = options.status
  }
}

/** Delivers events. */
export interface Notifier {
  /** Whether it delivers where webhooks want it. One that does not is told of every event of the node. */
  readonly needsDestination: boolean
  /**
   * Delivers one event. Resolves when the receiver has it, and has answered the challenge where there is one. Rejects with {@link DeliveryFailure},
   * and when the signal aborts. The node tries again later, with the same id.
   */
  deliver(notification: Notification, context: DeliveryContext, signal: AbortSignal): Promise<void>
  /** Lets go of what it holds. What is asked afterwards rejects. */
  close(): Promise<void>
}

/** The package `notifiers`: a node may use several, of which one serves webhooks. */
export const notifiers: PackageDefinition<Notifier> = {
  name: 'notifiers',
  documentation: 'Deliver events to those who asked to be told.',
  misshapen: (notifier) =>
    lacking(notifier, ['deliver', 'close']) ??
    (typeof notifier.needsDestination === 'boolean' ? undefined : 'it does not say whether it needsDestination'),
}
