import { LIMITS } from '../../protocol/limits.ts'
import type { Manifest } from '../../protocol/manifest.ts'

/** Names of one length, so that requests and answers of one kind have one length too. */
export const numbered = (number: number): string => String(number).padStart(6, '0')
export const cellName = (number: number): string => `bench-cell-${numbered(number)}`
export const capabilityName = (number: number): string => `bench.capability-${numbered(number)}`

/** The manifest of a cell of a benchmark. */
export function manifestFor(cell: {
  publisher: string
  cellType: string
  capability: string
  version: string
  package: { digest: string; size: number; chunksRoot: string }
}): Manifest {
  const { digest, size, chunksRoot } = cell.package
  return {
    format: 1,
    publisher: cell.publisher,
    cell_type: cell.cellType,
    version: cell.version,
    capabilities: [{ name: cell.capability, version: cell.version, description: 'Maps positions in generated code' }],
    dependencies: [],
    requirements: {},
    packaging_format: 'wasm',
    media_type: 'application/wasm',
    labels: {},
    package: { digest: `sha256:${digest}`, size, chunk_size: LIMITS.chunkBytes, chunks_root: chunksRoot },
  }
}
