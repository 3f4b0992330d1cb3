import { type Static, Type } from 'typebox'
import { PerformanceCharacteristics } from './annotations.ts'
import { Digest, Name, ProviderId, SemVer, SemVerRange, Sha256Hex, Timestamp } from './fields.ts'
import { LogEvidence } from './log.ts'
import { Dependency, Manifest, SignatureToken } from './manifest.ts'
import { RoleCertificate } from './roles.ts'

const RequestId = Type.String({ minLength: 1, maxLength: 128, description: 'Unique request identifier, echoed.' })
const QuantumSignature = Type.String({ maxLength: 16384, description: 'Quantum signature over the request.' })

/** The device that will run the cell. Stays on this node: peers never learn it. */
export const DeviceInfo = Type.Object({
  platform: Type.Optional(Type.String({ maxLength: 64 })),
  memory_gb: Type.Optional(Type.Number({ minimum: 0 })),
  cpu_cores: Type.Optional(Type.Number({ minimum: 0 })),
  gpu_available: Type.Optional(Type.Boolean()),
})
export type DeviceInfo = Static<typeof DeviceInfo>

/** A device without fields that nobody knows: a request is remembered, and compared with others, by what counts. */
export function knownDevice(device: DeviceInfo): DeviceInfo {
  const { platform, memory_gb, cpu_cores, gpu_available } = device
  return {
    ...(platform !== undefined && { platform }),
    ...(memory_gb !== undefined && { memory_gb }),
    ...(cpu_cores !== undefined && { cpu_cores }),
    ...(gpu_available !== undefined && { gpu_available }),
  }
}

const RequestContext = Type.Object({
  device_info: Type.Optional(DeviceInfo),
  environment: Type.Optional(Type.Object({}, { additionalProperties: true })),
  intent_context: Type.Optional(Type.Object({}, { additionalProperties: true })),
})

export const OptimizationPriority = Type.Union([Type.Literal('memory'), Type.Literal('speed'), Type.Literal('battery')])
export type OptimizationPriority = Static<typeof OptimizationPriority>
export const SecurityLevel = Type.Union([Type.Literal('standard'), Type.Literal('high'), Type.Literal('maximum')])
export type SecurityLevel = Static<typeof SecurityLevel>

/** What the assembler prefers among cells that fit. */
export const Preferences = Type.Object({
  version_constraints: Type.Optional(SemVerRange),
  optimization_priority: Type.Optional(OptimizationPriority),
  security_level: Type.Optional(SecurityLevel),
  publishers: Type.Optional(
    Type.Array(Sha256Hex, {
      maxItems: 16,
      description: 'Publishers that this request pins; they are preferred to all others.',
    }),
  ),
  explain: Type.Optional(
    Type.Boolean({ description: 'Answer with every candidate that was considered, and where the node looked.' }),
  ),
  resolve_dependencies: Type.Optional(
    Type.Boolean({ description: 'Answer with a cell for everything that the cell depends on, directly or not.' }),
  ),
})
export type Preferences = Static<typeof Preferences>

/** Provider API, "Request Cell by Capability". */
export const CapabilityRequest = Type.Object(
  {
    request_id: RequestId,
    capability: Name,
    quantum_signature: Type.Optional(QuantumSignature),
    context: Type.Optional(RequestContext),
    preferences: Type.Optional(Preferences),
  },
  { title: 'CapabilityRequest' },
)
export type CapabilityRequest = Static<typeof CapabilityRequest>

/** Provider API, "Request Specific Cell Type". `version` is a version or a range over the cell's version. */
export const SpecificRequest = Type.Object(
  {
    request_id: RequestId,
    cell_type: Name,
    version: Type.Optional(SemVerRange),
    quantum_signature: Type.Optional(QuantumSignature),
    context: Type.Optional(RequestContext),
    preferences: Type.Optional(Preferences),
  },
  { title: 'SpecificRequest' },
)
export type SpecificRequest = Static<typeof SpecificRequest>

/** How far this node trusts a publisher, best first. */
export const PublisherTrust = Type.Union([
  Type.Literal('pinned_by_request'),
  Type.Literal('pinned_by_operator'),
  Type.Literal('known'),
  Type.Literal('unknown'),
])
export type PublisherTrust = Static<typeof PublisherTrust>

/** That a provider registered a cell, to be verified offline: its log's key, certified by its identity, and the leaf in its log. */
export const RegistrationProof = Type.Object(
  { provider_id: ProviderId, certificate: RoleCertificate, evidence: LogEvidence },
  { title: 'RegistrationProof' },
)
export type RegistrationProof = Static<typeof RegistrationProof>

/**
 * Provider API, `cell` of a successful answer; `digest`, `publisher`, `publisher_trust` and `manifest` are added, and `log` at security level
 * `maximum`.
 */
export const CellAnswer = Type.Object(
  {
    cell_id: Type.String({ description: 'SHA-256 of the manifest in canonical form.' }),
    cell_type: Name,
    capability: Name,
    version: SemVer,
    signature: SignatureToken,
    packaging_format: Name,
    size_bytes: Type.Integer(),
    download_url: Type.String(),
    digest: Digest,
    publisher: Sha256Hex,
    publisher_trust: PublisherTrust,
    stale: Type.Optional(
      Type.Literal(true, {
        description:
          'At security level `high` or above, of a cell that a peer offers: yanks were not reconciled within the hour.',
      }),
    ),
    metadata: Type.Object({
      provider: ProviderId,
      created_at: Timestamp,
      description: Type.String(),
      security_rating: Type.Union([Type.String(), Type.Null()]),
      performance_characteristics: PerformanceCharacteristics,
      capabilities: Type.Array(Type.Object({ name: Name, version: SemVer })),
      dependencies: Type.Array(Dependency),
    }),
    manifest: Manifest,
    log: Type.Optional(RegistrationProof),
  },
  { title: 'CellAnswer' },
)
export type CellAnswer = Static<typeof CellAnswer>

/** Where the node looked, and who answered, so that "not found" means something. */
export const Coverage = Type.Object({
  sources: Type.Array(
    Type.Object({
      source: Type.Union([
        Type.Literal('store'),
        Type.Literal('directory'),
        Type.Literal('peers'),
        Type.Literal('partners'),
        Type.Literal('dht'),
      ]),
      outcome: Type.Union([
        Type.Literal('answered'),
        Type.Literal('timed_out'),
        Type.Literal('failed'),
        Type.Literal('not_asked'),
      ]),
      candidates: Type.Integer({ minimum: 0 }),
    }),
  ),
  peers: Type.Array(
    Type.Object({
      provider_id: ProviderId,
      outcome: Type.Union([
        Type.Literal('answered'),
        Type.Literal('not_found'),
        Type.Literal('rejected'),
        Type.Literal('timed_out'),
        Type.Literal('unreachable'),
      ]),
    }),
  ),
  oldest_answer_ms: Type.Integer({
    minimum: 0,
    description:
      'Milliseconds since the oldest of the announcements that were looked at; 0 where everything was asked for now.',
  }),
})
export type Coverage = Static<typeof Coverage>

/** A cell that was considered for a request, and what became of it. */
export const Considered = Type.Object(
  {
    cell_id: Sha256Hex,
    cell_type: Name,
    version: SemVer,
    capability_version: Type.String({ description: 'Of what was asked for: by cell type, the version of the cell.' }),
    publisher: Sha256Hex,
    publisher_trust: PublisherTrust,
    source: Type.Union([Type.Literal('store'), Type.Literal('directory'), Type.Literal('peer')], {
      description: 'Held here, announced by a provider, or offered by a provider that was asked.',
    }),
    provider_id: ProviderId,
    outcome: Type.Union([Type.Literal('won'), Type.Literal('lost'), Type.Literal('rejected')], {
      description: 'A cell that is `lost` fits, and another one is better.',
    }),
    reason: Type.String(),
  },
  { title: 'Considered' },
)
export type Considered = Static<typeof Considered>

/** Who needs a capability in which version. */
const Requirer = Type.Object({ cell_type: Name, version: SemVer, version_constraint: SemVerRange })

/** A cell for something that the answer's cell depends on, directly or not. Name and publisher are pinned by its digests. */
export const LockEntry = Type.Object(
  {
    capability: Name,
    capability_version: SemVer,
    cell_id: Sha256Hex,
    cell_type: Name,
    version: SemVer,
    publisher: Sha256Hex,
    publisher_trust: PublisherTrust,
    packaging_format: Name,
    digest: Digest,
    size_bytes: Type.Integer(),
    required_by: Type.Array(Requirer),
    log: Type.Optional(RegistrationProof),
  },
  { title: 'LockEntry' },
)
export type LockEntry = Static<typeof LockEntry>

/** A capability that is needed in versions which no one cell offers. */
export const LockConflict = Type.Object(
  { capability: Name, required_by: Type.Array(Requirer), reason: Type.String() },
  { title: 'LockConflict' },
)
export type LockConflict = Static<typeof LockConflict>

export const ErrorBody = Type.Object({ code: Type.String(), message: Type.String() })

/** A cell that was not chosen, or has a name that is close to the one that was asked for, and why. `source` is added. */
export const Alternative = Type.Object({
  capability: Name,
  cell_type: Name,
  version: SemVer,
  compatibility_notes: Type.String(),
  source: Type.Optional(
    Type.Union([Type.Literal('local'), Type.Literal('federated')], {
      description: 'Whether this provider registered it, or has it from others.',
    }),
  ),
})
export type Alternative = Static<typeof Alternative>

/**
 * Provider API, the answer to both kinds of request. Added are `code`, `coverage` where nothing was found or the request says `explain`, which also
 * brings `explanation`; with `resolve_dependencies`, `lock`, or `conflicts` where there is none.
 */
export const CellResponse = Type.Object(
  {
    request_id: Type.String(),
    status: Type.Union([
      Type.Literal('success'),
      Type.Literal('pending'),
      Type.Literal('not_found'),
      Type.Literal('error'),
    ]),
    cell: Type.Optional(CellAnswer),
    estimated_wait_time_ms: Type.Optional(Type.Integer({ minimum: 0 })),
    alternatives: Type.Optional(Type.Array(Alternative)),
    coverage: Type.Optional(Coverage),
    explanation: Type.Optional(Type.Array(Considered)),
    lock: Type.Optional(Type.Array(LockEntry)),
    conflicts: Type.Optional(Type.Array(LockConflict)),
    code: Type.Optional(Type.String()),
    error: Type.Optional(ErrorBody),
  },
  { title: 'CellResponse' },
)
export type CellResponse = Static<typeof CellResponse>

/** Provider API, "Cancel Request". */
export const CancelResponse = Type.Object(
  {
    request_id: Type.String(),
    status: Type.Union([Type.Literal('cancelled'), Type.Literal('already_delivered'), Type.Literal('not_found')]),
    message: Type.String(),
  },
  { title: 'CancelResponse' },
)
export type CancelResponse = Static<typeof CancelResponse>
