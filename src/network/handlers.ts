import type { Announcement } from '../../protocol/announcement.ts'
import type { Topic } from '../../protocol/protocol-ids.ts'
import type { CellRequest, OfferedCell, PackageRequest, RpcMethods } from '../../protocol/rpc.ts'
import type { PeerSession } from './session-key.ts'

/** A package that is open for one transfer. */
export interface OpenPackage {
  /** Bytes of the whole package. */
  readonly size: number
  /** Bytes of every chunk but the last. */
  readonly chunkSize: number
  /**
   * The bytes from chunk `fromChunk` to the one before `toChunk`, or to the end, in pieces of any size (256 KiB to 1 MiB are best). A piece
   * may be reused once the next one has been asked for. Throwing makes the transfer fail at the receiver: it never takes a part for the whole.
   */
  read(fromChunk: number, toChunk: number): AsyncIterable<Uint8Array>
  /** Called once, however the transfer ended. */
  close(): Promise<void>
}

/** What gossip may do with a message: pass it on, drop it, or drop it and hold it against the peer that sent it. */
export type Verdict = 'accept' | 'ignore' | 'reject'

/**
 * Judges a gossiped message before it is relayed. `from` is the peer that sent it, `author` the one that published and signed it; the size is
 * within the topic's limit. `reject` only for what every honest node would refuse (schema, signature): it costs the score of `from`.
 */
export type Judge = (bytes: Uint8Array, from: string, author: string) => Verdict

/** A page of the announcements that a node holds: as values, or as the final JSON text of their array, which need not be parsed to be sent. */
export type AnnouncementsPage = (
  | { readonly announcements: readonly Announcement[] }
  /** What it says is sent as it is. */
  | { readonly json: string }
) & {
  /** Where the next page starts; absent on the last one. */
  readonly next?: string
}

/** Requests without rules of their own: one message is answered by one message. The network answers `ping` itself. */
export type PlainMethod = Exclude<
  keyof RpcMethods,
  'cell_request' | 'package_request' | 'announcements_request' | 'ping'
>

/** Plain requests that the network answers by itself. */
export type OwnMethod = 'peer_exchange'

/** The fields of the answer to a request that are the handler's. */
export type AnswerTo<M extends PlainMethod> = Omit<RpcMethods[M]['response'], 'type' | 'id'>

/** How each plain request is answered. `session` is that of the stream on which it came. A handler throws `Refusal` for what it does not answer. */
export type Answers = {
  readonly [M in PlainMethod]: (
    request: RpcMethods[M]['request'],
    from: string,
    session: PeerSession,
  ) => AnswerTo<M> | Promise<AnswerTo<M>>
}

/**
 * What a node answers to its peers; the composition root injects it. `from` is the provider id of the peer that asks, as the transport
 * authenticated it. Requests are already checked against their schema. What a handler throws is logged, and the peer gets `internal`.
 */
export interface NetworkHandlers {
  /**
   * Cells of the own store, best first; or the final JSON text of that array. Answering synchronously saves a turn. Cells that do not fit
   * one frame (`LIMITS.frameBytes`) are left out from the end.
   */
  onCellRequest(
    request: CellRequest,
    from: string,
  ): readonly OfferedCell[] | string | Promise<readonly OfferedCell[] | string>
  /** The cell that a package belongs to (the one asked for, if it does), and its chunk digests (base64url); undefined when it is not held. */
  onPackageRequest(
    request: Pick<PackageRequest, 'digest' | 'cell_id'>,
    from: string,
  ): Promise<{ readonly cell: OfferedCell; readonly chunks: string } | undefined>
  /**
   * The page after the key `after`. One peer has at most one such request under way, and a node few: pages are large. A page must fit one frame (`LIMITS.frameBytes`), or the peer
   * gets `internal`.
   */
  onAnnouncementsRequest(after: string | undefined, from: string): Promise<AnnouncementsPage>
  /** Every other request. An answer must fit one frame, or the peer gets `internal`. */
  readonly answers: Omit<Answers, OwnMethod>
  /** Opens a package for a transfer; undefined when it is not held. */
  openPackage(digest: string): Promise<OpenPackage | undefined>
  /** Judges what gossip brought, by topic. */
  readonly gossip: Readonly<Record<Topic, Judge>>
}
