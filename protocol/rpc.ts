import { ContributionRequest, ContributionResponse } from './contribution.ts'
import { ReceiptsRequest, ReceiptsResponse } from './receipt.ts'
import {
  AnnouncementsRequest,
  AnnouncementsResponse,
  CellAnswerMessage,
  CellRequest,
  EvidenceRequest,
  EvidenceResponse,
  PackageRequest,
  PackageResponse,
  YankRequest,
  YankResponse,
} from './rpc-cells.ts'
import { ForwardAnswer, ForwardRequestMessage } from './rpc-forwards.ts'
import {
  AddCheckpointRequest,
  AddCheckpointResponse,
  ConsistencyRequest,
  ConsistencyResponse,
  LogRecordsRequest,
  LogRecordsResponse,
} from './rpc-logs.ts'
import {
  DialBackRequest,
  DialBackResponse,
  PeerExchange,
  PeerExchangeRequest,
  Ping,
  Pong,
  ProbeRequest,
  ProbeResponse,
} from './rpc-peers.ts'
import {
  RecordsOffer,
  RecordsOfferResponse,
  RecordsRequest,
  RecordsResponse,
  StateRequest,
  StateResponse,
  SyncRequest,
  SyncResponse,
} from './rpc-sync.ts'

export * from './roles.ts'
export * from './rpc-cells.ts'
export * from './rpc-forwards.ts'
export * from './rpc-logs.ts'
export * from './rpc-peers.ts'
export * from './rpc-sync.ts'
export * from './standing-stream.ts'

/** Requests and the answers that belong to them. */
export interface RpcMethods {
  cell_request: { request: CellRequest; response: CellAnswerMessage }
  package_request: { request: PackageRequest; response: PackageResponse }
  announcements_request: { request: AnnouncementsRequest; response: AnnouncementsResponse }
  evidence_request: { request: EvidenceRequest; response: EvidenceResponse }
  yank_request: { request: YankRequest; response: YankResponse }
  forward_request: { request: ForwardRequestMessage; response: ForwardAnswer }
  ping: { request: Ping; response: Pong }
  state_request: { request: StateRequest; response: StateResponse }
  peer_exchange: { request: PeerExchangeRequest; response: PeerExchange }
  add_checkpoint_request: { request: AddCheckpointRequest; response: AddCheckpointResponse }
  consistency_request: { request: ConsistencyRequest; response: ConsistencyResponse }
  log_records_request: { request: LogRecordsRequest; response: LogRecordsResponse }
  sync_request: { request: SyncRequest; response: SyncResponse }
  records_request: { request: RecordsRequest; response: RecordsResponse }
  records_offer: { request: RecordsOffer; response: RecordsOfferResponse }
  receipts_request: { request: ReceiptsRequest; response: ReceiptsResponse }
  dial_back_request: { request: DialBackRequest; response: DialBackResponse }
  probe_request: { request: ProbeRequest; response: ProbeResponse }
  contribution_request: { request: ContributionRequest; response: ContributionResponse }
}

export const RPC_REQUESTS = {
  cell_request: CellRequest,
  package_request: PackageRequest,
  announcements_request: AnnouncementsRequest,
  evidence_request: EvidenceRequest,
  yank_request: YankRequest,
  forward_request: ForwardRequestMessage,
  ping: Ping,
  state_request: StateRequest,
  peer_exchange: PeerExchangeRequest,
  add_checkpoint_request: AddCheckpointRequest,
  consistency_request: ConsistencyRequest,
  log_records_request: LogRecordsRequest,
  sync_request: SyncRequest,
  records_request: RecordsRequest,
  records_offer: RecordsOffer,
  receipts_request: ReceiptsRequest,
  dial_back_request: DialBackRequest,
  probe_request: ProbeRequest,
  contribution_request: ContributionRequest,
} as const

export const RPC_RESPONSES = {
  cell_request: CellAnswerMessage,
  package_request: PackageResponse,
  announcements_request: AnnouncementsResponse,
  evidence_request: EvidenceResponse,
  yank_request: YankResponse,
  forward_request: ForwardAnswer,
  ping: Pong,
  state_request: StateResponse,
  peer_exchange: PeerExchange,
  add_checkpoint_request: AddCheckpointResponse,
  consistency_request: ConsistencyResponse,
  log_records_request: LogRecordsResponse,
  sync_request: SyncResponse,
  records_request: RecordsResponse,
  records_offer: RecordsOfferResponse,
  receipts_request: ReceiptsResponse,
  dial_back_request: DialBackResponse,
  probe_request: ProbeResponse,
  contribution_request: ContributionResponse,
} as const
