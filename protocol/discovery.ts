import { type Static, Type } from 'typebox'
import { PartnerId } from './federation.ts'
import { Digest, Name, ProviderId, SemVer, SemVerRange, Sha256Hex, Timestamp } from './fields.ts'
import { RoleCertificate } from './roles.ts'

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
        /** Names and URLs are for the administrator. */
        Type.Object({ provider_id: PartnerId, name: Type.Optional(Type.String()), url: Type.Optional(NullableText) }),
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

/** Whether a node can be reached, as far as is known: it stays listed where it cannot. */
export const Reachability = Type.Object({
  /** By this node, its partners and pinned witnesses in the last quarter of an hour; null where none of them has tried. */
  reachable: Type.Union([Type.Boolean(), Type.Null()]),
  /** When it was last reached or connected; null where that is not known. */
  last_seen: Type.Union([Timestamp, Type.Null()]),
})
export type Reachability = Static<typeof Reachability>

/** Provider API, "Search Capabilities". */
export const CapabilitySearch = Type.Object({
  capability: Name,
  /** Over the capability's version. */
  version: Type.Optional(SemVerRange),
  include_details: Type.Optional(Type.Boolean()),
})
export type CapabilitySearch = Static<typeof CapabilitySearch>

/**
 * Provider API, answer of "Search Capabilities": nothing, or the one capability that was searched for, its highest versions first. The
 * counts and all but `cell_type`, `version` and `description` of a cell are added.
 */
export const CapabilitySearchResponse = Type.Object(
  {
    capabilities: Type.Array(
      Type.Object({
        name: Name,
        /** At most 500; `version_count` is the whole number. */
        versions: Type.Array(SemVer),
        version_count: Type.Integer(),
        /** At most 100; `cell_type_count` is the whole number. */
        cell_types: Type.Array(
          Type.Object({
            cell_type: Name,
            version: SemVer,
            /** Version of the capability that this cell offers. */
            capability_version: SemVer,
            cell_id: Sha256Hex,
            /** Registered at this provider, or announced by another. */
            source: Type.Union([Type.Literal('local'), Type.Literal('federated')]),
            /** Who offers it; of several, one. */
            provider_id: ProviderId,
            /** Of the provider, where that is another node. */
            ...Type.Partial(Reachability).properties,
            /** With details, as are the following; null where only the announcement is known. */
            description: Type.Optional(NullableText),
            publisher: Type.Optional(Sha256Hex),
            digest: Type.Optional(Type.Union([Digest, Type.Null()])),
          }),
        ),
        cell_type_count: Type.Integer(),
        documentation_url: NullableText,
      }),
    ),
  },
  { title: 'CapabilitySearchResponse' },
)
export type CapabilitySearchResponse = Static<typeof CapabilitySearchResponse>

const ComponentStatus = Type.Union([Type.Literal('healthy'), Type.Literal('degraded'), Type.Literal('offline')])

/** A time in which the operator works on the node. */
const MaintenanceTime = Type.Object({ start_time: Timestamp, end_time: Timestamp, description: Type.String() })

/** Provider API, "Get Health Status". */
export const ProviderHealth = Type.Object(
  {
    status: Type.Union([ComponentStatus, Type.Literal('maintenance')]),
    message: Type.String(),
    components: Type.Array(Type.Object({ name: Type.String(), status: ComponentStatus, message: Type.String() })),
    /** Over the last five minutes; null where nothing was served. */
    metrics: Type.Object({
      /** Per second. */
      current_request_rate: Type.Number(),
      average_response_time_ms: NullableNumber,
      /** Of all answers, those that are no 5xx. */
      success_rate_percent: NullableNumber,
    }),
    /** What is not over yet. */
    scheduled_maintenance: Type.Array(MaintenanceTime),
    timestamp: Timestamp,
  },
  { title: 'ProviderHealth' },
)
export type ProviderHealth = Static<typeof ProviderHealth>
