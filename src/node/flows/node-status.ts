import type { NodeInfo, NodeStatus } from '../../../protocol/node-info.ts'
import { softwareVersion } from '../../kernel/config/package-files.ts'
import type { Metrics } from '../../kernel/telemetry/metrics.ts'
import type { Health } from '../api.ts'
import type { NodeGoals } from '../goals.ts'
import type { NodeParts } from '../parts.ts'
import type { ComponentHealth } from './component-health.ts'
import type { Reconciler } from './reconcile.ts'

type Parts = Pick<NodeParts, 'clock' | 'config' | 'keys' | 'network' | 'log'>

/** What is said of goals. */
interface GoalCounts extends Pick<NodeGoals, 'joinedIds' | 'counts'> {
  logs(): Iterable<{ readonly log: { readonly size: number } }>
}

/** Peers from which on a node with three or more seeds counts as ready, unless the operator says otherwise. */
const MIN_PEERS_FOR_READY = 3
/** Of the messages between nodes. */
const PROTOCOL_VERSION = '1.0'
/** Part of the sync lag that is allowed from which on a node counts as degraded. */
const DEGRADED_SHARE = 0.5

/** Agent network: what a node says about itself and its federation, at `/info`, `/status`, `/ready` and `/metrics`. */
export class NodeReport {
  readonly #parts: Parts
  readonly #reconciler: Pick<Reconciler, 'state' | 'sets'>
  readonly #components: Pick<ComponentHealth, 'problems'>
  readonly #goals: GoalCounts
  readonly #startedAt: number

  constructor(
    parts: Parts,
    reconciler: Pick<Reconciler, 'state' | 'sets'>,
    components: Pick<ComponentHealth, 'problems'>,
    goals: GoalCounts,
  ) {
    this.#parts = parts
    this.#reconciler = reconciler
    this.#components = components
    this.#goals = goals
    this.#startedAt = parts.clock.now()
  }

  info(): NodeInfo {
    const { clock, config, keys, network } = this.#parts
    const goals = this.#goals.joinedIds
    const multiaddrs = [...network.addresses]
    return {
      node_id: keys.nodeId,
      provider_id: keys.providerId,
      public_key: Buffer.from(keys.identity.publicKey).toString('base64'),
      addresses: [...new Set(multiaddrs.flatMap((address) => tcpAddress(address) ?? []))],
      multiaddrs,
      capabilities: {
        accepts_contributions: goals.length > 0 && config.goals.accept_contributions,
        serves_leaderboard: goals.length > 0,
        serves_log_proofs: true,
        goal_ids: goals,
        protocol_version: PROTOCOL_VERSION,
        software_version: softwareVersion(),
      },
      timestamp: clock.now(),
      consensus_state: this.#reconciler.state.consensus,
      network: this.#parts.config.network.name,
      running: true,
      goal_id: goals.length === 1 ? goals[0]! : null,
    }
  }

  async status(): Promise<NodeStatus> {
    const { received, processed } = this.#goals.counts
    const { lag, consensus } = this.#reconciler.state
    const { peers, needed } = this.#peers()
    return {
      uptime_seconds: this.#uptime(),
      metrics: {
        counters: { contributions_received_total: received, contributions_processed_total: processed },
        gauges: { log_size: this.#logSize(), peer_count: peers, sync_lag: lag },
      },
      checks: {
        sync: { status: this.#lagStatus(), message: lag === 0 ? 'Synced' : lagText(lag) },
        peers: {
          status: peers >= needed ? 'healthy' : 'unhealthy',
          message: `${peers} ${peers === 1 ? 'peer' : 'peers'} connected`,
        },
        consensus: {
          status: consensus === 'ACTIVE' ? 'healthy' : consensus === 'ISOLATED' ? 'unhealthy' : 'degraded',
          message: `Consensus: ${consensus}`,
        },
      },
      sets: await this.#reconciler.sets(),
    }
  }

  /** Not ready with too few peers or too far behind; degraded when somewhat behind, or while a component is. */
  health(): Health {
    const problems = this.#components.problems()
    const { peers, needed } = this.#peers()
    const lag = this.#lagStatus()
    const behind = lag === 'healthy' ? [] : [lagText(this.#reconciler.state.lag)]
    const lonely = peers >= needed ? [] : [`Low peer count: ${peers}`]
    return {
      ready: lag !== 'unhealthy' && lonely.length === 0,
      degraded: problems.length > 0 || behind.length > 0,
      reasons: [...behind, ...lonely, ...problems],
    }
  }

  /** Registers the metrics that the agent network names. Where the linter of the format objects to a name, it has no type. */
  register(metrics: Metrics): void {
    const { state } = this.#reconciler
    for (const what of ['received', 'processed'] as const) {
      metrics.counted({
        name: `ian_contributions_${what}_total`,
        help: `Contributions that were ${what}`,
        read: () => [[{}, this.#goals.counts[what]]],
      })
    }
    metrics.untyped({
      name: 'ian_log_size',
      help: "Leaves of the node's own log and those of its goals",
      read: () => this.#logSize(),
    })
    metrics.untyped({ name: 'ian_peer_count', help: 'Connected peers', read: () => this.#peers().peers })
    metrics.untyped({
      name: 'ian_sync_lag',
      help: 'Records that a peer has and this node lacks',
      read: () => state.lag,
    })
    metrics.untyped({ name: 'ian_uptime_seconds', help: 'Seconds since the node started', read: () => this.#uptime() })
    const consensus = metrics.gauge({
      name: 'cytoplex_sync_consensus_state',
      help: '1 for the state that the node is in',
      labels: ['state'],
      collect() {
        for (const one of CONSENSUS_STATES) consensus.set({ state: one }, state.consensus === one ? 1 : 0)
      },
    })
  }

  #logSize(): number {
    let size = this.#parts.log.size
    for (const { log } of this.#goals.logs()) size += log.size
    return size
  }

  #peers(): { readonly peers: number; readonly needed: number } {
    const { network, config } = this.#parts
    const needed = config.health.min_peers_for_ready ?? Math.min(config.p2p.seeds.length, MIN_PEERS_FOR_READY)
    return { peers: network.connectedPeers().length, needed }
  }

  #lagStatus(): 'healthy' | 'degraded' | 'unhealthy' {
    const most = this.#parts.config.health.max_sync_lag_for_ready
    const { lag } = this.#reconciler.state
    if (lag > most) return 'unhealthy'
    return lag > most * DEGRADED_SHARE ? 'degraded' : 'healthy'
  }

  #uptime(): number {
    return Math.max(0, Math.floor((this.#parts.clock.now() - this.#startedAt) / 1000))
  }
}

const CONSENSUS_STATES = ['ISOLATED', 'SYNCING', 'DIVERGED', 'ACTIVE'] as const

const lagText = (lag: number): string => `Sync lag: ${lag} blocks`

/** `tcp://host:port` of a multiaddr; undefined for one without. */
function tcpAddress(multiaddr: string): string | undefined {
  const [, kind, host, , port] = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/(tcp)\/(\d+)(?:\/|$)/.exec(multiaddr) ?? []
  if (host === undefined) return undefined
  return `tcp://${kind === 'ip6' ? `[${host}]` : host}:${port}`
}
