import { LIMITS } from '../../../protocol/limits.ts'
import type { CheckpointRecord, EpochRecord, EquivocationRecord } from '../../../protocol/transparency.ts'
import { fromHex } from '../../kernel/base/bytes.ts'
import type { CertifiedNote } from '../../kernel/log/certified-checkpoint.ts'
import { parseLogOrigin } from '../../kernel/log/checkpoint.ts'
import { verifyConsistency } from '../../kernel/log/verify.ts'
import type { Verdict } from '../../network/network.ts'

/** A tree that a log has committed to. */
export interface Held {
  readonly origin: string
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  /** The signed checkpoint; absent for the tree with which an epoch begins, of which only the epoch's statement speaks. */
  readonly note?: CertifiedNote
}

/** A checkpoint of which nobody has shown how it fits the newest one. `refused` once the node did not show it. */
export type Open = Held & {
  readonly note: CertifiedNote
  readonly refused?: { readonly since: number; readonly reason: string }
}

/** What is known of a log: a node's own, or the one that it has of a goal. */
export interface KnownLog {
  /** The statements that opened the node's epochs, oldest first; empty in what is known of a goal's log. */
  readonly epochs: readonly EpochRecord[]
  /** The newest checkpoint that extends every one before it. */
  readonly newest?: Held
  /** Some before it, of the same epoch. */
  readonly recent: readonly Held[]
  /** The last of earlier epochs. */
  readonly superseded: readonly Held[]
  readonly open: readonly Open[]
  /** Evidence that the node contradicted itself, in any of its logs: then nothing else counts. Absent in what is known of a goal's log. */
  readonly equivocation?: EquivocationRecord
  /** Unix milliseconds: when a checkpoint was relayed last. */
  readonly relayedAt: number
}

/** What became of a statement. */
export interface Taken {
  readonly verdict: Verdict
  /** Whether something was learned from it that others may not know. */
  readonly news: boolean
  /** Evidence that came to light with it. */
  readonly equivocation?: EquivocationRecord
}

/** That the log of `provider` must prove that `newer` extends `older`. */
export interface Question {
  readonly provider: string
  readonly older: Held
  readonly newer: Held
}

/** Earlier checkpoints of a log that are compared with what comes late, and earlier epochs of a goal's log. */
const MAX_RECENT = 3
/** Checkpoints of a log that wait for a proof. The first ones stay: they are what the node may not want to prove. */
const MAX_OPEN = 4

export const NOTHING: KnownLog = { epochs: [], recent: [], superseded: [], open: [], relayedAt: 0 }
export const IGNORED: Taken = { verdict: 'ignore', news: false }
export const REJECTED: Taken = { verdict: 'reject', news: false }
export const ACCEPTED: Taken = { verdict: 'accept', news: true }

/** Every checkpoint of the present epoch. */
export const placesOf = ({ newest, recent, open }: KnownLog): Held[] => [
  ...(newest === undefined ? [] : [newest]),
  ...recent,
  ...open,
]

export const epochOf = ({ epochs }: KnownLog): number => epochs.at(-1)?.epoch ?? 1

export const isSame = (a: Held, b: Held): boolean => a.origin === b.origin && a.size === b.size && a.root === b.root

/** What must be proven now. */
export const questionsOf = (provider: string, { newest, open }: KnownLog): Question[] =>
  newest === undefined
    ? []
    : open.map((one) =>
        one.size < newest.size ? { provider, older: one, newer: newest } : { provider, older: newest, newer: one },
      )

/** A checkpoint of the present epoch that is not known yet: what is known with it; undefined where it is not taken. */
export function withCheckpoint(
  known: KnownLog,
  found: Open,
  consistency: CheckpointRecord['consistency'],
  now: number,
): { readonly log: KnownLog; readonly taken: Taken } | undefined {
  const mayRelay = now - known.relayedAt >= LIMITS.checkpointIntervalMs
  if (!mayRelay && known.open.length >= MAX_OPEN) return undefined
  const relayedAt = mayRelay ? now : known.relayedAt
  const taken: Taken = mayRelay ? ACCEPTED : { verdict: 'ignore', news: true }
  const { newest } = known
  if (newest === undefined) return { log: { ...known, newest: found, relayedAt }, taken }
  if (found.size > newest.size && consistency?.from === newest.size && extendsIt(newest, found, consistency.hashes)) {
    return { log: { ...known, ...grown(known, newest, found), relayedAt }, taken }
  }
  const open = [...known.open.slice(0, MAX_OPEN - 1), found]
  if (found.size < newest.size) return { log: { ...known, open }, taken: { verdict: 'ignore', news: true } }
  return { log: { ...known, open, relayedAt }, taken }
}

/** What is known once a question was answered with a proof that holds; undefined for one that does not. */
export function withProof(
  log: KnownLog,
  { older, newer }: Question,
  placed: Held,
  hashes: readonly string[],
): KnownLog | undefined {
  if (!extendsIt(older, newer, hashes)) return undefined
  const open = log.open.filter((one) => !isSame(one, placed))
  return { ...log, ...(placed === newer ? grown(log, older, newer) : {}), open }
}

/** A node's goals' logs go on in its new epoch under another origin, each from its first checkpoint there. */
export function inEpoch(log: KnownLog, epoch: number): KnownLog {
  const { newest, superseded, relayedAt } = log
  if (newest === undefined || parseLogOrigin(newest.origin)?.epoch === epoch) return log
  return { ...NOTHING, superseded: [newest, ...superseded].slice(0, MAX_RECENT), relayedAt }
}

const grown = ({ recent }: KnownLog, older: Held, newer: Held) => ({
  newest: newer,
  recent: [older, ...recent].slice(0, MAX_RECENT),
})

const extendsIt = (older: Held, newer: Held, hashes: readonly string[]): boolean =>
  verifyConsistency(
    { from: older.size, fromRoot: fromHex(older.root), to: newer.size, toRoot: fromHex(newer.root) },
    hashes.map(fromHex),
  )
