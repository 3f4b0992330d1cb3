import { hash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { AccessRole, ApiKeyInfo } from '../../protocol/access.ts'
import type { ValidationResults } from '../../protocol/annotations.ts'
import type { Approval } from '../../protocol/approvals.ts'
import type { AuditQuery } from '../../protocol/audit.ts'
import type { RegisteredConstraint } from '../../protocol/constraints.ts'
import type { CapabilitySearch, CapabilitySearchResponse } from '../../protocol/discovery.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import type { PeerBanOrder } from '../../protocol/peers.ts'
import type { ProofFile } from '../../protocol/proof-file.ts'
import type { Pin, PolicyStatus } from '../../protocol/replication.ts'
import type { CellChange, CellDetails } from '../../protocol/repository.ts'
import type { Vulnerability } from '../../protocol/vulnerabilities.ts'
import type { Webhook } from '../../protocol/webhooks.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { proofJwk } from '../../src/kernel/identity/jwk.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import { createLogger } from '../../src/kernel/telemetry/logger.ts'
import type {
  CellAnswerText,
  CellQuery,
  CellUpdate,
  CellYank,
  Editor,
  Health,
  PackageSource,
  ProviderNode,
  ReadableLog,
  Registration,
  RequestOutcome,
  StagedPackage,
  Yanked,
} from '../../src/node/api.ts'
import { NodeChat } from '../../src/node/flows/chat.ts'
import { NO_ASSURANCE } from '../support/assurance.ts'
import { signedConstraint } from '../support/constraints.ts'
import { FakeGoals } from '../support/fake-goals.ts'
import { fakeLlm } from '../support/llms.ts'
import { LOG_CERTIFICATE, providerInfo } from '../support/provider-info.ts'
import { fakeMemory } from './fake-memory.ts'

/** The token that a partner presents. */
export const FEDERATION_TOKEN = 'eyJhbGciOiJFZERTQSJ9.e30.c2ln'
export const HEX = 'ab'.repeat(32)
export const CELL: CellAnswerText = { before: '{"cell_type":"adder","download_url":"', after: '/x"}' }
export const COVERAGE = {
  sources: [{ source: 'store', outcome: 'answered', candidates: 0 }],
  peers: [],
  oldest_answer_ms: 0,
} as const

const RECORDED = { recorded_at: '2026-01-01T00:00:00.000Z' }

const keyInfo = (role: AccessRole): ApiKeyInfo => ({
  key_id: '0'.repeat(16),
  name: 'a key',
  role,
  status: 'active',
  created_at: '2026-01-01T00:00:00.000Z',
  expires_at: null,
  revoked_at: null,
  last_used: null,
})

const POLICY: PolicyStatus = {
  id: '0123456789ab',
  publisher: HEX,
  max_bytes: 1,
  source: 'administrator',
  matches: 0,
  kept: 0,
  bytes: 0,
  waiting: 0,
  failed: 0,
  full: false,
  last_error: null,
}

const PIN: Omit<Pin, 'digest'> = {
  state: 'waiting',
  cell_type: null,
  version: null,
  bytes: 0,
  pinned_at: '2026-01-01T00:00:00.000Z',
  last_error: null,
}

const WEBHOOK: Webhook = {
  webhook_id: `wh_${'0'.repeat(24)}`,
  operator_id: null,
  url: 'https://hooks.example/',
  events: ['peer.banned'],
  status: 'active',
  created_at: '2026-01-01T00:00:00.000Z',
  queued: 0,
  dead_letters: 0,
  failures: 0,
  last_error: null,
  last_delivery_at: null,
}

const APPROVAL: Approval = {
  domain: 'legal',
  publisher: 'd'.repeat(64),
  jurisdictions: null,
  approved_at: '2026-01-01T00:00:00.000Z',
  approved_by: 'admin',
}

const REGISTERED_CONSTRAINT: RegisteredConstraint = {
  constraint: signedConstraint('short', { kind: 'maximum_length', parameters: { characters: 100 } }),
  operator_id: null,
  digest: 'a'.repeat(64),
  registered_at: '2026-01-01T00:00:00.000Z',
  registered_by: 'admin',
}

/** A node in memory. It records what it was asked, and shows what was staged and what was left behind. */
export class FakeNode implements ProviderNode {
  readonly providerId = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'
  readonly nodeId = 'c'.repeat(40)
  readonly publisher = 'd'.repeat(64)
  readonly publicKey = ''
  readonly events = new Events(createLogger({ level: 'silent' }))
  readonly queries: CellQuery[] = []
  readonly waits: number[] = []
  readonly searches: unknown[] = []
  readonly registrations: Registration[] = []
  readonly updates: CellUpdate[] = []
  readonly yanks: CellYank[] = []
  validation: ValidationResults = { issues: [], passed_checks: ['compiles'] }
  /** Packages that were neither discarded nor registered. */
  readonly staged = new Set<string>()
  /** Packages that can be downloaded. */
  readonly packages = new Map<string, Uint8Array>()
  local: CellAnswerText | undefined = CELL
  outcome: RequestOutcome | (() => Promise<RequestOutcome>) = {
    status: 'success',
    source: 'directory',
    cell: CELL,
  }
  state: Health = { ready: true, degraded: false, reasons: [] }
  /** Knows no session. */
  readonly memory = fakeMemory()
  /** Thrown by the next call that can fail. */
  failure: Error | undefined
  /** Bytes after which a download breaks. */
  breakAfter = Number.POSITIVE_INFINITY
  /** Signals of downloads. */
  readonly reads: (AbortSignal | undefined)[] = []
  sourcesOpen = 0

  readonly providers: ProviderNode['providers'] = {
    packages: () => [{ package: 'rankers', documentation: 'Order.', providers: ['memory'], in_use: ['memory'] }],
    package: (name) => {
      const found = this.providers.packages().find((one) => one.package === name)
      if (found === undefined) throw new ProviderError('PROV_001', `there is no package "${name}"`, { status: 404 })
      return found
    },
    info: (packageName, name) => ({
      package: this.providers.package(packageName).package,
      name,
      type: 'built_in',
      capabilities: ['memory'],
      config_schema: { type: 'object', properties: { api_key: { type: 'string' } } },
      supported_features: [],
      documentation: 'Less memory.',
    }),
  }

  readonly keys: ProviderNode['keys'] = {
    identify: (presented) => this.presented.get(presented),
    create: async (creation) => ({ ...keyInfo(creation.role), key: 'cpk_secret' }),
    list: () => ({ total: 1, limit: 50, offset: 0, keys: [keyInfo('reader')] }),
    revoke: async () => ({ ...keyInfo('reader'), status: 'revoked' }),
  }
  /** Keys that were given out. */
  readonly presented = new Map<string, ReturnType<ProviderNode['keys']['identify']>>()

  readonly federation: ProviderNode['federation'] = {
    status: (isAdmin) => ({
      federation_enabled: true,
      federation_id: 'main',
      federation_name: 'main',
      federation_partners: [
        {
          provider_id: 'partner',
          capabilities: [],
          cell_count: 0,
          status: 'active',
          ...(isAdmin ? { name: 'A' } : {}),
        },
      ],
      federation_policies: { auto_forward: false, capability_sharing: true, analytics_sharing: false },
    }),
    invite: async () => ({
      invitation: 'ci1.x.y',
      provider_id: this.providerId,
      url: null,
      expires_at: '2026-01-01T00:00:00.000Z',
    }),
    add: async ({ shared_secret, provider_id = 'partner' }) => {
      this.#maybeFail()
      const status = shared_secret === 'later' ? 'pending' : 'success'
      return { status, partner_id: provider_id, message: 'added' }
    },
    change: async (provider_id) => ({ provider_id, capabilities: [], cell_count: 0, status: 'active' }),
    remove: async (id) => {
      if (id !== 'partner') throw new ProviderError('PROV_010', `${id} is no partner`)
    },
    welcome: async () => {
      this.#maybeFail()
      return { type: 'join_challenge' } as Awaited<ReturnType<ProviderNode['federation']['welcome']>>
    },
    forward: async ({ owner }, request) => {
      this.#maybeFail()
      this.forwards.push(request)
      return { requestId: 'fwd-1', token: owner === undefined ? 'a-token' : undefined }
    },
    accept: async ({ federation_token }) => {
      if (federation_token !== FEDERATION_TOKEN) throw new ProviderError('PROV_016', 'the token is wrong')
      return 'fwd-2'
    },
    identify: async (token, proof, target) => {
      this.targets.push(target)
      if (token !== FEDERATION_TOKEN || proof !== 'proof') throw new ProviderError('PROV_016', 'the token is wrong')
      return {
        requester: { owner: 'partner:1', token: undefined, isAdmin: false },
        mayReadAnalytics: this.sharesAnalytics,
      }
    },
  }
  readonly forwards: unknown[] = []
  sharesAnalytics = false
  readonly vulnerabilities: ProviderNode['vulnerabilities'] = {
    record: async (entries, by) => {
      for (const entry of entries)
        this.vulnerable.set(entry.id, { mitigated: false, ...entry, ...RECORDED, recorded_by: by })
      return { recorded: entries.length, unchanged: 0 }
    },
    get: (_cellType, id) => this.vulnerable.get(id),
    list: ({ limit = 50, offset = 0 }) => {
      const vulnerabilities = [...this.vulnerable.values()].slice(offset, offset + limit)
      return { total: this.vulnerable.size, limit, offset, vulnerabilities }
    },
    remove: async (_cellType, id) => {
      const found = this.vulnerable.get(id)
      if (found === undefined) throw new ProviderError('PROV_001', `there is no ${id}`, { status: 404 })
      this.vulnerable.delete(id)
      return found
    },
  }
  readonly vulnerable = new Map<string, Vulnerability>()

  readonly replication: ProviderNode['replication'] = {
    status: async () => ({ policies: [], pins: [], fetching: 0 }),
    policies: () => ({ policies: [] }),
    follow: async (policy) => ({ ...POLICY, ...policy }),
    unfollow: async () => POLICY,
    pin: async (digest) => ({ ...PIN, digest }),
    unpin: async (digest) => ({ ...PIN, digest }),
    dropCopy: async (digest) => ({ digest, cells: 1, bytes: 1 }),
  }

  readonly webhooks: ProviderNode['webhooks'] = {
    create: async (creation, { owner, by }) => {
      this.#maybeFail()
      this.webhookOwners.push([owner, by])
      return { ...WEBHOOK, ...creation, operator_id: owner, secret: 'whsec_c2VjcmV0' }
    },
    list: () => ({ webhooks: [WEBHOOK] }),
    get: (_owner, webhook_id) => ({ ...WEBHOOK, webhook_id }),
    remove: async (_owner, webhook_id) => ({ ...WEBHOOK, webhook_id }),
    test: async (_owner, webhook_id) => ({
      webhook_id,
      event_type: 'webhook.test',
      delivered: true,
      status: 'active',
      error: null,
    }),
    deadLetters: () => ({ total: 0, dead_letters: [], next_after: null }),
    replay: async () => ({ replayed: 0 }),
  }
  /** Whose webhooks were made, and by whom. */
  readonly webhookOwners: [owner: string | null, by: string][] = []
  readonly sources: ProviderNode['sources'] = {
    approvals: () => ({ approvals: [APPROVAL] }),
    approve: async (order) => ({ ...APPROVAL, ...order, jurisdictions: order.jurisdictions ?? null }),
    disapprove: async () => APPROVAL,
    constraints: () => ({ constraints: [] }),
    addConstraint: async () => REGISTERED_CONSTRAINT,
    removeConstraint: async () => REGISTERED_CONSTRAINT,
  }

  readonly log: ProviderNode['log'] = {
    witnesses: () => ({
      self: { provider_id: this.providerId, name: 'n', vkey: 'k', certificate: LOG_CERTIFICATE },
      witnesses: [],
    }),
    evidence: async () => ({ equivocations: [], next: null, suspended: [] }),
    epochs: ({ provider_id = this.providerId }) => ({ provider_id, epoch: 1, epochs: [] }),
    consistencyOf: async (_provider, from, to) => ({ from, to, hashes: ['another'] }),
    registration: async (cellId) => {
      throw new ProviderError('PROV_001', `nobody proves ${cellId}`, { status: 404 })
    },
    checkpoint: () => 'origin\n1\nroot\n',
    inclusion: (index, size = 1) => ({ log_index: index, tree_size: size, leaf_hash: HEX, hashes: [] }),
    consistency: (from, to = 1) => ({ from, to, hashes: [] }),
    tile: (path) => {
      if (path !== 'tile/0/000.p/1') throw new ProviderError('PROV_001', `the log has no ${path}`, { status: 404 })
      return Buffer.alloc(32, 7)
    },
  }
  goalLog(goalId: string): ReadableLog {
    if (goalId !== 'goal') throw new ProviderError('PROV_001', `there is no goal ${goalId}`, { status: 404 })
    return { ...this.log, proofFile: (index, since) => ({ log_index: index, since }) as unknown as ProofFile }
  }

  readonly goals = new FakeGoals()
  readonly assurance = NO_ASSURANCE
  readonly chat = new NodeChat({
    llm: fakeLlm({}),
    memory: this.memory,
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    contextTokens: 4096,
    quotable: async () => [],
  })

  readonly requests: ProviderNode['requests'] = {
    same: () => undefined,
    answered: ({ owner }) => (owner === undefined ? 'a-token' : undefined),
    pending: async ({ owner }) => (owner === undefined ? 'a-token' : undefined),
    read: (requester, requestId) =>
      requester.owner === undefined && requester.token !== 'a-token'
        ? undefined
        : { requestId, token: requester.token, outcome: this.polled },
    cancel: async () => this.cancelled,
  }
  /** What a poll finds, and what cancelling says. */
  polled: RequestOutcome | undefined
  cancelled: 'cancelled' | 'already_delivered' | 'not_found' = 'cancelled'

  /** Who changed cells. */
  readonly editors: (Editor | undefined)[] = []

  readonly reports: unknown[] = []
  readonly analytics: ProviderNode['analytics'] = {
    reportUsage: async (body) => {
      this.#maybeFail()
      this.reports.push(body)
      return { status: 'success', report_id: 'r', message: 'counted' }
    },
    reportError: async (body) => {
      this.reports.push(body)
      return { status: 'success', report_id: 'r', message: 'counted', known_issue: false }
    },
    overview: async () => ({}) as Awaited<ReturnType<ProviderNode['analytics']['overview']>>,
    issues: async () => ({}) as Awaited<ReturnType<ProviderNode['analytics']['issues']>>,
    setResolution: async () => undefined,
    recordRequest: () => undefined,
  }

  /** Signatures that hold. */
  readonly signatures = new Set<string>()
  /** The pseudonym of the key that made them. */
  signer = 'ed25519:00'
  /** What was asked of signatures. */
  readonly targets: Parameters<ProviderNode['verifyRequest']>[1][] = []

  async verifyRequest(token: string, target: Parameters<ProviderNode['verifyRequest']>[1]): Promise<string> {
    this.targets.push(target)
    if (!this.signatures.delete(token)) throw new ProviderError('PROV_004', 'quantum_signature does not hold')
    return this.signer
  }

  answerLocally(query: CellQuery): CellAnswerText | undefined {
    this.queries.push(query)
    this.#maybeFail()
    return this.local
  }

  async requestCell(_query: CellQuery, waitMs: number): Promise<RequestOutcome> {
    this.waits.push(waitMs)
    return typeof this.outcome === 'function' ? this.outcome() : this.outcome
  }

  async stagePackage(bytes: AsyncIterable<Uint8Array>): Promise<StagedPackage> {
    const chunks: Uint8Array[] = []
    for await (const chunk of bytes) chunks.push(chunk)
    const all = Buffer.concat(chunks)
    const digest = `sha256:${hash('sha256', all, 'hex')}`
    this.staged.add(digest)
    return {
      digest,
      size: all.length,
      discard: async () => {
        this.staged.delete(digest)
      },
    }
  }

  async registerCell(registration: Registration) {
    this.#maybeFail()
    this.registrations.push(registration)
    const { cell_type, version } = registration.metadata
    const manifest = { cell_type, version, publisher: HEX, package: { digest: registration.package.digest } }
    return {
      cellId: HEX,
      manifest: manifest as Manifest,
      signedBy: 'provider' as const,
      validation: { issues: [], passed_checks: ['compiles'] },
    }
  }

  async validateCell(registration: Registration) {
    this.#maybeFail()
    this.registrations.push(registration)
    return this.validation
  }

  async updateCell(update: CellUpdate) {
    this.#maybeFail()
    this.updates.push(update)
    const { cellType, version, metadata } = update
    const digest = update.package?.digest ?? `sha256:${HEX}`
    const manifest = { cell_type: cellType, version: version ?? metadata.version, publisher: HEX, package: { digest } }
    return {
      cellId: HEX,
      manifest: manifest as Manifest,
      signedBy: 'provider' as const,
      validation: { issues: [], passed_checks: ['compiles'] },
    }
  }

  async annotateCell(cellType: string, version: string, change: CellChange, by?: Editor): Promise<CellDetails> {
    this.editors.push(by)
    return { ...this.cellDetails(cellType, version), ...change }
  }

  async yankCell(order: CellYank): Promise<Yanked> {
    this.yanks.push(order)
    this.#maybeFail()
    this.cellDetails(order.cellType)
    return { cellId: HEX, yanked: !order.undo, counter: 1, by: 'publisher' }
  }

  async listCells(query: { limit?: number; offset?: number }) {
    this.#maybeFail()
    return { cells: [], total_count: 0, limit: query.limit ?? 50, offset: query.offset ?? 0 }
  }

  cellDetails(cellType: string, version = '2.0.0'): CellDetails {
    if (cellType !== 'adder') throw new ProviderError('PROV_002', `no cell ${cellType}`)
    return { cell_type: cellType, version } as CellDetails
  }

  async deleteCell(cellType: string, _version: string, by?: Editor): Promise<void> {
    this.editors.push(by)
    if (cellType === 'needed') throw new ProviderError('PROV_015', 'an active cell depends on it')
    if (cellType !== 'adder') throw new ProviderError('PROV_002', `no cell ${cellType}`)
  }

  async openPackage(digest: string): Promise<PackageSource> {
    this.#maybeFail()
    const bytes = this.packages.get(digest)
    if (bytes === undefined) throw new ProviderError('PROV_002', `nobody holds ${digest}`)
    this.sourcesOpen++
    return {
      digest,
      size: bytes.length,
      complete: true,
      read: (start, end, signal) => this.#read(bytes.subarray(start, end + 1), signal),
      close: async () => {
        this.sourcesOpen--
      },
    }
  }

  /** Hands out one buffer again and again, as a real source does. */
  async *#read(bytes: Uint8Array, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    this.reads.push(signal)
    const buffer = new Uint8Array(64 * 1024)
    for (let at = 0; at < bytes.length; at += buffer.length) {
      signal?.throwIfAborted()
      if (at >= this.breakAfter) throw new Error('the peer left')
      const chunk = bytes.subarray(at, at + buffer.length)
      buffer.set(chunk)
      yield buffer.subarray(0, chunk.length)
    }
  }

  async doctor() {
    this.#maybeFail()
    return { ok: true, checks: [] }
  }

  upkeep: ProviderNode['upkeep'] = {
    snapshot: async () => Readable.from([new Uint8Array()]),
    package: async () => undefined,
    fsck: async () => Readable.from([]),
    collectGarbage: async (dryRun) => ({ dry_run: dryRun, found: [], count: 0, bytes: 0 }),
    exportBundle: async () => Readable.from([new Uint8Array()]),
    importBundle: () => Promise.reject(new ProviderError('PROV_002', 'not scripted')),
  }

  proofKeys: ProviderNode['proofKeys'] = {
    list: () => ({ keys: [] }),
    rotate: async () => ({ current: proofJwk(LOG_CERTIFICATE), retired: null }),
  }
  async audit({ before }: AuditQuery) {
    this.searches.push({ before })
    return { entries: [], next_before: null }
  }

  async info() {
    this.#maybeFail()
    return providerInfo({
      provider_id: this.providerId,
      node_id: this.nodeId,
      publisher: this.publisher,
    })
  }

  searchCapabilities({ capability, version, include_details }: CapabilitySearch): CapabilitySearchResponse {
    this.searches.push({ capability, version, include_details })
    this.#maybeFail()
    return { capabilities: [] }
  }

  peers() {
    return {
      goal_id: null,
      total: 0,
      stats: { total: 0, banned: 0, trusted: 0, low_score: 0, avg_score: null },
      peers: [],
      seeds: [],
      known_providers: 0,
      providers: [],
    }
  }

  readonly bans = {
    list: () => ({ total: 0, bans: [] }),
    ban: async (provider_id: string, { reason = 'by the operator' }: PeerBanOrder) => ({
      provider_id,
      reason,
      since: '2026-01-01T00:00:00.000Z',
      until: null,
    }),
    unban: async (provider_id: string) => ({
      provider_id,
      peer_score: { score: 100, banned: false, trusted: false },
    }),
  }

  health(): Health {
    return this.state
  }

  nodeInfo() {
    return {
      node_id: this.nodeId,
      provider_id: this.providerId,
      public_key: this.publicKey,
      addresses: ['tcp://127.0.0.1:9000'],
      multiaddrs: [`/ip4/127.0.0.1/tcp/9000/p2p/${this.providerId}`],
      capabilities: {
        accepts_contributions: false,
        serves_leaderboard: false,
        serves_log_proofs: true,
        goal_ids: [],
        protocol_version: '1.0',
        software_version: '0.1.0',
      },
      timestamp: 1_767_225_600_000,
      consensus_state: 'ACTIVE' as const,
      network: 'main',
      running: true,
      goal_id: null,
    }
  }

  async nodeStatus() {
    this.#maybeFail()
    const healthy = (message: string) => ({ status: 'healthy' as const, message })
    return {
      uptime_seconds: 60,
      metrics: {
        counters: { contributions_received_total: 0, contributions_processed_total: 0 },
        gauges: { log_size: 7, peer_count: 2, sync_lag: 0 },
      },
      checks: { sync: healthy('Synced'), peers: healthy('2 peers connected'), consensus: healthy('Consensus: ACTIVE') },
      sets: [{ name: 'yanks', count: 0, root: 'ab'.repeat(32) }],
    }
  }

  async componentHealth() {
    this.#maybeFail()
    return {
      status: 'degraded' as const,
      message: 'disk: 0.5 GiB free',
      components: [{ name: 'disk', status: 'degraded' as const, message: '0.5 GiB free' }],
      scheduled_maintenance: [],
      timestamp: '2026-01-01T00:00:00.000Z',
    }
  }

  #maybeFail(): void {
    const { failure } = this
    this.failure = undefined
    if (failure !== undefined) throw failure
  }
}
