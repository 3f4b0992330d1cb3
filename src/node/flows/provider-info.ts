import type { PeerList, ProviderInfo, Reachability } from '../../../protocol/discovery.ts'
import { softwareVersion } from '../../kernel/config/package-files.ts'
import type { Health } from '../api.ts'
import type { Maintenance } from '../maintenance.ts'
import type { NodeParts } from '../parts.ts'
import type { ComponentHealth } from './component-health.ts'
import type { LogProofs } from './log-proofs.ts'

/** Capabilities that the information names; `capability_count` is the whole number. */
const MAX_CAPABILITIES = 500
/** Providers that the list of peers names; `known_providers` is the whole number. */
const MAX_PROVIDERS = 500
/** Peers from which on a node with three or more seeds counts as ready. */
const MIN_PEERS_FOR_READY = 3

/** Provider API, "Get Provider Information". What nothing measures or promises is null. */
export async function providerInfo(
  parts: Pick<NodeParts, 'clock' | 'config' | 'keys' | 'index' | 'network' | 'partners'>,
  log: Pick<LogProofs, 'origin' | 'vkey'>,
  maintenance: Pick<Maintenance, 'current'>,
  isAdmin: boolean,
): Promise<ProviderInfo> {
  const { clock, config, keys, index, network } = parts
  const partners = parts.partners
    .list()
    .map(({ provider_id, name, url }) => (isAdmin ? { provider_id, name, url } : { provider_id }))
  return {
    provider_id: keys.providerId,
    name: config.node.name,
    description: config.node.description,
    api_version: 'v1',
    capabilities: await index.capabilities(MAX_CAPABILITIES),
    capability_count: index.count('capabilities'),
    cell_count: index.count('cells'),
    status: maintenance.current(clock.now()) === undefined ? 'active' : 'maintenance',
    documentation_url: config.node.documentation_url,
    contact_info: {
      website: config.node.contact_website,
      email: config.node.contact_email,
      support_url: config.node.contact_support_url,
    },
    federation_status: {
      federated: partners.length > 0 || network.connectedPeers().length > 0,
      federation_partners: partners,
    },
    service_level: { uptime_target_percent: null, response_time_sla_ms: null },
    node_id: keys.nodeId,
    public_key: Buffer.from(keys.identity.publicKey).toString('base64'),
    publisher: keys.publisher.publisher,
    multiaddrs: [...network.addresses],
    software_version: softwareVersion(),
    log: { origin: log.origin, key: log.vkey, certificate: keys.log.certificate },
  }
}

/** Whether a provider can be reached, as answers say it. */
export function reachabilityOf(
  provider: string,
  receipts: Pick<NodeParts['receipts'], 'reachable' | 'lastSeen'>,
): Reachability {
  const seen = receipts.lastSeen(provider)
  return {
    reachable: receipts.reachable(provider),
    last_seen: seen === undefined ? null : new Date(seen).toISOString(),
  }
}

/** Who is connected, how the seeds are doing, and which providers are known. */
export function peerList(parts: Pick<NodeParts, 'network' | 'directory' | 'receipts'>): PeerList {
  const { network, directory, receipts } = parts
  const peers = network.connectedPeers()
  const connected = new Set(peers.map(({ providerId }) => providerId))
  return {
    total: peers.length,
    peers: peers.map(({ providerId, addresses, direction, connectedMs, seed }) => ({
      provider_id: providerId,
      addresses: [...addresses],
      direction,
      connected_ms: connectedMs,
      cells: directory.cellsOf(providerId),
      seed,
    })),
    seeds: network.seeds().map(({ address, connected, attempts, lastError }) => ({
      address,
      connected,
      attempts,
      last_error: lastError ?? null,
    })),
    known_providers: directory.providerCount,
    providers: Array.from(directory.providers(), ([id, cells]) => ({ id, cells, place: receipts.place(id) }))
      .sort((a, b) => a.place - b.place || (a.id < b.id ? -1 : 1))
      .slice(0, MAX_PROVIDERS)
      .map(({ id, cells }) => ({
        provider_id: id,
        cells,
        connected: connected.has(id),
        ...reachabilityOf(id, receipts),
      })),
  }
}

/**
 * Agent network, "GET /ready": a node with seeds is ready when it is connected to as many peers, three at most; degraded while a
 * component is.
 */
export function nodeHealth(
  { network, config }: Pick<NodeParts, 'network' | 'config'>,
  components: Pick<ComponentHealth, 'problems'>,
): Health {
  const needed = Math.min(config.p2p.seeds.length, MIN_PEERS_FOR_READY)
  const peers = network.connectedPeers().length
  const problems = components.problems()
  const degraded = problems.length > 0
  if (peers >= needed) return { ready: true, degraded, reasons: problems }
  return { ready: false, degraded, reasons: [`Low peer count: ${peers}`, ...problems] }
}
