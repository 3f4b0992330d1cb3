import { type Static, Type } from 'typebox'
import { Milliseconds, ProviderId, Sha256Hex } from './fields.ts'

const Count = Type.Integer({ minimum: 0 })
const NullableText = Type.Union([Type.String(), Type.Null()])

/** Agent network: what a node can do, as it says itself. */
export const NodeCapabilities = Type.Object({
  accepts_contributions: Type.Boolean(),
  serves_leaderboard: Type.Boolean(),
  serves_log_proofs: Type.Boolean(),
  goal_ids: Type.Array(Type.String()),
  protocol_version: Type.String(),
  software_version: Type.String(),
})
export type NodeCapabilities = Static<typeof NodeCapabilities>

/**
 * How a node stands to what its federation shares. `ISOLATED`: it has seeds and no peer. `SYNCING`: it has peers, and has not yet reconciled with
 * one. `DIVERGED`: the roots of permanent sets still differ from those of most peers after two rounds. Else `ACTIVE`.
 */
export const ConsensusState = Type.Union([
  Type.Literal('ISOLATED'),
  Type.Literal('SYNCING'),
  Type.Literal('DIVERGED'),
  Type.Literal('ACTIVE'),
])
export type ConsensusState = Static<typeof ConsensusState>

/** Agent network, "GET /info". `provider_id`, `multiaddrs` and `network` are added. */
export const NodeInfo = Type.Object(
  {
    node_id: Type.String(),
    provider_id: ProviderId,
    /** Ed25519, base64. */
    public_key: Type.String(),
    /** `tcp://host:port` */
    addresses: Type.Array(Type.String()),
    multiaddrs: Type.Array(Type.String()),
    capabilities: NodeCapabilities,
    timestamp: Milliseconds,
    consensus_state: ConsensusState,
    /** Signatures count in one network only: its name is in what is signed. */
    network: Type.String(),
    running: Type.Boolean(),
    /** The only goal's; null where there is none, or several. */
    goal_id: NullableText,
  },
  { title: 'NodeInfo' },
)
export type NodeInfo = Static<typeof NodeInfo>

const Check = Type.Object({
  status: Type.Union([Type.Literal('healthy'), Type.Literal('degraded'), Type.Literal('unhealthy')]),
  message: Type.String(),
})

/** Agent network, "GET /status". `sets` is added. */
export const NodeStatus = Type.Object(
  {
    uptime_seconds: Count,
    metrics: Type.Object({
      counters: Type.Object({ contributions_received_total: Count, contributions_processed_total: Count }),
      gauges: Type.Object({
        log_size: Count,
        peer_count: Count,
        /** The most records that a connected peer has and this node lacks. */
        sync_lag: Count,
      }),
    }),
    checks: Type.Object({ sync: Check, peers: Check, consensus: Check }),
    /** Sets of signed records that peers share; permanent ones have the same root on all nodes that hold the same. */
    sets: Type.Array(Type.Object({ name: Type.String(), count: Count, root: Type.Optional(Sha256Hex) })),
  },
  { title: 'NodeStatus' },
)
export type NodeStatus = Static<typeof NodeStatus>
