/** What the event stream may cost. */
export interface EventStreamLimits {
  /** Connections at once, in all and of one address (IPv6: of one /64). */
  readonly connections: number
  readonly connectionsPerAddress: number
  /** Events of this run that are kept for those who read slowly or come back. */
  readonly kept: number
  /** Bytes that may wait in one connection's socket. */
  readonly queuedBytes: number
  /** What a client may send. */
  readonly messages: { readonly perSecond: number; readonly burst: number }
  /** Messages that asking for missed events counts as, beside itself. */
  readonly replayCost: number
  /** Milliseconds between two signs of life. */
  readonly heartbeatMs: number
  /** Heartbeats that a client may listen to nothing. */
  readonly idleBeats: number
  /** Milliseconds between two samples of the traffic, while somebody listens to them. */
  readonly sampleMs: number
}

/**
 * Memory at most: 256 sockets with 256 KiB each are 64 MiB, 16,384 events of usually 500 bytes 16 MiB, once as an object and once as text. A
 * thousand contributions per second stay for sixteen seconds.
 */
export const EVENT_STREAM_LIMITS: EventStreamLimits = {
  connections: 256,
  connectionsPerAddress: 32,
  kept: 16_384,
  queuedBytes: 256 * 1024,
  messages: { perSecond: 10, burst: 64 },
  replayCost: 29,
  heartbeatMs: 30_000,
  idleBeats: 2,
  sampleMs: 2000,
}
