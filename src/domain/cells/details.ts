import type { LogEvidence } from '../../../protocol/log.ts'
import type { CellDetails } from '../../../protocol/repository.ts'
import type { KnownYank } from '../../../protocol/yank.ts'
import { decodeSignatureToken } from '../../kernel/identity/manifest-signature.ts'
import { type CellRecord, measuredOf } from './records.ts'
import { fixedSteps, type RatingPolicy, securityRating } from './security-rating.ts'
import type { Vulnerabilities } from './vulnerabilities.ts'

const MEBIBYTE = 1024 * 1024

/** What is known beside a cell's record. */
export interface DetailsContext extends Pick<RatingPolicy, 'trust'> {
  readonly vulnerabilities: Pick<Vulnerabilities, 'of' | 'worstOpen'>
  /** What reports of its use add up to. */
  readonly statistics: { readonly totalRequests: number | null; readonly activeDeployments: number | null }
  /** All that was said of a yank. */
  readonly yanks: KnownYank[]
  /** Proves its registration. */
  readonly log: LogEvidence | null
}

/** Provider API, "Get Cell Details". What nothing measured is null. */
export function cellDetails(cell: CellRecord, context: DetailsContext): CellDetails {
  const { manifest, annotations, report } = cell
  const { memoryBytes: memory, startupMs } = measuredOf(report)
  const named = {
    id: cell.id,
    publisher: manifest.publisher,
    cellType: manifest.cell_type,
    version: manifest.version,
    digest: manifest.package.digest,
  }
  const known = context.vulnerabilities.of(named)
  const opened = report === null ? [] : [cell.created_at]
  return {
    cell_id: cell.id,
    cell_type: manifest.cell_type,
    version: manifest.version,
    description: annotations.description ?? '',
    tags: annotations.tags ?? [],
    status: context.yanks.some(({ yanked }) => yanked) ? 'yanked' : cell.status,
    yanks: context.yanks,
    capabilities: manifest.capabilities,
    dependencies: manifest.dependencies,
    digest: manifest.package.digest,
    publisher: manifest.publisher,
    signed_by: cell.signed_by,
    manifest,
    metadata: {
      created_at: cell.created_at,
      created_by: manifest.publisher,
      updated_at: cell.updated_at,
      size_bytes: manifest.package.size,
      license: annotations.license ?? null,
      documentation_url: annotations.documentation_url ?? null,
      repository_url: annotations.repository_url ?? null,
      issue_tracker_url: annotations.issue_tracker_url ?? null,
    },
    security: {
      signature_algorithm: decodeSignatureToken(cell.signature)
        .signatures.map(({ algorithm }) => algorithm)
        .join('+'),
      signature: cell.signature,
      security_rating: securityRating(fixedSteps(cell), named, context),
      vulnerabilities: known.map(({ id, severity, description, mitigated }) => ({
        id,
        severity,
        description,
        mitigated,
      })),
      last_security_audit: [...opened, ...known.map(({ recorded_at }) => recorded_at)].sort().at(-1) ?? null,
      log: context.log,
    },
    performance: {
      typical_memory_mb: memory == null ? (annotations.performance?.typical_memory_mb ?? null) : memory / MEBIBYTE,
      typical_startup_ms: startupMs ?? annotations.performance?.typical_startup_ms ?? null,
      benchmark_results: {},
    },
    analysis: report,
    statistics: {
      total_requests: context.statistics.totalRequests,
      active_deployments: context.statistics.activeDeployments,
      average_rating: null,
    },
  }
}
