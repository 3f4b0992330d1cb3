import { type Static, Type } from 'typebox'
import { Reachability } from './discovery.ts'
import { Milliseconds, ProviderId, Timestamp } from './fields.ts'

const NullableText = Type.Union([Type.String(), Type.Null()])
const NullableBoolean = Type.Union([Type.Boolean(), Type.Null()])

/** How a peer stands with this node: 0 to 200, at the start 100. */
export const PeerScore = Type.Object({ score: Type.Number(), banned: Type.Boolean(), trusted: Type.Boolean() })

/**
 * Agent network, "GET /peers": who is connected now. For the administrator, because it shows addresses. What is not known of a peer is null. From
 * `provider_id` on, the members of a peer are added, and so are `seeds` and `known_providers`.
 */
export const PeerList = Type.Object(
  {
    /** Of the only goal; null. */
    goal_id: NullableText,
    total: Type.Integer(),
    /** Of the connected peers; `banned`: peers that are banned now. */
    stats: Type.Object({
      total: Type.Integer(),
      banned: Type.Integer(),
      trusted: Type.Integer(),
      /** Below the start. */
      low_score: Type.Integer(),
      /** Null when nobody is connected. */
      avg_score: Type.Union([Type.Number(), Type.Null()]),
    }),
    peers: Type.Array(
      Type.Object({
        node_id: Type.String(),
        /** Ed25519, base64. */
        public_key: Type.String(),
        /** `tcp://host:port`, one per connection. */
        addresses: Type.Array(Type.String()),
        capabilities: Type.Object({
          accepts_contributions: NullableBoolean,
          serves_leaderboard: NullableBoolean,
          serves_log_proofs: NullableBoolean,
          goal_ids: Type.Array(Type.String()),
          protocol_version: NullableText,
          /** As the peer says. */
          software_version: NullableText,
        }),
        /** When it was connected. */
        timestamp: Milliseconds,
        peer_score: PeerScore,
        provider_id: ProviderId,
        multiaddrs: Type.Array(Type.String()),
        direction: Type.Union([Type.Literal('inbound'), Type.Literal('outbound')]),
        connected_ms: Type.Number(),
        /** Milliseconds of a round trip, smoothed; null until one was measured. */
        round_trip_ms: Type.Union([Type.Number(), Type.Null()]),
        /** Bytes on the wire since it was connected: messages, packages, gossip, DHT and what encryption adds. */
        traffic_bytes: Type.Object({ sent: Type.Integer(), received: Type.Integer() }),
        /** Cells that the peer announces. */
        cells: Type.Integer(),
        seed: Type.Boolean(),
      }),
    ),
    seeds: Type.Array(
      Type.Object({
        address: Type.String(),
        connected: Type.Boolean(),
        attempts: Type.Integer(),
        last_error: NullableText,
      }),
    ),
    /** Providers in the directory, connected or not. */
    known_providers: Type.Integer(),
    /** At most 500 of them, those that can be reached first; `known_providers` is the whole number. */
    providers: Type.Array(
      Type.Object({
        provider_id: ProviderId,
        /** Cells that it announces. */
        cells: Type.Integer(),
        connected: Type.Boolean(),
        ...Reachability.properties,
      }),
    ),
  },
  { title: 'PeerList' },
)
export type PeerList = Static<typeof PeerList>

/** Body of `POST /api/v1/peers/{provider_id}/ban`. */
export const PeerBanOrder = Type.Object(
  {
    /** For the operator's own record. */
    reason: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    /** Absent: until it is lifted. */
    duration_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 * 366 * 24 * 3600 })),
  },
  { title: 'PeerBanOrder' },
)
export type PeerBanOrder = Static<typeof PeerBanOrder>

/** A peer that this node has nothing to do with. */
export const PeerBan = Type.Object(
  {
    provider_id: ProviderId,
    reason: Type.String(),
    since: Timestamp,
    /** Null: until it is lifted. */
    until: Type.Union([Timestamp, Type.Null()]),
  },
  { title: 'PeerBan' },
)
export type PeerBan = Static<typeof PeerBan>

/** Answer to `GET /api/v1/peers/banned`: the newest first. */
export const PeerBanList = Type.Object({ total: Type.Integer(), bans: Type.Array(PeerBan) }, { title: 'PeerBanList' })
export type PeerBanList = Static<typeof PeerBanList>

/** Answer to `DELETE /api/v1/peers/{provider_id}/ban`. */
export const PeerUnbanned = Type.Object({ provider_id: ProviderId, peer_score: PeerScore }, { title: 'PeerUnbanned' })
export type PeerUnbanned = Static<typeof PeerUnbanned>
