import { Range } from 'semver'
import type { DeviceInfo, OptimizationPriority } from '../../../protocol/cells.ts'
import type { Requirements } from '../../../protocol/manifest.ts'
import type { Ranker } from '../../kernel/plugins/packages/rankers.ts'
import { byVersion, type Candidate, semver } from './candidate.ts'
import type { CellQuery } from './query.ts'
import { TIERS, type Tier, type TrustPolicy } from './trust.ts'
import type { Vulnerabilities } from './vulnerabilities.ts'

/** By which rules this node chooses. */
export interface SelectionPolicy {
  readonly trust: TrustPolicy
  /** Who orders cells that are equal otherwise, by priority; `default` where a request names none. */
  readonly rankers: Readonly<Record<OptimizationPriority | 'default', Ranker>>
  readonly vulnerabilities: Pick<Vulnerabilities, 'openCritical'>
}

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
  floor: Tier = tierFloor(query, candidates, policy.trust),
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
  floor: Tier = tierFloor(query, candidates, policy.trust),
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

/** Below 0 when `a` wins. The order that {@link best} describes. */
export function compare(query: CellQuery, a: Ranked, b: Ranked, { rankers }: Pick<SelectionPolicy, 'rankers'>): number {
  return (
    a.tier - b.tier ||
    Number(a.candidate.status !== 'active') - Number(b.candidate.status !== 'active') ||
    semver(b.candidate.offered).compare(semver(a.candidate.offered)) ||
    rankers[query.priority ?? 'default'].compare(a.candidate, b.candidate) ||
    byVersion(a.candidate, b.candidate)
  )
}

/** The worst tier that may win: unknown publishers only where nobody better offers the name, whatever the version. */
export function tierFloor(query: CellQuery, candidates: readonly Candidate[], trust: TrustPolicy): Tier {
  for (const candidate of candidates) if (trust.tierOf(candidate, query) < 3) return 2
  return 3
}

/** Why a candidate does not fit; undefined when it does. */
function misfit(
  query: CellQuery,
  candidate: Candidate,
  tier: Tier,
  floor: Tier,
  { trust, vulnerabilities }: SelectionPolicy,
): string | undefined {
  if (!inRange(candidate.offered, query.range)) return `version ${candidate.offered} is outside ${query.range ?? '*'}`
  if (candidate.status === 'in_testing' && query.range !== candidate.offered)
    return 'is in testing: ask for its exact version'
  if (tier > floor) return `its publisher is ${TIERS[tier]}, and a publisher that this node knows offers ${query.name}`
  if (query.securityLevel === 'high' || query.securityLevel === 'maximum') {
    const critical = vulnerabilities.openCritical(candidate)
    if (critical !== undefined) {
      return `security level ${query.securityLevel} needs a cell without open critical vulnerability, it has ${critical}`
    }
  }
  if (query.securityLevel === 'high' && !trust.isPinned(candidate.publisher)) {
    return 'security level high needs a publisher that the operator pinned'
  }
  if (query.securityLevel === 'maximum')
    return 'security level maximum needs a proof from a transparency log, which this node has none of'
  return deviceMisfit(candidate.requirements, query.device)
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
