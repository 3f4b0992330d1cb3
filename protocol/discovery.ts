import { type Static, Type } from 'typebox'
import { Name, ProviderId, SemVer } from './fields.ts'
import { RoleCertificate } from './rpc.ts'

const NullableText = Type.Union([Type.String(), Type.Null()])
const NullableNumber = Type.Union([Type.Number(), Type.Null()])

/** Provider API, "Get Provider Information". `node_id`, `public_key`, `multiaddrs` and `software_version` are added. */
export const ProviderInfo = Type.Object(
  {
    provider_id: ProviderId,
    name: Type.String(),
    description: Type.String(),
    api_version: Type.String(),
    /** At most 500 names; `capability_count` is the whole number. */
    capabilities: Type.Array(Type.Object({ name: Name, versions: Type.Array(SemVer) })),
    capability_count: Type.Integer(),
    cell_count: Type.Integer(),
    status: Type.Union([Type.Literal('active'), Type.Literal('maintenance'), Type.Literal('limited')]),
    documentation_url: NullableText,
    contact_info: Type.Object({ website: NullableText, email: NullableText, support_url: NullableText }),
    federation_status: Type.Object({
      federated: Type.Boolean(),
      federation_partners: Type.Array(
        Type.Object({ provider_id: ProviderId, name: Type.String(), url: Type.String() }),
      ),
    }),
    service_level: Type.Object({ uptime_target_percent: NullableNumber, response_time_sla_ms: NullableNumber }),
    node_id: Type.String(),
    public_key: Type.String(),
    publisher: Type.String(),
    multiaddrs: Type.Array(Type.String()),
    software_version: Type.String(),
    /** The node's transparency log: its origin, and the key of its checkpoints as C2SP `signed-note` writes it, certified by the node's identity. */
    log: Type.Object({ origin: Type.String(), key: Type.String(), certificate: RoleCertificate }),
  },
  { title: 'ProviderInfo' },
)
export type ProviderInfo = Static<typeof ProviderInfo>

/** `GET /api/v1/peers`: who is connected now. For the administrator, because it shows addresses. */
export const PeerList = Type.Object(
  {
    total: Type.Integer(),
    peers: Type.Array(
      Type.Object({
        provider_id: ProviderId,
        addresses: Type.Array(Type.String()),
        direction: Type.Union([Type.Literal('inbound'), Type.Literal('outbound')]),
        connected_ms: Type.Number(),
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
  },
  { title: 'PeerList' },
)
export type PeerList = Static<typeof PeerList>
