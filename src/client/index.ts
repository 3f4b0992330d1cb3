/**
 * `cytoplex/client`: the SDK for assemblers. Runs in browsers and in Node; verifies every answer and every package itself.
 */

export type { QueryResponse } from '../../protocol/assurance.ts'
export type { ProofFile } from '../../protocol/proof-file.ts'
export type { PublicKeys } from '../../protocol/public-keys.ts'
export { contributorKey } from '../kernel/identity/contribution-signature.ts'
export { type OperatorKey, operatorKey, operatorPublicKey } from '../kernel/identity/operator-request.ts'
export { newRequestKeys, type RequestKey, type RequestKeys } from '../kernel/identity/quantum-signature.ts'
export type { ProofExpectation, ProvenLeaf } from '../kernel/log/proof-file.ts'
export type { AnswerArithmetic, VerifiedAnswer } from '../kernel/log/verify-answer.ts'
export type { Administration } from './administration.ts'
export type { AskOptions, CapabilityAsk, SpecificAsk } from './ask.ts'
export type { AssembledCell, AssembleOptions, Assembly, FoundCell, StreamedCell } from './assemble.ts'
export type { AsOperator, AssuranceClient, BatchClient, OperatorsClient, QueryAnswer, QueryAsk } from './assurance.ts'
export { assemble, assembleStream, type Client, type ClientOptions, createClient } from './client.ts'
export type { ConstraintsClient } from './constraints.ts'
export type { Downloadable, DownloadOptions, DownloadPart, IncrementalHash, Progress } from './download.ts'
export {
  type Attempt,
  ClientError,
  InconsistentLogError,
  IntegrityError,
  NotFoundError,
  PendingError,
  UnauthorizedError,
  UnreachableError,
  ValidationError,
} from './errors.ts'
export type { EventAsk, EventItem } from './events.ts'
export type { ContributionSubmission, GoalsClient } from './goals.ts'
export {
  CCCMemoryClient,
  type InSession,
  type MemoryClientOptions,
  type NewSession,
  type TaggedAgentState,
} from './memory.ts'
export { memoryCache } from './memory-cache.ts'
export type { PackageCache } from './package-cache.ts'
export { verifyProof } from './proof-file.ts'
export type { CheckpointStore, SeenCheckpoint, WitnessPolicy } from './remembered-logs.ts'
export type { Update, Upload } from './repository.ts'
export type { CallOptions } from './transport.ts'
export type { Cell } from './verify.ts'
export { type AnswerTrust, verifyAnswer } from './verify-answer.ts'
export { type WebCacheOptions, webCache } from './web-cache.ts'
export {
  challengeAnswer,
  type ReceivedWebhook,
  type VerifiedWebhook,
  verifyWebhook,
  type WebhooksClient,
} from './webhooks.ts'
