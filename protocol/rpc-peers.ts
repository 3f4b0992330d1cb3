import { type Static, Type } from 'typebox'
import { Correlation, Digest, Milliseconds, Name, SemVer, Sha256Hex } from './fields.ts'
import { LIMITS } from './limits.ts'

const closed = { additionalProperties: false } as const

/** Whether the peer is alive, and how long a round trip takes. */
export const Ping = Type.Object({ type: Type.Literal('ping'), ...Correlation }, closed)
export type Ping = Static<typeof Ping>

export const Pong = Type.Object({ type: Type.Literal('pong'), ...Correlation }, closed)
export type Pong = Static<typeof Pong>

/** Asks for peers that this one knows. The answer has the same type. */
export const PeerExchangeRequest = Type.Object({ type: Type.Literal('peer_exchange'), ...Correlation }, closed)
export type PeerExchangeRequest = Static<typeof PeerExchangeRequest>

export const PeerExchange = Type.Object(
  {
    type: Type.Literal('peer_exchange'),
    ...Correlation,
    /** libp2p signed envelopes (RFC 0002) of peer records (RFC 0003), each signed by the peer that it is about. */
    records: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: LIMITS.peerRecordCharacters }), {
      maxItems: LIMITS.peersPerExchange,
    }),
  },
  closed,
)
export type PeerExchange = Static<typeof PeerExchange>

/**
 * Asks a peer to connect to this node, at the address that the peer sees it at and at this port. The peer dials no other address, over a new
 * connection, as far as the handshake of the standing stream.
 */
export const DialBackRequest = Type.Object(
  { type: Type.Literal('dial_back_request'), ...Correlation, port: Type.Integer({ minimum: 1, maximum: 65535 }) },
  closed,
)
export type DialBackRequest = Static<typeof DialBackRequest>

/** How far a peer got that was asked to dial back. */
export const DialBackResponse = Type.Object(
  {
    type: Type.Literal('dial_back_response'),
    ...Correlation,
    ok: Type.Boolean(),
    /** Multiaddr that was dialled, or would have been; absent where the peer sees none. */
    address: Type.Optional(Type.String({ maxLength: 256 })),
    /** What failed: nothing was tried, no connection, no encryption with this node at the other end, no stream, no handshake. */
    stage: Type.Optional(
      Type.Union([
        Type.Literal('refused'),
        Type.Literal('connect'),
        Type.Literal('encrypt'),
        Type.Literal('protocol'),
        Type.Literal('handshake'),
      ]),
    ),
    /** For people. */
    reason: Type.Optional(Type.String({ maxLength: LIMITS.reasonLength })),
    /** The answering peer's clock. */
    time: Milliseconds,
  },
  closed,
)
export type DialBackResponse = Static<typeof DialBackResponse>

/** Asks a peer to look for a cell of this node as for anybody's: in what it heard announced, and by asking this node for it and its last chunk. */
export const ProbeRequest = Type.Object(
  {
    type: Type.Literal('probe_request'),
    ...Correlation,
    capability: Name,
    /** Of the capability. */
    version: SemVer,
    cell_id: Sha256Hex,
    digest: Digest,
  },
  closed,
)
export type ProbeRequest = Static<typeof ProbeRequest>

/** What the peer found. */
export const ProbeResponse = Type.Object(
  {
    type: Type.Literal('probe_response'),
    ...Correlation,
    /** Whether it looked: it does so once a minute for one peer. */
    tried: Type.Boolean(),
    /** It holds an announcement of this node with that cell. */
    announced: Type.Boolean(),
    /** This node offered the cell, and the offer verified. */
    resolved: Type.Boolean(),
    /** The last chunk arrived, and is the one that the publisher signed. */
    fetched: Type.Boolean(),
    /** Why the first of these that is false is so. */
    reason: Type.Optional(Type.String({ maxLength: LIMITS.reasonLength })),
  },
  closed,
)
export type ProbeResponse = Static<typeof ProbeResponse>
