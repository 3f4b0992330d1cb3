import { Administration } from '../domain/access/administration.ts'
import { ApiKeys } from '../domain/access/api-keys.ts'
import { Nonces } from '../domain/access/nonces.ts'
import { Catalogue } from '../domain/cells/catalogue.ts'
import { CellIndex } from '../domain/cells/cell-index.ts'
import { CellLog } from '../domain/cells/cell-log.ts'
import { Publishers } from '../domain/cells/publishers.ts'
import { PullThroughCache } from '../domain/cells/pull-through.ts'
import { Repository } from '../domain/cells/repository.ts'
import { TrustPolicy } from '../domain/cells/trust.ts'
import { Vulnerabilities } from '../domain/cells/vulnerabilities.ts'
import { Yanks } from '../domain/cells/yanks.ts'
import { Directory } from '../domain/federation/directory.ts'
import { Partners } from '../domain/federation/partners.ts'
import { Receipts } from '../domain/federation/receipts.ts'
import { GoalBook } from '../domain/goals/goal-book.ts'
import { type Clock, systemClock } from '../kernel/base/clock.ts'
import type { Lifecycle } from '../kernel/base/lifecycle.ts'
import type { Config } from '../kernel/config/schema.ts'
import { keyDirectoryState, openKeyDirectory } from '../kernel/identity/key-directory.ts'
import { openSecretSeal, type SecretSeal } from '../kernel/identity/sealed-secret.ts'
import { nativeVerifier } from '../kernel/identity/verify.ts'
import { MerkleLog } from '../kernel/log/merkle-log.ts'
import { globalRegistry } from '../kernel/plugins/global.ts'
import type { Embeddings } from '../kernel/plugins/packages/embeddings.ts'
import type { Evaluator } from '../kernel/plugins/packages/evaluators.ts'
import type { Llm } from '../kernel/plugins/packages/llms.ts'
import type { ProviderRegistry } from '../kernel/plugins/registry.ts'
import { checkDataDirectory, openDataDirectory } from '../kernel/storage/data-directory.ts'
import { countEvents } from '../kernel/telemetry/business-events.ts'
import { Events } from '../kernel/telemetry/events.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { NetworkHandlers } from '../network/handlers.ts'
import { createNetwork, type Wiring } from '../network/network.ts'
import type { Answerer, Prover } from './assurance-api.ts'
import { isCounted } from './counted-peers.ts'
import { KnownLogs } from './flows/known-logs.ts'
import { checkLogs } from './flows/log-marks.ts'
import { YankFreshness } from './flows/yank-freshness.ts'
import type { NodeMemoryParts } from './memory.ts'
import type { Memory } from './memory-api.ts'
import { KnownOffers, OfferVerifier } from './offers.ts'
import type { NodeParts } from './parts.ts'
import type { VerifyProof } from './proof-verifiers.ts'
import { ChosenProviders } from './providers.ts'

/** What a node is made from. */
export interface NodeOptions {
  readonly config: Config
  readonly logger: Logger
  readonly metrics: Metrics
  readonly clock?: Clock
  /** Where its parts come from. Default: the registry of this process, to which the configuration's plugins are added. */
  readonly registry?: ProviderRegistry
  /** What connections to peers are made of. Default: TCP. */
  readonly wiring?: Wiring
  /** What contributions to goals are evaluated with. Default: what the configuration names. */
  readonly evaluator?: Evaluator
  /** Who composes answers. Default: what the configuration names. */
  readonly llm?: Llm
  /** Instead of the embeddings that the configuration chose. */
  readonly embeddings?: Embeddings
  /** Who checks proofs of which name. Default: the verifiers of the registry. */
  readonly proofs?: ReadonlyMap<string, VerifyProof>
  /** Who finds the answers to operators' questions, and who proves them. */
  readonly answerer?: Answerer
  readonly prover?: Prover
  /** What remembers. Default: the sessions of the node. */
  readonly sessions?: Memory
  /** What finds again what was said in sessions, and what else is done with them. */
  readonly memory?: Partial<Pick<NodeMemoryParts, 'recall' | 'summarize' | 'chores'>>
}

/** What is open before anything talks: the parts of the flows, and what only the node itself gives on. */
export interface OpenParts {
  readonly parts: NodeParts
  readonly providers: ChosenProviders
  readonly evaluator: Evaluator
  readonly llm: Llm
  readonly embeddings: Embeddings
  readonly anchors: Awaited<ReturnType<ChosenProviders['anchors']>>
  readonly notifiers: Awaited<ReturnType<ChosenProviders['notifiers']>>
  readonly seal: SecretSeal
  readonly administration: Administration
  readonly goalBook: GoalBook
}

/**
 * Makes the providers that the configuration chose, opens keys, store and packages, and loads what is in memory. `handlers` answers peers once the
 * network is started. What has to be closed is the lifecycle's.
 */
export async function openParts(
  lifecycle: Lifecycle,
  options: NodeOptions,
  handlers: () => NetworkHandlers,
): Promise<OpenParts> {
  const { config, logger, metrics, clock = systemClock, registry = globalRegistry, wiring } = options
  const providers = new ChosenProviders(registry, config)
  const rankers = await providers.rankers()
  const evaluator = options.evaluator ?? (await providers.evaluator())
  const proofVerifiers = options.proofs ?? (await providers.proofVerifiers())
  const anchors = await providers.anchors()
  const notifiers = await providers.notifiers()

  const network = config.network.name
  const state = await checkDataDirectory(config.data_dir, network, {
    directory: config.key_dir,
    present: keyDirectoryState(config.key_dir) === 'present',
  })
  const keys = openKeyDirectory(config.key_dir, { network, allowCreate: state === 'first', clock })
  const seal = openSecretSeal(config.key_dir)
  const store = await openDataDirectory(config.data_dir, network, keys.providerId)
  await lifecycle.start({ name: 'store', start: () => undefined, stop: () => store.close() })
  const blobs = await providers.blobStore()
  await lifecycle.start({ name: 'blobs', start: () => undefined, stop: () => blobs.close() })

  const events = new Events(logger)
  countEvents(events, metrics)
  const validators = await providers.validators()
  await lifecycle.start({ name: 'validators', start: () => undefined, stop: () => validators.close() })
  await lifecycle.start({ name: 'evaluator', start: () => undefined, stop: () => evaluator.close() })

  await checkLogs(store, config.data_dir)
  const log = new MerkleLog(store, '')
  const cellLog = new CellLog(log)
  await cellLog.backfill(store)
  const administration = new Administration(log, clock)
  const apiKeys = new ApiKeys(store, clock)
  const nonces = new Nonces(store, clock)
  await Promise.all([apiKeys.load(), nonces.load()])
  const index = new CellIndex(store, keys.providerId)
  const catalogue = new Catalogue(store)
  const publishers = new Publishers(store)
  const trust = new TrustPolicy({
    pinned: config.publishers.pinned,
    accept: config.publishers.accept,
    self: keys.publisher.publisher,
  })
  const yanks = new Yanks({ store, index, log: cellLog, publishers, trust, network, verifier: nativeVerifier, clock })
  await yanks.load()
  const digestOf = (id: string): string | undefined => index.get(id)?.manifest.package.digest
  const vulnerabilities = new Vulnerabilities({ store, clock, digestOf })
  await vulnerabilities.load()
  const partners = new Partners(store, clock)
  const goalBook = new GoalBook({ store, clock, self: keys.providerId })
  await goalBook.load()
  const parts: NodeParts = {
    config,
    clock,
    logger,
    events,
    keys,
    store,
    blobs,
    index,
    catalogue,
    validators,
    rankers,
    proofVerifiers,
    vulnerabilities,
    log,
    cellLog,
    apiKeys,
    nonces,
    repository: new Repository({ store, blobs, index, catalogue, log: cellLog, yanks, clock }),
    cache: new PullThroughCache({
      store,
      blobs,
      index,
      catalogue,
      clock,
      budget: {
        maxBytes: config.cache.max_bytes,
        maxBytesPerPublisher: Math.floor((config.cache.max_bytes * config.cache.per_publisher_percent) / 100),
      },
    }),
    trust,
    yanks,
    directory: new Directory({
      store,
      clock,
      self: keys.providerId,
      limits: { maxCells: config.directory.max_cells, maxCellsPerProvider: config.directory.max_cells_per_provider },
    }),
    partners,
    freshness: new YankFreshness({ clock, config, partners }),
    receipts: new Receipts({
      clock,
      self: keys.providerId,
      counts: (prober) => isCounted({ config, partners }, prober),
    }),
    offers: new KnownOffers(),
    publishers,
    offerVerifier: new OfferVerifier(network, nativeVerifier, publishers),
    knownLogs: new KnownLogs({ store, clock, logger, network, goals: goalBook }),
    network: createNetwork({
      network,
      identitySeed: keys.identitySeed,
      providerId: keys.providerId,
      wire: keys.wire,
      config: config.p2p,
      store,
      ...(wiring === undefined ? {} : { wiring }),
      logger: logger.child({ part: 'network' }),
      metrics,
      events,
      handlers: {
        onCellRequest: (request, from) => handlers().onCellRequest(request, from),
        onPackageRequest: (request, from) => handlers().onPackageRequest(request, from),
        onAnnouncementsRequest: (after, from) => handlers().onAnnouncementsRequest(after, from),
        get answers() {
          return handlers().answers
        },
        openPackage: (digest) => handlers().openPackage(digest),
        get gossip() {
          return handlers().gossip
        },
      },
    }),
  }
  const llm = options.llm ?? (await providers.llm())
  const embeddings = options.embeddings ?? (await providers.embeddings())
  await lifecycle.start({ name: 'embeddings', start: () => undefined, stop: () => embeddings.close() })
  return {
    parts,
    providers,
    evaluator,
    llm,
    embeddings,
    anchors,
    notifiers,
    seal,
    administration,
    goalBook,
  }
}
