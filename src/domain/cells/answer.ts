import type { CellAnswer, PublisherTrust } from '../../../protocol/cells.ts'
import { type CellRecord, measuredOf } from './records.ts'
import { fixedSteps, type SecurityRating } from './security-rating.ts'

/**
 * A cell's answer as final JSON in two halves: `before + origin + after` is the `cell` object, where `origin` is the base URL of
 * the node as the client sees it, without a slash at the end. Stored so, because building 1 KB of JSON costs more than finding it.
 */
export interface CellAnswerText {
  readonly before: string
  readonly after: string
}

const MEBIBYTE = 1024 * 1024

/**
 * What stays of an answer: everything but the origin of its URL (after `before`), the cell's security rating (after `middle`), and the trust
 * in its publisher (after `after`). An operator's pin or a vulnerability changes the latter two at once.
 */
export interface AnswerParts {
  readonly before: string
  readonly middle: string
  readonly after: string
  /** What the rating starts from; see `fixedSteps`. */
  readonly steps: number | null
}

/** What an answer says of a cell that `provider` offers. */
export function answerParts(
  cell: Pick<CellRecord, 'id' | 'manifest' | 'signature' | 'created_at' | 'annotations' | 'report' | 'signed_by'>,
  provider: string,
): AnswerParts {
  const { manifest, annotations, report } = cell
  const { memoryBytes: memory, startupMs } = measuredOf(report)
  const head = {
    cell_id: cell.id,
    cell_type: manifest.cell_type,
    capability: manifest.capabilities[0]!.name,
    version: manifest.version,
    signature: cell.signature,
    packaging_format: manifest.packaging_format,
    size_bytes: manifest.package.size,
  }
  const metadata: Omit<CellAnswer['metadata'], 'security_rating'> = {
    provider,
    created_at: cell.created_at,
    description: annotations.description ?? '',
    performance_characteristics: {
      typical_memory_mb: memory == null ? (annotations.performance?.typical_memory_mb ?? null) : memory / MEBIBYTE,
      typical_startup_ms: startupMs ?? annotations.performance?.typical_startup_ms ?? null,
    },
    capabilities: manifest.capabilities.map(({ name, version }) => ({ name, version })),
    dependencies: manifest.dependencies,
  }
  const rest: Omit<CellAnswer, keyof typeof head | 'download_url' | 'publisher_trust' | 'metadata'> = {
    digest: manifest.package.digest,
    publisher: manifest.publisher,
    manifest,
  }
  const url = `/api/v1/cells/packages/${manifest.package.digest}"`
  return {
    before: `${JSON.stringify(head).slice(0, -1)},"download_url":"`,
    middle: `${url},${JSON.stringify(rest).slice(1, -1)},"metadata":${JSON.stringify(metadata).slice(0, -1)},"security_rating":`,
    after: '},"publisher_trust":"',
    steps: fixedSteps(cell),
  }
}

/** The parts as they are stored: a line each. JSON text has no line break of its own. */
export const encodeAnswer = ({ before, middle, after, steps }: AnswerParts): string =>
  `${before}\n${middle}\n${after}\n${steps ?? ''}`

/** Undefined for what a release without ratings stored. */
export function decodeAnswer(text: string): AnswerParts | undefined {
  const [before, middle, after, steps] = text.split('\n')
  if (before === undefined || middle === undefined || after === undefined || steps === undefined) return undefined
  return { before, middle, after, steps: steps === '' ? null : Number(steps) }
}

/** Completes an answer, and adds further fields to it. */
export function finishAnswer(
  { before, middle, after }: AnswerParts,
  trust: PublisherTrust,
  rating: SecurityRating | null,
  more: Pick<CellAnswer, 'log' | 'stale'> = {},
): CellAnswerText {
  const fields = JSON.stringify(more).slice(1)
  const added = fields === '}' ? fields : `,${fields}`
  return { before, after: `${middle}${rating === null ? 'null' : `"${rating}"`}${after}${trust}"${added}` }
}

/** The answer as an object. Its `download_url` starts at the root of the node. */
export const parseAnswer = ({ before, after }: CellAnswerText): CellAnswer => JSON.parse(`${before}${after}`)
