import type { ContributionPack } from '../../protocol/contribution.ts'
import type { ContributionVerdict, Goal, GoalTerms, LeaderboardEntry } from '../../protocol/goal.ts'
import type { MmrPath } from '../kernel/log/verify.ts'

/** A goal as this node knows it. */
export interface KnownGoal {
  readonly goal: Goal
  /** SHA-256 of the record, lower-case hexadecimal: what contributions name. */
  readonly digest: string
  /** Whether this node works for it. */
  readonly joined: boolean
}

/** A contribution as somebody submits it; the record is made from it. */
export interface Submission {
  readonly goal_id: string
  readonly agent_pack: Pick<ContributionPack, 'version' | 'parameters' | 'metadata'>
  readonly proofs?: ContributionPack['proofs']
  readonly contributor_id: string
  /** base64url; with the signature over the contribution's record (context `contribution`). */
  readonly public_key: string
  readonly signature: string
  readonly work?: string
  /** Echoed; seeds come from the goal. */
  readonly seed?: number
}

/** Counts and roots of a goal at this node. Roots are lower-case hexadecimal. */
export interface GoalStatus {
  readonly goal_id: string
  readonly log_size: number
  readonly leaderboard_size: number
  readonly total_contributions: number
  readonly accepted_contributions: number
  readonly rejected_contributions: number
  readonly log_root: string
  readonly leaderboard_root: string
  /** Of the set of contributions that nodes share: the same on all that have the same. */
  readonly set_root: string
}

/** A leaf of a goal's log. */
export interface GoalLogEntry {
  readonly log_index: number
  readonly leaf_hash: string
  /** RFC 8785 text of `{goal, contributor_id, pack_hash, score, metrics}`. */
  readonly leaf: string
}

/** That a leaf is in a goal's log, in both shapes. */
export interface GoalProof extends MmrPath {
  readonly log_index: number
  readonly leaf: string
  readonly leafHash: Uint8Array
  /** Leaves of the log. */
  readonly size: number
  readonly root: Uint8Array
  /** RFC 9162 path, the leaf's sibling first. */
  readonly inclusion: readonly Uint8Array[]
}

/**
 * Goals: what nodes optimise together. Methods that take a goal's id throw `ProviderError` with status 404 for one that is not known here, and
 * those marked so for one that this node has not joined (409).
 */
export interface Goals {
  /** Signs and keeps a goal, joins it, and tells the federation. Durable when it resolves. Throws `PROV_001` for terms that do not fit, `PROV_007` for an id that is taken. */
  create(terms: GoalTerms, by: string): Promise<KnownGoal>
  /** Known goals, by id. */
  list(): KnownGoal[]
  get(goalId: string): KnownGoal
  /** From now on this node evaluates, keeps and relays its contributions. Durable and logged when it resolves. */
  join(goalId: string, by: string): Promise<KnownGoal>
  leave(goalId: string, by: string): Promise<KnownGoal>
  /** Judges a contribution (joined goals). What it says of itself never throws but is in the verdict; throws `PROV_013` where it comes too fast. */
  contribute(submission: Submission): Promise<ContributionVerdict>
  /** Best first; `total` counts all entries. (Joined goals.) */
  leaderboard(goalId: string, limit: number): { readonly entries: readonly LeaderboardEntry[]; readonly total: number }
  status(goalId: string): GoalStatus
  /** Leaves from `from` on, at most `limit`. */
  log(goalId: string, page: { readonly from: number; readonly limit: number }): Promise<GoalLogEntry[]>
  /** The best entry; null where there is none. */
  policy(goalId: string): LeaderboardEntry | null
  /** Throws `ProviderError` with status 404 and `Log index X out of bounds [0, N)`. */
  proof(goalId: string, logIndex: number): Promise<GoalProof>
}
