/**
 * Why a peer did not serve.
 * - `unreachable`: no connection, or it was lost before the answer came
 * - `busy`: too many requests under way, there or here
 * - `bad_request`, `internal`: what the peer answered
 * - `violation`: the peer broke the protocol; the stream was aborted
 */
export type PeerErrorCode = 'unreachable' | 'busy' | 'bad_request' | 'internal' | 'violation'

/** A peer did not do what it was asked for. Deadlines are not of this kind: they throw the reason of the caller's signal. */
export class PeerError extends Error {
  override readonly name = 'PeerError'
  readonly code: PeerErrorCode

  constructor(code: PeerErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.code = code
  }
}

/** Thrown by a handler: why this node does not answer a peer's request. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: 'busy' | 'bad_request'

  constructor(code: Refusal['code'], message: string) {
    super(message)
    this.code = code
  }
}
