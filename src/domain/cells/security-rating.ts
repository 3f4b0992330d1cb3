import type { PackageReport } from '../../../protocol/annotations.ts'
import type { Severity } from '../../../protocol/vulnerabilities.ts'
import type { Candidate } from './candidate.ts'
import type { CellRecord } from './records.ts'
import type { TrustPolicy } from './trust.ts'
import type { Vulnerabilities } from './vulnerabilities.ts'

/** Best first; E is for open critical vulnerabilities alone. */
export type SecurityRating = 'A' | 'B' | 'C' | 'D' | 'E'
const BY_STEPS: readonly SecurityRating[] = ['A', 'B', 'C', 'D']

/** Letters that the worst open vulnerability costs. */
const VULNERABILITY_STEPS: Readonly<Record<Exclude<Severity, 'critical'>, number>> = { low: 1, medium: 2, high: 3 }

/** Imports of the longest WASI worlds are a fifth of this; reports cut longer lists, so what is beyond is not known. */
const MAX_WASI_IMPORTS = 1000

/** By what else a rating changes while the cell stays the same. */
export interface RatingPolicy {
  readonly trust: Pick<TrustPolicy, 'isPinned'>
  readonly vulnerabilities: Pick<Vulnerabilities, 'worstOpen'>
}

/**
 * The letters that a cell loses for what does not change while it is here; null for one whose package was not opened here, which has no
 * rating:
 *
 * - 1 when this node signed it in its publisher's place,
 * - of WebAssembly, 1 for an import outside WASI, and 1 when no maximum of its memory is known,
 * - 2 for containers, archives and the formats of plugins: what they will ask for shows only when they run. Documents do not run.
 */
export function fixedSteps({ report, signed_by }: Pick<CellRecord, 'report' | 'signed_by'>): number | null {
  if (report === null) return null
  return (signed_by === 'provider' ? 1 : 0) + packageSteps(report)
}

/**
 * A cell starts at A and goes down a letter for each step, to D at most: its {@link fixedSteps}, 1 when the operator has not pinned its
 * publisher, and 1, 2 or 3 when the worst open vulnerability that is known of it is low, medium or high. With an open critical one it is E.
 */
export function securityRating(
  steps: number | null,
  cell: Pick<Candidate, 'id' | 'publisher' | 'cellType' | 'version' | 'digest'>,
  { trust, vulnerabilities }: RatingPolicy,
): SecurityRating | null {
  if (steps === null) return null
  const worst = vulnerabilities.worstOpen(cell)
  if (worst === 'critical') return 'E'
  const unpinned = trust.isPinned(cell.publisher) ? 0 : 1
  return BY_STEPS[steps + unpinned + (worst === undefined ? 0 : VULNERABILITY_STEPS[worst])] ?? 'D'
}

function packageSteps(report: PackageReport): number {
  if (report.kind === 'document') return 0
  if (report.kind !== 'module' && report.kind !== 'component') return 2
  const { imports, memory_max_bytes: max } = report
  const onlyWasi = imports.length < MAX_WASI_IMPORTS && imports.every(isWasi)
  return (onlyWasi ? 0 : 1) + (max === null ? 1 : 0)
}

/** Modules import from `wasi_snapshot_preview1` and the like; components interfaces such as `wasi:io/streams@0.2.0`, from no module. */
const isWasi = ({ module, name }: { module: string; name: string }): boolean =>
  module === '' ? name.startsWith('wasi:') : /^wasi(_|:)/.test(module)
