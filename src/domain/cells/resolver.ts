import { Range } from 'semver'
import type { DeviceInfo, OptimizationPriority } from '../../../protocol/cells.ts'
import type { Requirements } from '../../../protocol/manifest.ts'
import type { Ranker } from '../../kernel/plugins/packages/rankers.ts'
import { byVersion, type Candidate, semver } from './candidate.ts'
import type { CellQuery } from './query.ts'
import { TIERS, type Tier, type TrustPolicy } from './trust.ts'
import type { Vulnerabilities } from './vulnerabilities.ts'
import type { Yanks } from './yanks.ts'

/** By which rules this node chooses. */
export interface SelectionPolicy {
  readonly trust: TrustPolicy
  /** Which cells are withdrawn. */
  readonly yanks: Pick<Yanks, 'isWithdrawn' | 'reasonOf'>
  /** Who orders cells that are equal otherwise, by priority; `default` where a request names none. */
  readonly rankers: Readonly<Record<OptimizationPriority | 'default', Ranker>>
  readonly vulnerabilities: Pick<Vulnerabilities, 'openCritical'>
}

type Rules = Pick<SelectionPolicy, 'trust' | 'yanks'>

/** A candidate that fits, with the trust in its publisher. */
export interface Ranked<C extends Candidate = Candidate> {
  readonly candidate: C
  readonly tier: Tier
}

/** A candidate that does not fit, and why. */
export interface Rejected<C extends Candidate = Candidate> {
  readonly candidate: C
  readonly reason: string
}

const ranges = new Map<string, Range>()
const MAX_RANGES = 10_000

/** The parsed form of a range that was checked before. */
export function parseRange(range: string): Range {
  let parsed = ranges.get(range)
  if (parsed === undefined) {
    parsed = new Range(range)
    if (ranges.size >= MAX_RANGES) ranges.clear()
    ranges.set(range, parsed)
  }
  return parsed
}

/** Whether a version lies in a range (npm semantics: prereleases only when the range names one). */
export const inRange = (version: string, range: string | undefined): boolean =>
  parseRange(range ?? '*').test(semver(version))

/**
 * The best of `candidates` for `query`: by publisher tier, then status, then highest offered version, then the priority's ranking,
 * then highest cell version, then the smaller id. Every node that knows the same candidates gives the same answer. `floor` is given
 * where these are only a part of what is known.
 */
export function best<C extends Candidate>(
  query: CellQuery,
  candidates: readonly C[],
  policy: SelectionPolicy,
  floor: Tier = tierFloor(query, candidates, policy),
): Ranked<C> | undefined {
  let winner: Ranked<C> | undefined
  for (const candidate of candidates) {
    const tier = policy.trust.tierOf(candidate, query)
    // Comparing two candidates costs less than finding out whether one fits.
    if (winner !== undefined && compare(query, { candidate, tier }, winner, policy) >= 0) continue
    if (misfit(query, candidate, tier, floor, policy) === undefined) winner = { candidate, tier }
  }
  return winner
}

/** All candidates: those that fit, best first, and the others with the reason. `floor` as in {@link best}. */
export function rank<C extends Candidate>(
  query: CellQuery,
  candidates: readonly C[],
  policy: SelectionPolicy,
  floor: Tier = tierFloor(query, candidates, policy),
): { fitting: Ranked<C>[]; rejected: Rejected<C>[] } {
  const fitting: Ranked<C>[] = []
  const rejected: Rejected<C>[] = []
  for (const candidate of candidates) {
    const tier = policy.trust.tierOf(candidate, query)
    const reason = misfit(query, candidate, tier, floor, policy)
    if (reason === undefined) fitting.push({ candidate, tier })
    else rejected.push({ candidate, reason })
  }
  fitting.sort((a, b) => compare(query, a, b, policy))
  return { fitting, rejected }
}

/** What decides between two candidates that fit, and in which words. */
interface Criterion {
  /** Below 0 when `a` wins. */
  readonly compare: (a: Ranked, b: Ranked, ranker: Ranker) => number
  /** Why `loser` lost to `winner`. */
  readonly words: (loser: Ranked, winner: Ranked) => string
}

/** In the order in which they count. */
const CRITERIA: readonly Criterion[] = [
  {
    compare: (a, b) => a.tier - b.tier,
    words: (loser, winner) => `its publisher is ${TIERS[loser.tier]}, the winner's is ${TIERS[winner.tier]}`,
  },
  {
    compare: (a, b) => Number(a.candidate.status !== 'active') - Number(b.candidate.status !== 'active'),
    words: ({ candidate }) => `it is ${candidate.status}, the winner is active`,
  },
  {
    compare: (a, b) => semver(b.candidate.offered).compare(semver(a.candidate.offered)),
    words: (_, { candidate }) => `the winner offers version ${candidate.offered}, which is higher`,
  },
  {
    compare: (a, b, ranker) => ranker.compare(a.candidate, b.candidate),
    words: () => 'it ranks behind the winner by what was measured and declared',
  },
  {
    compare: (a, b) => byVersion(a.candidate, b.candidate),
    words: ({ candidate }, winner) =>
      candidate.version === winner.candidate.version
        ? "all is equal, and the winner's id is smaller"
        : `the winner is version ${winner.candidate.version} of its cell, which is higher`,
  },
]

/** Below 0 when `a` wins. The order that {@link best} describes. */
export function compare(query: CellQuery, a: Ranked, b: Ranked, { rankers }: Pick<SelectionPolicy, 'rankers'>): number {
  const ranker = rankers[query.priority ?? 'default']
  for (const criterion of CRITERIA) {
    const order = criterion.compare(a, b, ranker)
    if (order !== 0) return order
  }
  return 0
}

/** Why `loser` lost to `winner`; undefined when it did not. */
export function reasonOfLoss(
  query: CellQuery,
  loser: Ranked,
  winner: Ranked,
  { rankers }: Pick<SelectionPolicy, 'rankers'>,
): string | undefined {
  const ranker = rankers[query.priority ?? 'default']
  for (const { compare, words } of CRITERIA) {
    const order = compare(loser, winner, ranker)
    if (order !== 0) return order > 0 ? words(loser, winner) : undefined
  }
  return undefined
}

/**
 * The worst tier that may win: unknown publishers only where nobody better offers the name, whatever the version. What is yanked is not
 * offered any more.
 */
export function tierFloor(query: CellQuery, candidates: readonly Candidate[], { trust, yanks }: Rules): Tier {
  for (const candidate of candidates) {
    if (trust.tierOf(candidate, query) < 3 && !isYanked(candidate, yanks)) return 2
  }
  return 3
}

/** Whether a cell is yanked, or who announces it says so. */
export const isYanked = (
  candidate: Pick<Candidate, 'id' | 'publisher' | 'status'>,
  yanks: Pick<SelectionPolicy['yanks'], 'isWithdrawn'>,
): boolean => candidate.status === 'yanked' || yanks.isWithdrawn(candidate)

/** Why a candidate does not fit; undefined when it does. */
function misfit(
  query: CellQuery,
  candidate: Candidate,
  tier: Tier,
  floor: Tier,
  { trust, yanks, vulnerabilities }: Omit<SelectionPolicy, 'rankers'>,
): string | undefined {
  const withdrawal = yanks.reasonOf(candidate)
  if (withdrawal !== undefined) return withdrawal
  if (candidate.status === 'yanked') return 'was yanked, says who announces it'
  if (!inRange(candidate.offered, query.range)) return `version ${candidate.offered} is outside ${query.range ?? '*'}`
  if (candidate.status === 'in_testing' && query.range !== candidate.offered)
    return 'is in testing: ask for its exact version'
  if (tier > floor) return `its publisher is ${TIERS[tier]}, and a publisher that this node knows offers ${query.name}`
  return (
    securityMisfit(query.securityLevel, candidate, trust, vulnerabilities) ??
    deviceMisfit(candidate.requirements, query.device)
  )
}

/** Why a security level is not reached; undefined when it is, as far as is known of a candidate. */
function securityMisfit(
  level: CellQuery['securityLevel'],
  candidate: Candidate,
  trust: TrustPolicy,
  vulnerabilities: SelectionPolicy['vulnerabilities'],
): string | undefined {
  if (level !== 'high' && level !== 'maximum') return undefined
  const critical = vulnerabilities.openCritical(candidate)
  if (critical !== undefined)
    return `security level ${level} needs a cell without open critical vulnerability, it has ${critical}`
  if (!trust.isPinned(candidate.publisher)) return `security level ${level} needs a publisher that the operator pinned`
  if (level === 'high') return undefined
  if (candidate.hybrid === false) return 'security level maximum needs a hybrid signature, with ml-dsa-65'
  if (candidate.logged === false) return 'security level maximum needs the log of the node that registered it'
  return undefined
}

/** Why a device does not do; undefined when it does, or when the device does not say. */
function deviceMisfit(needs: Requirements | undefined, device: DeviceInfo | undefined): string | undefined {
  if (needs === undefined || device === undefined) return undefined
  const { platform, memory_gb, cpu_cores, gpu_available } = device
  if (needs.platforms?.length && platform !== undefined && !needs.platforms.includes(platform)) {
    return `runs on ${needs.platforms.join(', ')}, not on ${platform}`
  }
  if (needs.memory_gb !== undefined && memory_gb !== undefined && memory_gb < needs.memory_gb) {
    return `needs ${needs.memory_gb} GB of memory, the device has ${memory_gb}`
  }
  if (needs.cpu_cores !== undefined && cpu_cores !== undefined && cpu_cores < needs.cpu_cores) {
    return `needs ${needs.cpu_cores} cores, the device has ${cpu_cores}`
  }
  if (needs.gpu === true && gpu_available === false) return 'needs a GPU'
  return undefined
}
