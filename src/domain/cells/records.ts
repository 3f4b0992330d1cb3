import type { Annotations, CellStatus, PackageReport } from '../../../protocol/annotations.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import type { OfferedCell } from '../../../protocol/rpc.ts'
import { jsonKeyspace, KEYSPACES, textKeyspace } from '../../kernel/storage/keyspaces.ts'
import type { Candidate } from './candidate.ts'

/** What only this node knows of a cell that it holds. */
export interface LocalFacts {
  readonly origin: 'registered' | 'cached'
  readonly signed_by: 'publisher' | 'provider'
  /** Who registered it; for a cached copy, the node that it came from. */
  readonly source: string
  readonly updated_at: string
  /** What opening the package found; null when it was not opened here. */
  readonly report: PackageReport | null
  /** The page of announcements that it stands on. */
  readonly page: number
}

/** A cell that this node holds. */
export interface CellRecord extends LocalFacts {
  readonly id: string
  readonly manifest: Manifest
  /** `cs1.…` */
  readonly signature: string
  readonly status: CellStatus
  readonly created_at: string
  readonly annotations: Annotations
}

/** A package on disk. */
export interface PackageRecord {
  readonly size: number
  /** Leaf digests of the chunk tree, base64url. */
  readonly chunks: string
  /** Number of cells that use it. */
  readonly refs: number
}

/** A cell type that was registered here. */
export interface TypeRecord {
  /** Who owns the name: this publisher, and for cells that this node signs, the credential that registered them. */
  readonly owner: { readonly publisher: string; readonly credential: string | null }
  /** Highest first. */
  readonly versions: readonly { version: string; id: string; created_at: string; status: CellStatus }[]
  /** Of the highest version. */
  readonly capabilities: readonly { name: string; version: string }[]
  readonly description: string
  readonly tags: readonly string[]
}

/** A cell that needs a capability. */
export interface Dependent {
  readonly id: string
  readonly cellType: string
  readonly version: string
  readonly range: string
}

export const cellTexts = textKeyspace(KEYSPACES.cells)
export const answerTexts = textKeyspace(KEYSPACES.answers)
export const types = jsonKeyspace<TypeRecord>(KEYSPACES.types)
export const postings = jsonKeyspace<Candidate[]>(KEYSPACES.postings)
export const dependents = jsonKeyspace<Dependent[]>(KEYSPACES.dependents)
export const packages = jsonKeyspace<PackageRecord>(KEYSPACES.packages)
export const packageCells = textKeyspace(KEYSPACES.packageCells)
export const counters = jsonKeyspace<number>(KEYSPACES.meta)

/** What peers are told of a cell. */
export const offeredCell = (cell: CellRecord): OfferedCell => ({
  manifest: cell.manifest,
  signature: cell.signature,
  status: cell.status,
  created_at: cell.created_at,
  annotations: cell.annotations,
})

/** Two lines: what peers are told of a cell, sent as it stands, and the local facts. JSON text has no line break of its own. */
export function encodeCell(cell: CellRecord): string {
  const { origin, signed_by, source, updated_at, report, page } = cell
  const facts: LocalFacts = { origin, signed_by, source, updated_at, report, page }
  return `${JSON.stringify(offeredCell(cell))}\n${JSON.stringify(facts)}`
}

export function decodeCell(id: string, text: string): CellRecord {
  const end = text.indexOf('\n')
  return { id, ...(JSON.parse(text.slice(0, end)) as OfferedCell), ...(JSON.parse(text.slice(end + 1)) as LocalFacts) }
}

/** The line that peers are told. */
export const offeredText = (text: string): string => text.slice(0, text.indexOf('\n'))

/** What opening a package measured, where its format has such a thing. */
export function measuredOf(report: PackageReport | null): { memoryBytes: number | null; startupMs: number | null } {
  if (report?.kind !== 'module' && report?.kind !== 'component') return { memoryBytes: null, startupMs: null }
  const { compile_ms: compileMs, start_ms: startMs, memory_after_start_bytes: memoryBytes, memory_min_bytes } = report
  return {
    memoryBytes: memoryBytes ?? memory_min_bytes,
    startupMs: compileMs === null ? null : compileMs + (startMs ?? 0),
  }
}
