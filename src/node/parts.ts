import type { ApiKeys } from '../domain/access/api-keys.ts'
import type { Nonces } from '../domain/access/nonces.ts'
import type { Catalogue } from '../domain/cells/catalogue.ts'
import type { CellIndex } from '../domain/cells/cell-index.ts'
import type { CellLog } from '../domain/cells/cell-log.ts'
import type { Publishers } from '../domain/cells/publishers.ts'
import type { PullThroughCache } from '../domain/cells/pull-through.ts'
import type { Repository } from '../domain/cells/repository.ts'
import type { SelectionPolicy } from '../domain/cells/resolver.ts'
import type { TrustPolicy } from '../domain/cells/trust.ts'
import type { Vulnerabilities } from '../domain/cells/vulnerabilities.ts'
import type { Yanks } from '../domain/cells/yanks.ts'
import type { Directory } from '../domain/federation/directory.ts'
import type { Partners } from '../domain/federation/partners.ts'
import type { Receipts } from '../domain/federation/receipts.ts'
import type { Clock } from '../kernel/base/clock.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { KeyDirectory } from '../kernel/identity/key-directory.ts'
import type { MerkleLog } from '../kernel/log/merkle-log.ts'
import type { BlobStore } from '../kernel/plugins/packages/blob-stores.ts'
import type { Store } from '../kernel/storage/store.ts'
import type { Events } from '../kernel/telemetry/events.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { Network } from '../network/network.ts'
import type { KnownLogs } from './flows/known-logs.ts'
import type { YankFreshness } from './flows/yank-freshness.ts'
import type { KnownOffers, OfferVerifier } from './offers.ts'
import type { PackageValidators } from './package-validators.ts'
import type { ProofVerifiers } from './proof-verifiers.ts'

/** What the flows are made of. `startNode` builds it; a flow names the parts that it uses. */
export interface NodeParts {
  readonly config: Config
  readonly clock: Clock
  readonly logger: Logger
  readonly events: Events
  readonly keys: KeyDirectory
  readonly store: Store
  readonly blobs: BlobStore
  readonly index: CellIndex
  readonly catalogue: Catalogue
  readonly apiKeys: ApiKeys
  readonly nonces: Nonces
  /** The node's own log, and what was done to cells in it. */
  readonly log: MerkleLog
  readonly cellLog: CellLog
  readonly repository: Repository
  readonly publishers: Publishers
  readonly yanks: Yanks
  readonly cache: PullThroughCache
  readonly trust: TrustPolicy
  readonly rankers: SelectionPolicy['rankers']
  readonly proofVerifiers: Pick<ProofVerifiers, 'get'>
  readonly vulnerabilities: Vulnerabilities
  readonly validators: PackageValidators
  readonly directory: Directory
  readonly partners: Partners
  readonly freshness: YankFreshness
  readonly receipts: Receipts
  readonly offers: KnownOffers
  readonly offerVerifier: OfferVerifier
  readonly knownLogs: KnownLogs
  readonly network: Network
}
