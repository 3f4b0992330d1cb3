import type { LogEvidence } from '../../../protocol/log.ts'
import type { CellDetails } from '../../../protocol/repository.ts'
import type { KnownYank } from '../../../protocol/yank.ts'
import { decodeSignatureToken } from '../../kernel/identity/manifest-signature.ts'
import { type CellRecord, measuredOf } from './records.ts'

const MEBIBYTE = 1024 * 1024

/** Provider API, "Get Cell Details". What nothing measured is null. `log` proves its registration, `yanks` is all that was said of a yank. */
export function cellDetails(cell: CellRecord, log: LogEvidence | null, yanks: KnownYank[]): CellDetails {
  const { manifest, annotations, report } = cell
  const { memoryBytes: memory, compileMs } = measuredOf(report)
  return {
    cell_id: cell.id,
    cell_type: manifest.cell_type,
    version: manifest.version,
    description: annotations.description ?? '',
    tags: annotations.tags ?? [],
    status: yanks.some(({ yanked }) => yanked) ? 'yanked' : cell.status,
    yanks,
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
      security_rating: null,
      vulnerabilities: [],
      last_security_audit: null,
      log,
    },
    performance: {
      typical_memory_mb: memory == null ? (annotations.performance?.typical_memory_mb ?? null) : memory / MEBIBYTE,
      typical_startup_ms: compileMs ?? annotations.performance?.typical_startup_ms ?? null,
      benchmark_results: {},
    },
    analysis: report,
    statistics: { total_requests: null, active_deployments: null, average_rating: null },
  }
}
