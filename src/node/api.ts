import type {
  AccessRole,
  ApiKeyCreated,
  ApiKeyCreation,
  ApiKeyInfo,
  ApiKeyList,
  ApiKeyListQuery,
} from '../../protocol/access.ts'
import type {
  AnalyticsIssue,
  AnalyticsIssueList,
  AnalyticsIssueQuery,
  AnalyticsOverview,
  AnalyticsQuery,
  ErrorReportAnswer,
  UsageReportAnswer,
} from '../../protocol/analytics.ts'
import type { ValidationResults } from '../../protocol/annotations.ts'
import type { AuditList, AuditQuery } from '../../protocol/audit.ts'
import type { RegistrationProof } from '../../protocol/cells.ts'
import type {
  CapabilitySearch,
  CapabilitySearchResponse,
  ProviderHealth,
  ProviderInfo,
} from '../../protocol/discovery.ts'
import type { DoctorReport } from '../../protocol/doctor.ts'
import type {
  FederationStatus,
  ForwardRequest,
  InvitationCreated,
  InvitationTerms,
  JoinChallenge,
  JoinRequest,
  JoinWelcome,
  Partner,
  PartnerAdded,
  PartnerAddition,
  PartnerChange,
} from '../../protocol/federation.ts'
import type { ConsistencyProof } from '../../protocol/log.ts'
import type { NodeInfo, NodeStatus } from '../../protocol/node-info.ts'
import type { PeerBan, PeerBanList, PeerBanOrder, PeerList, PeerUnbanned } from '../../protocol/peers.ts'
import type { ProviderPackage, RegisteredProvider } from '../../protocol/providers.ts'
import type { ProofKeyRotated, PublicKeys } from '../../protocol/public-keys.ts'
import type {
  CopyDropped,
  FollowPolicy,
  Pin,
  PolicyList,
  PolicyStatus,
  ReplicationStatus,
} from '../../protocol/replication.ts'
import type { CellChange, CellDetails, CellListQuery, CellListResponse } from '../../protocol/repository.ts'
import type { EpochList, EpochQuery, EvidenceList, EvidenceQuery, WitnessList } from '../../protocol/transparency.ts'
import type {
  Vulnerability,
  VulnerabilityBatchAnswer,
  VulnerabilityEntry,
  VulnerabilityList,
  VulnerabilityListQuery,
} from '../../protocol/vulnerabilities.ts'
import type { CellAnswerText } from '../domain/cells/answer.ts'
import type { CellQuery } from '../domain/cells/query.ts'
import type { Editor } from '../domain/cells/repository.ts'
import type { Events } from '../kernel/telemetry/events.ts'
import type { Assurance } from './assurance-api.ts'
import type {
  CellUpdate,
  CellYank,
  PackageSource,
  Registered,
  Registration,
  Requester,
  RequestOutcome,
  RequestRecord,
  StagedPackage,
  Yanked,
} from './cells-api.ts'
import type { ReadableLog } from './flows/log-reader.ts'
import type { Goals } from './goals-api.ts'
import type { Chat, Memory } from './memory-api.ts'
import type { Sources } from './sources-api.ts'
import type { Upkeep } from './upkeep-api.ts'
import type { NodeWebhooks } from './webhooks.ts'

export type * from './cells-api.ts'
export type { CellAnswerText, CellQuery, Editor, ReadableLog }

export interface Health {
  readonly ready: boolean
  readonly degraded: boolean
  /** Why not ready or degraded; empty when all is well. */
  readonly reasons: readonly string[]
}

/** The request that brings a report, as its signature sees it. */
export interface ReportTarget {
  readonly method: string
  readonly path: string
}

/** What the doors (HTTP, later others) may ask of a node. */
export interface ProviderNode {
  readonly providerId: string
  /** `hex(SHA-256(public key))[0:40]`. */
  readonly nodeId: string
  /** Ed25519 public key, base64. */
  readonly publicKey: string
  /** This node as a publisher: the publisher of what it signs for others. */
  readonly publisher: string

  /**
   * Verifies a quantum signature and uses up its nonce; resolves with the pseudonym of the key that made the request. Throws `PROV_004`, and
   * `PROV_013` when no further nonce can be remembered.
   */
  verifyRequest(
    token: string,
    target: { readonly method: string; readonly path: string; readonly body?: Readonly<Record<string, unknown>> },
  ): Promise<string>

  /** Answers from the own store at once, without waiting; undefined when it holds nothing that fits. */
  answerLocally(query: CellQuery): CellAnswerText | undefined
  /** Answers for the federation. After `waitMs` the outcome is `pending`, and the search goes on for the next who asks. */
  requestCell(query: CellQuery, waitMs: number): Promise<RequestOutcome>

  /** Requests that were made, by their owners. */
  readonly requests: {
    /** The same request, asked before. Throws `PROV_007` when the id was used for another one. */
    same(requester: Requester, requestId: string, body: object): RequestRecord | undefined
    /** Remembers an answer for a while; returns the token of a request that nobody owns. */
    answered(requester: Requester, requestId: string, body: object, outcome: RequestOutcome): string | undefined
    /** Goes on with a request. Durable when it resolves, where somebody owns it. Throws `PROV_013`. */
    pending(requester: Requester, requestId: string, body: object, query: CellQuery): Promise<string | undefined>
    /** Throws `PROV_006` when its time was over. */
    read(requester: Requester, requestId: string): RequestRecord | undefined
    cancel(requester: Requester, requestId: string): Promise<'cancelled' | 'already_delivered' | 'not_found'>
  }

  /** Receives a package, hashing while it is written. Throws `ProviderError` 413 past the limit. Nothing is left behind when it fails. */
  stagePackage(bytes: AsyncIterable<Uint8Array>): Promise<StagedPackage>
  /** Validates and registers. Durable when it resolves. Throws `ProviderError` (`PROV_005` carries `details.validation_results`). */
  registerCell(registration: Registration): Promise<Registered>
  /** Everything that registering would find wrong. Stores nothing. Throws `PROV_001` for what cannot be read. */
  validateCell(registration: Registration): Promise<ValidationResults>
  /** Registers a new version of a cell that is here, durably. Throws as registering does, and `PROV_002` when there is none. */
  updateCell(update: CellUpdate): Promise<Registered>
  /**
   * Changes what is said of a version outside its signature. Durable when it resolves. Throws `PROV_002`, and `PROV_015` where `by`, the
   * operator unless given, may not.
   */
  annotateCell(cellType: string, version: string, change: CellChange, by?: Editor): Promise<CellDetails>
  listCells(query: CellListQuery): Promise<CellListResponse>
  /** The version asked for, else the highest. Throws `PROV_002`. */
  cellDetails(cellType: string, version?: string): CellDetails
  /** Durable when it resolves. Throws `PROV_002`, and `PROV_015` as annotating does, and while an active cell depends on it. */
  deleteCell(cellType: string, version: string, by?: Editor): Promise<void>
  /**
   * Yanks a version, or undoes that. Durable when it resolves. Throws `PROV_002`, `PROV_015` for who may not, `PROV_005` for a token that does
   * not hold, and `PROV_001`, with status 409 where what was said before forbids it.
   */
  yankCell(order: CellYank): Promise<Yanked>
  /** What happens in this node, as it happens. */
  readonly events: Pick<Events, 'on'>
  /** Throws `PROV_002` when neither this node nor a peer that it knows holds the package. */
  openPackage(digest: string, signal?: AbortSignal): Promise<PackageSource>

  /** Goals, and what this node does with them. */
  readonly goals: Goals
  /** Where events are sent. */
  readonly webhooks: Pick<NodeWebhooks, 'create' | 'list' | 'get' | 'remove' | 'test' | 'deadLetters' | 'replay'>

  /** Sessions and conversations that remember. */
  readonly memory: Memory
  /** Chat completions, with and without a session. */
  readonly chat: Chat

  /** Operators, their signed questions, and answers that carry their proof. */
  readonly assurance: Assurance

  /** Vulnerabilities of cells, here and elsewhere. Changes are logged; `by` is who makes them. */
  readonly vulnerabilities: {
    /** All or none, durable when it resolves. Throws `PROV_001`, and `PROV_014` where there is no room. */
    record(entries: readonly VulnerabilityEntry[], by: string): Promise<VulnerabilityBatchAnswer>
    get(cellType: string, id: string): Vulnerability | undefined
    list(query: VulnerabilityListQuery): VulnerabilityList
    /** Throws `PROV_001` with status 404 for one that is not there. */
    remove(cellType: string, id: string, by: string): Promise<Vulnerability>
  }
  /** The provider registry, and what this node uses of it. */
  readonly providers: {
    packages(): ProviderPackage[]
    /** Throws `PROV_001` with status 404, as `info` does. */
    package(name: string): ProviderPackage
    info(packageName: string, providerName: string): RegisteredProvider
  }
  /**
   * How cells are used, as anonymous reports tell. Reports are checked here: `PROV_012` and `PROV_013`, and `PROV_004` for a signature that does
   * not hold.
   */
  readonly analytics: {
    reportUsage(body: unknown, target: ReportTarget): Promise<UsageReportAnswer>
    reportError(body: unknown, target: ReportTarget): Promise<ErrorReportAnswer>
    overview(query: AnalyticsQuery): Promise<AnalyticsOverview>
    issues(query: AnalyticsIssueQuery): Promise<AnalyticsIssueList>
    /** Undefined when there is no such issue. */
    setResolution(issueId: string, url: string | null): Promise<AnalyticsIssue | undefined>
    /** Counts a request that this node answered. */
    recordRequest(request: { readonly durationMs: number; readonly ok: boolean }): void
  }
  /** Keys that the administrator gave out. */
  readonly keys: {
    /** Whose key this is; undefined for what is none. Constant in time. */
    identify(
      presented: string,
    ): { readonly keyId: string; readonly role: AccessRole } | 'expired' | 'revoked' | undefined
    /** Durable and logged when it resolves; `by` is who does it. */
    create(creation: ApiKeyCreation, by: string): Promise<ApiKeyCreated>
    list(query: ApiKeyListQuery): ApiKeyList
    /** Throws `PROV_001` with status 404 for one that is not there. */
    revoke(keyId: string, by: string): Promise<ApiKeyInfo>
  }
  /** The keys that sign proofs of answers. */
  readonly proofKeys: {
    list(): PublicKeys
    /** Replaces the one that signs. Durable and logged when it resolves; `by` is who does it. */
    rotate(by: string): Promise<ProofKeyRotated>
  }
  /** Provider API, "Provider Federation API". All but the status is `PROV_009` where federation is off. */
  readonly federation: {
    /** Names, URLs and terms of partners are for the administrator. */
    status(isAdmin: boolean): FederationStatus
    /** Durable and logged when it resolves, as the next three; `by` is who does it. */
    invite(terms: InvitationTerms, by: string): Promise<InvitationCreated>
    add(addition: PartnerAddition, by: string): Promise<PartnerAdded>
    change(id: string, change: PartnerChange, by: string): Promise<Partner>
    /** At once. Throws `PROV_010`. */
    remove(id: string, by: string): Promise<void>
    /** Answers a node that holds an invitation. Throws `PROV_011`. */
    welcome(message: JoinRequest): Promise<JoinChallenge | JoinWelcome>
    /** Forwards a client's request. Its record is `requestId`; `token` is that of a client that nobody knows. */
    forward(
      requester: Requester,
      request: ForwardRequest,
    ): Promise<{ readonly requestId: string; readonly token: string | undefined }>
    /** Takes a partner's request, and resolves with the id of its record. Throws `PROV_016`, `PROV_004` and `PROV_011`. */
    accept(request: ForwardRequest, target: { readonly method: string; readonly path: string }): Promise<string>
    /** Who calls with a federation token; `proof` is the quantum signature of the call. Throws `PROV_016` and `PROV_004`. */
    identify(
      token: string,
      proof: string | undefined,
      target: { readonly method: string; readonly path: string },
    ): Promise<{ readonly requester: Requester; readonly mayReadAnalytics: boolean }>
  }
  /** Copies that are kept of what is followed and pinned. Changes are durable and logged when they resolve; `by` is who makes them. */
  readonly replication: {
    status(): Promise<ReplicationStatus>
    policies(): PolicyList
    /** Throws `PROV_001` (409 where the same is followed already), `PROV_010` and `PROV_014`. */
    follow(policy: FollowPolicy, by: string): Promise<PolicyStatus>
    /** Throws `PROV_001`, with status 404, and 409 for a policy of the configuration. */
    unfollow(id: string, by: string): Promise<PolicyStatus>
    /** Throws `PROV_014` where there are too many. */
    pin(digest: string, by: string): Promise<Pin>
    /** Throws `PROV_001` with status 404. */
    unpin(digest: string, by: string): Promise<Pin>
    /** Throws `PROV_001`, with status 404, and 409 while a policy or a pin keeps it. */
    dropCopy(digest: string, by: string): Promise<CopyDropped>
  }
  /** Whose documents questions are answered from, and what constraints they may name. */
  readonly sources: Sources
  /** Backups, checks, bundles. */
  readonly upkeep: Upkeep
  /** What administrators did, newest first. */
  audit(query: AuditQuery): Promise<AuditList>
  /** The node's transparency log. What it does not have is `PROV_001` with status 404. */
  readonly log: Omit<ReadableLog, 'proofFile'> & {
    /** Who cosigned the checkpoints, and as whom this node does for others. */
    witnesses(): WitnessList
    /** Whose logs are not to be relied on. */
    evidence(query: EvidenceQuery): Promise<EvidenceList>
    /** Of this node, unless another is named. */
    epochs(query: EpochQuery): EpochList
    /** That a cell is registered here, or by another node, which is asked; verified then. */
    registration(cellId: string, provider?: string): Promise<RegistrationProof>
    /** Of another node's log, which is asked. Nothing is verified. */
    consistencyOf(provider: string, from: number, to: number, epoch?: number): Promise<ConsistencyProof>
  }
  /** This node's log of a goal. Throws `PROV_001` with status 404 for a goal that is not known here. */
  goalLog(goalId: string): ReadableLog
  /** Names and URLs of partners are for the administrator. */
  info(isAdmin?: boolean): Promise<ProviderInfo>
  /** What is known of a capability, without asking anybody. Throws `PROV_001` for a range that is none. */
  searchCapabilities(search: CapabilitySearch): CapabilitySearchResponse
  peers(): PeerList
  /** Peers that this node has nothing to do with. */
  readonly bans: {
    list(): PeerBanList
    /** Durable and logged when it resolves, as lifting it; `by` is who does it. Throws `PROV_001` for what is the id of no other node. */
    ban(providerId: string, order: PeerBanOrder, by: string): Promise<PeerBan>
    /** Throws `PROV_001` with status 404 for a peer that is not banned. */
    unban(providerId: string, by: string): Promise<PeerUnbanned>
  }
  /** Looks at this node from inside, and through the eyes of its peers. Takes seconds. */
  doctor(): Promise<DoctorReport>
  health(): Health
  /** Who this node is in the agent network, and how it stands to its federation. */
  nodeInfo(): NodeInfo
  nodeStatus(): Promise<NodeStatus>
  /** Each component as it was found at most a few seconds ago. What only a door can measure is left to it. */
  componentHealth(): Promise<Omit<ProviderHealth, 'metrics'>>
}
