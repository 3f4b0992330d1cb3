import { type Static, type TSchema, Type } from 'typebox'
import { ACCESS_LIMITS, AccessRole } from './access.ts'
import { Milliseconds, ProviderId, Sha256Hex } from './fields.ts'
import { ContributorId, GoalId } from './goal.ts'

/** Limits of the event stream that clients have to know. */
export const EVENT_LIMITS = {
  /** Bytes of a message from a client: one with a hybrid signature fits. */
  messageBytes: 16 * 1024,
  /** Characters of the id that a client gives a message. */
  messageId: 64,
  /** Pairs of channel and goal that one connection listens to: each is compared with each event. */
  subscriptions: 64,
} as const

/** WebSocket subprotocol of the event stream. Clients may name it, and after it their key: pages cannot send headers. */
export const EVENT_PROTOCOL = 'cytoplex.events.v1'
/** Followed by a key in base64url, in `Sec-WebSocket-Protocol`. */
export const EVENT_KEY_PROTOCOL = 'cytoplex.key.'

/** Why the node ends a connection, beside the codes of RFC 6455 (1001: it stops, 1009: a message is too large). */
export const EVENT_CLOSE = {
  /** The client reads slower than events come. */
  slow: 4001,
  /** It sends more than it may. */
  flood: 4002,
  /** It failed to prove who it is too often, or its key does not count any more. */
  unauthorized: 4003,
  /** It gives no sign of life, or subscribed to nothing. */
  idle: 4004,
} as const

/** Who may listen to a channel, whether its events belong to goals, and what happens there. */
export const EVENT_CHANNELS = {
  contributions: { access: 'reader', goals: true, types: ['contribution_added'] },
  leaderboard: { access: 'reader', goals: true, types: ['leaderboard_update'] },
  peers: { access: 'admin', goals: false, types: ['peer_connected', 'peer_disconnected'] },
  sync: { access: 'admin', goals: false, types: ['sync_progress'] },
  tau: { access: 'reader', goals: true, types: ['tau_commit'] },
  traffic: { access: 'reader', goals: false, types: ['traffic_sample'] },
} as const

export const EventChannel = Type.Union([
  Type.Literal('contributions'),
  Type.Literal('leaderboard'),
  Type.Literal('peers'),
  Type.Literal('sync'),
  Type.Literal('tau'),
  Type.Literal('traffic'),
])
export type EventChannel = Static<typeof EventChannel>

/** A place among the events of one run of a node: the run, and the number of the last event that was seen. */
export const EventCursor = Type.String({ pattern: '^[0-9a-f]{16}-(?:0|[1-9][0-9]{0,14})$' })

const Count = Type.Integer({ minimum: 0 })

const event = <T extends string, C extends EventChannel, D extends TSchema>(type: T, channel: C, data: D) =>
  Type.Object({
    type: Type.Literal(type),
    channel: Type.Literal(channel),
    /** Alias at this node. */
    goal_id: Type.Optional(GoalId),
    data,
    cursor: EventCursor,
    timestamp: Milliseconds,
  })

/** What a subscriber hears ("WebSocket API", with goal, cursor and time added). */
export const NodeEvent = Type.Union([
  event(
    'contribution_added',
    'contributions',
    Type.Object({
      contribution_id: Sha256Hex,
      pack_hash: Sha256Hex,
      contributor_id: ContributorId,
      score: Type.Number(),
      log_index: Count,
    }),
  ),
  event(
    'leaderboard_update',
    'leaderboard',
    Type.Object({
      leaderboard_root: Sha256Hex,
      /** The active policy. */
      best: Type.Union([
        Type.Object({ pack_hash: Sha256Hex, contributor_id: ContributorId, score: Type.Number(), log_index: Count }),
        Type.Null(),
      ]),
    }),
  ),
  event(
    'peer_connected',
    'peers',
    Type.Object({
      provider_id: ProviderId,
      /** Multiaddr. */
      address: Type.String(),
      direction: Type.Union([Type.Literal('inbound'), Type.Literal('outbound')]),
    }),
  ),
  event('peer_disconnected', 'peers', Type.Object({ provider_id: ProviderId })),
  event(
    'sync_progress',
    'sync',
    Type.Object({
      /** The peer that was reconciled with. */
      provider_id: ProviderId,
      set: Type.String(),
      /** Whether nothing was left to be fetched or offered. */
      complete: Type.Boolean(),
      rounds: Count,
      /** Records that the peer had and this node did not; those of them that were taken or not; and those that the peer took. */
      lacking: Count,
      accepted: Count,
      ignored: Count,
      given: Count,
    }),
  ),
  event(
    'tau_commit',
    'tau',
    Type.Object({
      log_size: Count,
      root: Sha256Hex,
      /** The anchor that it was written to. */
      anchor: Type.String(),
    }),
  ),
  event(
    'traffic_sample',
    'traffic',
    Type.Object({
      /** Since the sample before. */
      seconds: Type.Number({ exclusiveMinimum: 0 }),
      /** HTTP requests that were answered meanwhile, and those of them that were answered with a 5xx. */
      requests: Count,
      failures: Count,
      /** Milliseconds of an answer; null where nothing was answered. */
      average_ms: Type.Union([Type.Number(), Type.Null()]),
      slowest_ms: Type.Union([Type.Number(), Type.Null()]),
    }),
  ),
])
export type NodeEvent = Static<typeof NodeEvent>

/** Given by the client, repeated in the answer. */
const MessageId = Type.Optional(Type.String({ maxLength: EVENT_LIMITS.messageId }))
const Channels = Type.Array(EventChannel, { minItems: 1, maxItems: 6, uniqueItems: true })
/** Only events of that goal; without it, of every goal and of none. */
const OfGoal = Type.Optional(GoalId)

/** What a client says. */
export const EventCommand = {
  subscribe: Type.Object({
    type: Type.Literal('subscribe'),
    id: MessageId,
    channels: Channels,
    goal_id: OfGoal,
    /** First what happened after that, as far as the node still knows it. */
    since: Type.Optional(EventCursor),
  }),
  unsubscribe: Type.Object({
    type: Type.Literal('unsubscribe'),
    id: MessageId,
    channels: Channels,
    goal_id: OfGoal,
  }),
  /** With one of the two. */
  authenticate: Type.Object({
    type: Type.Literal('authenticate'),
    id: MessageId,
    api_key: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
    /** Of `GET` and the path of the connection, over the body `{type: "authenticate", challenge}`. */
    quantum_signature: Type.Optional(Type.String({ maxLength: ACCESS_LIMITS.quantumSignature })),
  }),
  ping: Type.Object({ type: Type.Literal('ping'), id: MessageId }),
} as const
export type EventCommand = { [Kind in keyof typeof EventCommand]: Static<(typeof EventCommand)[Kind]> }

/** The first message of the node. */
export const EventWelcome = Type.Object({
  type: Type.Literal('welcome'),
  provider_id: ProviderId,
  /** To be signed by who proves a key. */
  challenge: Type.String(),
  /** The newest event. */
  cursor: EventCursor,
  /** What the client may listen to now. */
  channels: Type.Array(EventChannel),
  heartbeat_seconds: Type.Number(),
})

/** Some events after `since` are lost, or nobody knows: what follows begins after `cursor`. Whoever needs the state reads it anew. */
export const EventGap = Type.Object({
  type: Type.Literal('gap'),
  id: MessageId,
  since: EventCursor,
  cursor: EventCursor,
  reason: Type.Union([Type.Literal('too_old'), Type.Literal('other_run')]),
})
export type EventGap = Static<typeof EventGap>

const subscription = <T extends string>(type: T) =>
  Type.Object({
    type: Type.Literal(type),
    id: MessageId,
    channels: Type.Array(EventChannel),
    goal_id: OfGoal,
    /** Of the newest event, as the answer was written. */
    cursor: EventCursor,
  })

/** What the node says, beside events. */
export const EventAnswer = Type.Union([
  EventWelcome,
  EventGap,
  subscription('subscribed'),
  subscription('unsubscribed'),
  Type.Object({
    type: Type.Literal('authenticated'),
    id: MessageId,
    role: AccessRole,
    channels: Type.Array(EventChannel),
  }),
  Type.Object({ type: Type.Literal('pong'), id: MessageId }),
  Type.Object({
    type: Type.Literal('error'),
    id: MessageId,
    error: Type.Object({ code: Type.String(), message: Type.String() }),
  }),
])
export type EventAnswer = Static<typeof EventAnswer>
