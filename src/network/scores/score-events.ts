/** What a peer did, as far as its score is concerned. */
export type ScoreEvent =
  | 'valid_message'
  | 'valid_contribution'
  | 'sync_success'
  | 'invalid_message'
  | 'invalid_contribution'
  | 'rate_limit'
  | 'protocol_violation'
  | 'sync_failure'

/**
 * What each event adds. Only failures that every honest node would see as one (schema, signature, size, rate) may be recorded: a verdict that
 * depends on a node's clock or history must not cost a peer its score.
 */
export const SCORE_OF: Readonly<Record<ScoreEvent, number>> = {
  valid_message: 0.1,
  valid_contribution: 1,
  sync_success: 5,
  invalid_message: -5,
  invalid_contribution: -10,
  rate_limit: -10,
  protocol_violation: -20,
  sync_failure: -5,
}

/** The score of a peer of which nothing is known, to which every other decays. */
export const START_SCORE = 100
export const LOWEST_SCORE = 0
export const HIGHEST_SCORE = 200
/** Below it, whatever else a peer does wrong disconnects it. It may come back, and is banned when it goes on. */
export const DISCONNECT_BELOW = 30
/** Below it, a peer is banned. */
export const BAN_BELOW = 10
/** From it on, a peer counts as trusted. */
export const TRUSTED_FROM = 150
/** Milliseconds that a ban lasts when nothing else is said. */
export const BAN_MS = 24 * 3600 * 1000
/** Milliseconds in which the distance to the start halves: from just above a ban, a peer is back above 30 after 22 minutes; a good name lasts for hours. */
export const HALF_LIFE_MS = 3600 * 1000

/** A score after it was left alone for `elapsed` milliseconds. */
export function decayed(score: number, elapsed: number): number {
  if (elapsed <= 0) return score
  return START_SCORE + (score - START_SCORE) * 0.5 ** (elapsed / HALF_LIFE_MS)
}
