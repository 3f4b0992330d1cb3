import { join } from 'node:path'
import { LIMITS } from '../../protocol/limits.ts'
import type { CellDetails } from '../../protocol/repository.ts'
import { Analytics } from '../domain/analytics/analytics.ts'
import { Deliveries } from '../domain/assurance/deliveries.ts'
import { Webhooks } from '../domain/assurance/webhooks.ts'
import { CellNames } from '../domain/cells/cell-names.ts'
import { cellDetails } from '../domain/cells/details.ts'
import type { CellRecord } from '../domain/cells/records.ts'
import { ReplicationOrders } from '../domain/cells/replication-orders.ts'
import type { VulnerabilityWitness } from '../domain/cells/vulnerabilities.ts'
import type { YankChange } from '../domain/cells/yanks.ts'
import { AnnouncedNames } from '../domain/federation/announced-names.ts'
import { systemClock } from '../kernel/base/clock.ts'
import { ProviderError } from '../kernel/base/errors.ts'
import { Lifecycle } from '../kernel/base/lifecycle.ts'
import { globalRegistry } from '../kernel/plugins/global.ts'
import { loadPlugins } from '../kernel/plugins/load-plugins.ts'
import type { Events } from '../kernel/telemetry/events.ts'
import { TextIndex } from '../kernel/text/text-index.ts'
import { Answers } from './answers.ts'
import type { ProviderNode, Registered } from './api.ts'
import { NodeAssurance } from './assurance.ts'
import type { Answerer, Prover } from './assurance-api.ts'
import { Federation } from './federation.ts'
import { LogAnchoring } from './flows/anchor-logs.ts'
import { Announcer } from './flows/announce.ts'
import { ChunkDoors } from './flows/chunk-doors.ts'
import { CloseNames } from './flows/close-names.ts'
import { ComponentHealth } from './flows/component-health.ts'
import { Cosignatures } from './flows/cosignatures.ts'
import { EventDelivery } from './flows/deliver-events.ts'
import { Diagnosis } from './flows/diagnose.ts'
import { PackageFetcher } from './flows/fetch-package.ts'
import { GoalLogs } from './flows/goal-logs.ts'
import { YankLane } from './flows/gossip-yanks.ts'
import { Housekeeping } from './flows/housekeeping.ts'
import { goalLog } from './flows/joined-goal.ts'
import { Learner } from './flows/learn.ts'
import { YankLearner } from './flows/learn-yanks.ts'
import { Liveness } from './flows/liveness.ts'
import { LogEpochs } from './flows/log-epochs.ts'
import { LogMarks } from './flows/log-marks.ts'
import { LogProofs } from './flows/log-proofs.ts'
import { StartMeasurer } from './flows/measure-starts.ts'
import { nodeLog } from './flows/node-log.ts'
import { NodeReport } from './flows/node-status.ts'
import { openPackage } from './flows/open-package.ts'
import { peerBans, peerList } from './flows/peer-list.ts'
import { EvaluatorPackages } from './flows/prepare-evaluators.ts'
import { ProofKeyring } from './flows/proof-keys.ts'
import { AnswerProver } from './flows/prove-answer.ts'
import { DhtProvider } from './flows/provide.ts'
import { providerInfo } from './flows/provider-info.ts'
import { CheckpointPublisher } from './flows/publish-checkpoints.ts'
import { Reconciler } from './flows/reconcile.ts'
import { type RegisteredOnPage, registerCell } from './flows/register-cell.ts'
import { QuestionRelay } from './flows/relay-question.ts'
import { RemoteRegistrations } from './flows/remote-registrations.ts'
import { Replicator } from './flows/replicate.ts'
import { CellRequests } from './flows/request-cell.ts'
import { RequestRecords } from './flows/request-records.ts'
import { searchCapabilities } from './flows/search-capabilities.ts'
import { searchCells } from './flows/search-cells.ts'
import { offeredCells, peerHandlers } from './flows/serve-peers.ts'
import { signedReport } from './flows/signed-report.ts'
import { stagePackage } from './flows/stage-package.ts'
import { updateCell } from './flows/update-cell.ts'
import { validateCell } from './flows/validate-cell.ts'
import { verifySignedRequest } from './flows/verify-request.ts'
import { LogWatcher } from './flows/watch-logs.ts'
import { LogWitness } from './flows/witness-logs.ts'
import { yankCell } from './flows/yank-cell.ts'
import { NodeGoals } from './goals.ts'
import { Maintenance } from './maintenance.ts'
import { type NodeOptions, openParts } from './open-parts.ts'
import type { NodeParts } from './parts.ts'
import { checkFollow, Replication } from './replication.ts'
import { AnnouncementSet } from './sets/announcement-set.ts'
import { GoalSet } from './sets/goal-set.ts'
import { PublisherKeySet } from './sets/publisher-key-set.ts'
import { YankSet } from './sets/yank-set.ts'
import { startMemory } from './start-memory.ts'
import { NodeUpkeep } from './upkeep.ts'
import { NodeWebhooks } from './webhooks.ts'
import '../providers/built-in.ts'

/** A node that runs. */
export interface RunningNode extends ProviderNode {
  /** Multiaddrs with `/p2p/<provider id>`. */
  readonly addresses: readonly string[]
  readonly events: Events
  /** What finds the answers to questions, and what proves them, without asking who sent them. */
  readonly answerer: Answerer
  readonly prover: Prover
  /** Withdraws its announcements, lets go of its peers, and closes the store last. */
  stop(): Promise<void>
}

/**
 * Builds a node and starts its parts in order: keys, store, network, then what talks over it. Stopping goes the other way round. When a part fails,
 * what was open is closed again. Throws `StartError` for whatever the operator can mend.
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const lifecycle = new Lifecycle()
  try {
    return await startIn(lifecycle, options)
  } catch (error) {
    await lifecycle.stop().catch((failure: unknown) => options.logger.error({ err: failure }, 'a part did not stop'))
    throw error
  }
}

async function startIn(lifecycle: Lifecycle, options: NodeOptions): Promise<RunningNode> {
  const { config, logger, metrics, clock = systemClock, registry = globalRegistry } = options
  const maintenance = new Maintenance(config.node.maintenance)
  checkFollow(config.follow)
  // What an isolated registry holds was put there by whoever made it.
  if (registry === globalRegistry) await loadPlugins(config.plugins, { registry, logger })
  const opened = await openParts(lifecycle, options, () => handlers)
  const { parts, providers, evaluator, anchors, notifiers, seal, administration, goalBook } = opened
  const { store, log, blobs, index, events, yanks, keys, apiKeys, vulnerabilities, proofVerifiers } = parts
  const answers = new Answers(parts, { llm: opened.llm, administration })
  await lifecycle.start({ name: 'answers', start: () => answers.load(), stop: () => answers.stop() })
  const text = new TextIndex(join(config.data_dir, 'text', 'index.sqlite'))
  const cellNames = new CellNames({ store, log, text, logger })
  const announcedNames = new AnnouncedNames({ directory: parts.directory, text, logger })
  const closeNames = new CloseNames({ ...parts, cellNames, announcedNames })
  const epochs = new LogEpochs(parts)
  const cosignatures = new Cosignatures(store)
  await Promise.all([parts.knownLogs.load(), cosignatures.load()])
  await lifecycle.start(new LogMarks(parts, epochs))
  const proofs = new LogProofs(parts, epochs, cosignatures)
  const goalLogs = new GoalLogs(parts, {
    epochs,
    cosignatures,
    tree: (digest) => goalLog(store, digest),
    digestOf: (goalId) => goalBook.find(goalId).digest,
  })
  const publisher = new CheckpointPublisher(parts, { proofs, epochs, cosignatures, goalLogs, goals: goalBook })
  const watcher = new LogWatcher(parts, {
    own: (record) => publisher.heard(record),
    goals: () => goalBook.joined(),
    async ban(provider, reason) {
      await parts.network.scores.ban(provider, reason, Number.POSITIVE_INFINITY)
      await parts.directory.forget(provider)
    },
  })
  const witness = new LogWitness(parts, watcher, goalBook)
  const announcer = new Announcer(parts)
  const yankLane = new YankLane(parts, ({ page }) => announcer.changed(page))
  const yankLearner = new YankLearner(
    parts,
    ({ page }) => announcer.changed(page),
    (token) => yankLane.publish(token),
  )
  const doors = new ChunkDoors(parts.network)
  const learner = new Learner(parts, (announcement, from) => {
    yankLearner.heard(announcement)
    replicator.heard(announcement)
    liveness.heard(announcement)
    doors.learn(announcement.provider_id, announcement.http, from)
  })
  const liveness = new Liveness(parts)
  const onYanked = ({ yank, cell }: YankChange): void => {
    const { yanked, reason, manifest_digest: cellId } = yank
    events.emit('cell_yanked', { cellId, yanked, reason, by: 'publisher' })
    if (cell !== undefined) announcer.changed(cell.page)
  }
  const publisherKeys = new PublisherKeySet(parts)
  const reconciler = new Reconciler(parts, {
    sets: [
      new YankSet(parts, onYanked),
      publisherKeys,
      new GoalSet(goalBook, config.network.name),
      new AnnouncementSet(parts, (text, from) => learner.brought(text, from)),
    ],
    catchUp: (peer, signal) => learner.catchUp(peer, signal),
  })
  const packages = new EvaluatorPackages(evaluator, (digest, signal) => openPackage(parts, fetcher, digest, signal))
  const goals = new NodeGoals(parts, {
    book: goalBook,
    evaluator,
    packages,
    proofs: proofVerifiers,
    administration,
    reconciler,
    watcher,
  })
  const relay = new QuestionRelay(parts, (question) =>
    offeredCells(parts, { ...question, limit: LIMITS.cellsPerAnswer }),
  )
  const handlers = peerHandlers(parts, {
    learner,
    proofs,
    relay,
    yankLane,
    watcher,
    witness,
    publisher,
    reconciler,
    goals,
    goalLogs,
  })
  const provider = new DhtProvider(parts)
  const requests = new CellRequests({ ...parts, closeNames, relay }, proofs)
  const analytics = new Analytics({
    store,
    clock,
    logger,
    isKnown: (cellType, version) => isKnownCell(parts, cellType, version),
  })
  const detailsOf = (cell: CellRecord): CellDetails => {
    const { cell_type: cellType, version } = cell.manifest
    const statistics = analytics.statisticsOf(cellType, version)
    const said = yanks.said({ id: cell.id, publisher: cell.manifest.publisher })
    return cellDetails(cell, { ...parts, statistics, log: proofs.evidence(cell.id) ?? null, yanks: said })
  }
  const health = new ComponentHealth(parts, maintenance)
  const report = new NodeReport(parts, reconciler, health, goals)
  report.register(metrics)
  const diagnosis = new Diagnosis(parts, health)
  const records: RequestRecords = new RequestRecords({
    store,
    clock,
    logger,
    search: (query, waitMs, way) =>
      way?.kind === 'at_partner'
        ? federation.follow({ ...way, query })
        : requests.answer(query, waitMs, way === undefined ? 'federation' : 'directory'),
  })
  const federation: Federation = new Federation(parts, { administration, requests, records })
  const onKept = ({ page, manifest }: CellRecord): void => {
    announcer.changed(page)
    provider.add(manifest)
  }
  const fetcher = new PackageFetcher({ ...parts, doors }, (kept, evicted) => {
    announcer.changed(kept.page, ...evicted.map(({ page }) => page))
    provider.add(kept.manifest)
    for (const { manifest } of evicted) provider.remove(manifest)
  })
  const onGone = ({ page, manifest }: CellRecord): void => {
    announcer.changed(page)
    provider.remove(manifest)
    const { digest, size: bytes } = manifest.package
    events.emit('cell_evicted', { digest, bytes, publisher: manifest.publisher })
  }
  const orders = new ReplicationOrders(store, clock, config.follow)
  const replicator = new Replicator(parts, { orders, fetcher, onKept, onGone })
  const replication = new Replication(parts, { orders, replicator, administration, onGone })
  replication.measure(metrics)
  const upkeep = new NodeUpkeep(parts, { administration, epochs, proofs, fetcher, publisherKeys, onKept, onYanked })

  events.on('peer_banned', ({ providerId }) => {
    if (parts.partners.get(providerId) !== undefined) logger.warn({ partner: providerId }, 'a partner is banned')
  })

  await federation.load()
  await replication.load()
  await goals.load()
  await lifecycle.start(reconciler)
  await lifecycle.start(watcher)
  await lifecycle.start({ name: 'network', start: () => parts.network.start(), stop: () => parts.network.stop() })
  await lifecycle.start({ name: 'yank learner', start: () => undefined, stop: () => yankLearner.stop() })
  await lifecycle.start(federation)
  await lifecycle.start(publisher)
  await lifecycle.start(goals)
  const anchoring = new LogAnchoring(parts, {
    anchors,
    logs: () => [{ name: log.name, goal: null, log }, ...goals.logs()],
    epochs,
    cosignatures,
    maySign: () => publisher.maySign,
  })
  await lifecycle.start(anchoring)
  const keyring = new ProofKeyring(parts, administration)
  await lifecycle.start(keyring)
  const remote = new RemoteRegistrations(parts)
  const prover = new AnswerProver(parts, { keyring, proofs, anchors: () => anchoring.own(), remote })
  await lifecycle.start(new Housekeeping(parts))
  await lifecycle.start(health)
  await lifecycle.start(provider)
  await lifecycle.start(announcer)
  await lifecycle.start(liveness)
  await lifecycle.start(replicator)
  events.on('addresses_changed', () => announcer.addressesChanged())
  await lifecycle.start(analytics)
  await lifecycle.start(new StartMeasurer(parts))
  const webhooks = new Webhooks(store, clock, seal)
  const deliveries = new Deliveries(store, clock)
  const delivery = new EventDelivery(parts, { webhooks, deliveries, notifiers })
  delivery.measure(metrics)
  await lifecycle.start(delivery)
  const assurance = new NodeAssurance(parts, {
    administration,
    seal,
    answerer: options.answerer ?? answers.answerer,
    prover: options.prover ?? prover,
    delivery,
  })
  await lifecycle.start({
    name: 'text index',
    start: () => cellNames.start(),
    async stop() {
      await Promise.all([cellNames.stop(), announcedNames.stop(), text.close()])
    },
  })
  answers.start()
  const { memory, chat } = await startMemory(lifecycle, parts, {
    options,
    metrics,
    seal,
    embeddings: opened.embeddings,
    llm: opened.llm,
    quotable: (question, signal) => answers.answerer.quotable(question, signal),
  })
  await lifecycle.start({ name: 'requests', start: () => undefined, stop: () => requests.stop() })
  await lifecycle.start(assurance)
  await lifecycle.start(upkeep)
  await lifecycle.start({ name: 'request records', start: () => records.load(), stop: () => records.stop() })

  const offered = ({ page, ...registered }: RegisteredOnPage): Registered => {
    announcer.changed(page)
    provider.add(registered.manifest)
    cellNames.changed()
    return registered
  }

  const loggedAs =
    (by: string): VulnerabilityWitness =>
    (tx, act, details) =>
      administration.add(tx, { act, by, details })

  return {
    providerId: keys.providerId,
    nodeId: keys.nodeId,
    publicKey: Buffer.from(keys.identity.publicKey).toString('base64'),
    publisher: keys.publisher.publisher,
    events,
    answerer: answers.answerer,
    prover,
    get addresses() {
      return parts.network.addresses
    },
    requests: records,
    analytics: {
      reportUsage: async (body, target) => analytics.reportUsage(await signedReport(parts, body, target)),
      reportError: async (body, target) => analytics.reportError(await signedReport(parts, body, target)),
      overview: (query) => analytics.overview(query),
      issues: (query) => analytics.issues(query),
      setResolution: (issueId, url) => analytics.setResolution(issueId, url),
      recordRequest: (request) => analytics.recordRequest(request),
    },
    verifyRequest: (token, target) => verifySignedRequest(parts, token, target),
    answerLocally: (query) => requests.locally(query),
    requestCell: (query, waitMs) => requests.answer(query, waitMs),
    stagePackage: (bytes) => stagePackage(blobs, bytes, config.cells.max_package_bytes),
    registerCell: async (registration) => offered(await registerCell(parts, registration)),
    validateCell: (registration) => validateCell(parts, registration),
    updateCell: async (update) => offered(await updateCell(parts, update)),
    annotateCell: async (cellType, version, change, by) => {
      const cell = await parts.repository.annotate(cellType, version, change, by)
      announcer.changed(cell.page)
      cellNames.changed()
      return detailsOf(cell)
    },
    listCells: ({ search, ...query }) =>
      search === undefined
        ? parts.repository.list(query)
        : searchCells({ ...query, search }, { index, repository: parts.repository, cellNames }),
    cellDetails: (cellType, version) => detailsOf(parts.repository.find(cellType, version)),
    deleteCell: async (cellType, version, by) => {
      const deleted = await parts.repository.delete(cellType, version, by)
      announcer.changed(deleted.page)
      provider.remove(deleted.manifest)
      cellNames.changed()
      events.emit('cell_deleted', { cellId: deleted.id, cellType, version })
    },
    yankCell: async (order) => {
      const { page, ...yanked } = await yankCell({ ...parts, yankLane }, order)
      announcer.changed(page)
      return yanked
    },
    openPackage: (digest, signal) => openPackage(parts, fetcher, digest, signal),
    vulnerabilities: {
      record: (entries, by) => vulnerabilities.record(entries, by, loggedAs(by)),
      get: (cellType, id) => vulnerabilities.get(cellType, id),
      list: (query) => vulnerabilities.list(query),
      remove: (cellType, id, by) => vulnerabilities.remove(cellType, id, loggedAs(by)),
    },
    providers,
    keys: {
      identify: (presented) => apiKeys.identify(presented),
      create: (creation, by) =>
        apiKeys.create(creation, (tx, details) => administration.add(tx, { act: 'key_created', by, details })),
      list: (query) => apiKeys.list(query),
      revoke: async (keyId, by) => {
        const revoked = await apiKeys.revoke(keyId, (tx, details) =>
          administration.add(tx, { act: 'key_revoked', by, details }),
        )
        if (revoked === undefined) throw new ProviderError('PROV_001', `there is no key ${keyId}`, { status: 404 })
        return revoked
      },
    },
    federation,
    replication,
    sources: answers.sources,
    goals,
    memory,
    chat,
    assurance,
    proofKeys: { list: () => keyring.list(), rotate: (by) => keyring.rotate(by) },
    webhooks: new NodeWebhooks({ webhooks, deliveries, delivery, administration }),
    upkeep,
    audit: (query) => administration.list(store, query),
    goalLog: (goalId) => goalLogs.of(goalId),
    log: nodeLog(parts, { proofs, epochs, cosignatures, watcher, witness }),
    info: (isAdmin = false) => providerInfo(parts, proofs, maintenance, isAdmin),
    searchCapabilities: (search) => searchCapabilities(search, parts),
    peers: () => ({ ...peerList(parts), goal_id: report.info().goal_id }),
    bans: peerBans(parts, administration),
    doctor: () => diagnosis.run(),
    health: () => report.health(),
    nodeInfo: () => report.info(),
    nodeStatus: () => report.status(),
    componentHealth: () => health.report(),
    stop: () => lifecycle.stop(),
  }
}

/** Whether this node holds a version of a cell, or heard that somebody offers it. */
function isKnownCell(
  { index, directory }: Pick<NodeParts, 'index' | 'directory'>,
  cellType: string,
  version: string,
): boolean {
  if (index.candidates('cell_type', cellType).some((candidate) => candidate.version === version)) return true
  for (const { cell } of directory.find('cell_type', cellType)) if (cell.version === version) return true
  return false
}
