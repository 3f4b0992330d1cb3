import type { ProviderInfo, Reachability } from '../../../protocol/discovery.ts'
import { softwareVersion } from '../../kernel/config/package-files.ts'
import type { Maintenance } from '../maintenance.ts'
import type { NodeParts } from '../parts.ts'
import type { LogProofs } from './log-proofs.ts'

/** Capabilities that the information names; `capability_count` is the whole number. */
const MAX_CAPABILITIES = 500

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
