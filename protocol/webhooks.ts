import { type Static, Type } from 'typebox'
import { OperatorId } from './assurance.ts'
import { Timestamp } from './fields.ts'
import { LIMITS } from './limits.ts'

/** Events that are sent to URLs ("API Contracts", section 5.3). How they are signed, tried again and answered: `README.md`, "Webhooks". */

const closed = { additionalProperties: false } as const

/** Limits of webhooks, each with its unit and its reason. */
export const WEBHOOK_LIMITS = {
  /** Webhooks of this node, so that each may have connections of its own: 512 at most. */
  webhooks: 256,
  /** Webhooks of one operator. */
  perOwner: 16,
  /** Characters of a URL, as browsers and proxies take them. */
  url: 2048,
  /** Bytes of an event: the longest has 32 ids of constraints, of 128 characters each. */
  eventBytes: 8 * 1024,
  /** Events on their way to one webhook: as many as the largest batch has questions. */
  queued: 10_000,
  /** The same of all: at most 400 MB on disk, and 10 MB in memory. */
  queuedInAll: 50_000,
  /** Events that did not arrive, of one webhook; the oldest go first. Of all webhooks some 100 MB on disk, and 20 MB of ids in memory. */
  deadLetters: 1000,
  /** Requests to one webhook at a time; one while it fails. */
  atOnce: 2,
  /** Requests to one target (scheme, host and port) at a time, over all webhooks: more would be an attack. */
  atOncePerTarget: 8,
  /** Milliseconds for one request, from the resolution of the name to the status. */
  attemptMs: 15_000,
  /** The same for the challenge while somebody waits for the registration. */
  firstChallengeMs: 5000,
  /** Bytes of the answer to a challenge; of other answers, nothing is read. */
  answerBytes: 4096,
  /** Milliseconds until an event is tried again; then twice as long each time. */
  firstRetryMs: 5000,
  /** Milliseconds for which an event is tried. */
  retryMs: 24 * 60 * 60 * 1000,
  /** Failures in a row after which a webhook is left alone for a second, then twice as long each time; and the milliseconds that come of it. */
  failures: 5,
  mostPauseMs: 300_000,
} as const

/** What operators hear of their own questions and batches. */
export const OPERATOR_EVENTS = ['verification_complete', 'batch_complete', 'constraint_violation'] as const
/** What the administrator hears of the node. */
export const NODE_EVENTS = ['cell.registered', 'cell.yanked', 'peer.banned'] as const

export const WebhookEventType = Type.Union(
  [...OPERATOR_EVENTS, ...NODE_EVENTS].map((name) => Type.Literal(name)),
  { title: 'WebhookEventType' },
)
export type WebhookEventType = (typeof OPERATOR_EVENTS | typeof NODE_EVENTS)[number]

/** What is sent where the receiver is to prove that it wants events, and to try it out. */
export const CHALLENGE_EVENT = 'webhook.challenge'
export const TEST_EVENT = 'webhook.test'

/** The body of each request to a webhook. */
export const WebhookEvent = Type.Object(
  {
    /** One of {@link WebhookEventType}, `webhook.challenge` or `webhook.test`. */
    event_type: Type.String({ examples: ['verification_complete'] }),
    /** Of the question or batch; null for events of the node. */
    request_id: Type.Union([Type.String(), Type.Null()]),
    timestamp: Timestamp,
    data: Type.Object({}, { additionalProperties: true }),
  },
  { title: 'WebhookEvent' },
)
export type WebhookEvent = Static<typeof WebhookEvent>

/** Answer of a receiver to `webhook.challenge`: `data.challenge` of what it was sent. */
export const ChallengeAnswer = Type.Object({ challenge: Type.String() })

export const WebhookId = Type.String({ pattern: '^wh_[0-9a-f]{24}$', examples: ['wh_5f0c1d2e3a4b5c6d7e8f9a0b'] })

/** Body of `POST /api/v1/webhooks`; the payload of an operator's signed request. */
export const WebhookCreation = Type.Object(
  {
    url: Type.String({
      minLength: 1,
      maxLength: WEBHOOK_LIMITS.url,
      description: 'An https URL without credentials; http only for private addresses, where the node allows those.',
      examples: ['https://hooks.example.org/cytoplex'],
    }),
    events: Type.Array(WebhookEventType, { minItems: 1, maxItems: 6, uniqueItems: true }),
  },
  { ...closed, title: 'WebhookCreation' },
)
export type WebhookCreation = { readonly url: string; readonly events: readonly WebhookEventType[] }

export const WebhookStatus = Type.Union([Type.Literal('pending'), Type.Literal('active'), Type.Literal('disabled')])
export type WebhookStatus = Static<typeof WebhookStatus>

const Nullable = { timestamp: Type.Union([Timestamp, Type.Null()]), text: Type.Union([Type.String(), Type.Null()]) }

const fields = {
  webhook_id: WebhookId,
  /** Null for the administrator's. */
  operator_id: Type.Union([OperatorId, Type.Null()]),
  url: Type.String(),
  events: Type.Array(WebhookEventType),
  /** `pending` until the receiver answered the challenge, `disabled` when it wants nothing any more. */
  status: WebhookStatus,
  created_at: Timestamp,
  /** Events on their way. */
  queued: Type.Integer({ minimum: 0 }),
  /** Events that did not arrive, and can be replayed. */
  dead_letters: Type.Integer({ minimum: 0 }),
  /** Failures in a row, since the node started. */
  failures: Type.Integer({ minimum: 0 }),
  /** Why the last request failed: one of `README.md`, "Webhooks", never words of the receiver. Null when it did not. */
  last_error: Nullable.text,
  /** When the last event arrived, since the node started. */
  last_delivery_at: Nullable.timestamp,
} as const

/** A webhook as lists show it: never its secret. */
export const Webhook = Type.Object(fields, { title: 'Webhook' })
export type Webhook = Omit<Static<typeof Webhook>, 'events'> & { readonly events: readonly WebhookEventType[] }

/** Answer to `POST /api/v1/webhooks`. */
export const WebhookCreated = Type.Object(
  {
    ...fields,
    secret: Type.String({
      description: 'Key of the signatures (Standard Webhooks), shown this once.',
      examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    }),
  },
  { title: 'WebhookCreated' },
)
export type WebhookCreated = Webhook & { readonly secret: string }

/** Answer to `GET /api/v1/webhooks`: oldest first. */
export const WebhookList = Type.Object({ webhooks: Type.Array(Webhook) }, { title: 'WebhookList' })
export type WebhookList = { readonly webhooks: readonly Webhook[] }

/** Answer to `POST /api/v1/webhooks/{id}/test`. */
export const WebhookTested = Type.Object(
  {
    webhook_id: WebhookId,
    /** What was sent: the challenge to a webhook that is not active, else an event. */
    event_type: Type.Union([Type.Literal(CHALLENGE_EVENT), Type.Literal(TEST_EVENT)]),
    delivered: Type.Boolean(),
    status: WebhookStatus,
    error: Nullable.text,
  },
  { title: 'WebhookTested' },
)
export type WebhookTested = Static<typeof WebhookTested>

/** What names a delivery: `webhook-id` of each request of it. Time-ordered. */
export const DeliveryId = Type.String({ pattern: '^msg_[0-9a-f]{32}$', examples: [`msg_${'0'.repeat(32)}`] })

/** An event that did not arrive. */
export const DeadLetter = Type.Object(
  {
    delivery_id: DeliveryId,
    event: WebhookEvent,
    attempts: Type.Integer({ minimum: 0 }),
    failed_at: Timestamp,
    error: Type.String(),
  },
  { title: 'DeadLetter' },
)
export type DeadLetter = Static<typeof DeadLetter>

/** Query of `GET /api/v1/webhooks/{id}/dead-letters`. */
export const DeadLetterQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxPage, default: LIMITS.defaultPage })),
  after: Type.Optional(DeliveryId),
})
export type DeadLetterQuery = Static<typeof DeadLetterQuery>

/** Oldest first. */
export const DeadLetterList = Type.Object(
  {
    total: Type.Integer({ minimum: 0 }),
    dead_letters: Type.Array(DeadLetter),
    /** `after` of the next page; null when this is the last one. */
    next_after: Type.Union([DeliveryId, Type.Null()]),
  },
  { title: 'DeadLetterList' },
)
export type DeadLetterList = Static<typeof DeadLetterList>

/** Answer to `POST /api/v1/webhooks/{id}/dead-letters/replay`. */
export const DeadLettersReplayed = Type.Object(
  { replayed: Type.Integer({ minimum: 0 }) },
  { title: 'DeadLettersReplayed' },
)
export type DeadLettersReplayed = Static<typeof DeadLettersReplayed>
