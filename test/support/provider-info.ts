import type { ProviderInfo } from '../../protocol/discovery.ts'

/** In the shape of a log's certificate; nobody signed it. */
export const LOG_CERTIFICATE = {
  provider_id: '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX',
  role: 'log',
  public_key: 'AA',
  serial: 1,
  not_before: 0,
  not_after: 1,
  signature: 'AA',
} as const

/** What a provider says of itself, with what a test cares about. */
export const providerInfo = (some: Pick<ProviderInfo, 'provider_id'> & Partial<ProviderInfo>): ProviderInfo => ({
  name: 'fake',
  description: '',
  api_version: 'v1',
  capabilities: [],
  capability_count: 0,
  cell_count: 0,
  status: 'active',
  documentation_url: null,
  contact_info: { website: null, email: null, support_url: null },
  federation_status: { federated: false, federation_partners: [] },
  service_level: { uptime_target_percent: null, response_time_sla_ms: null },
  node_id: 'c'.repeat(40),
  public_key: '',
  publisher: 'd'.repeat(64),
  multiaddrs: [],
  software_version: '0.1.0',
  log: { origin: 'x/log', key: 'x/log+00000000+AA==', certificate: LOG_CERTIFICATE },
  ...some,
})
