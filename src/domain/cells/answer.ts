import type { CellAnswer, PublisherTrust } from '../../../protocol/cells.ts'
import { type CellRecord, measuredOf } from './records.ts'

/**
 * A cell's answer as final JSON in two halves: `before + origin + after` is the `cell` object, where `origin` is the base URL of
 * the node as the client sees it, without a slash at the end. Stored so, because building 1 KB of JSON costs more than finding it.
 */
export interface CellAnswerText {
  readonly before: string
  readonly after: string
}

const MEBIBYTE = 1024 * 1024

/** What an answer says of a cell that `provider` offers, without the origin of its URL and the trust in its publisher. */
export function answerText(
  cell: Pick<CellRecord, 'id' | 'manifest' | 'signature' | 'created_at' | 'annotations' | 'report'>,
  provider: string,
): string {
  const { manifest, annotations, report } = cell
  const { memoryBytes: memory, compileMs } = measuredOf(report)
  const head = {
    cell_id: cell.id,
    cell_type: manifest.cell_type,
    capability: manifest.capabilities[0]!.name,
    version: manifest.version,
    signature: cell.signature,
    packaging_format: manifest.packaging_format,
    size_bytes: manifest.package.size,
  }
  const tail: Omit<CellAnswer, keyof typeof head | 'download_url' | 'publisher_trust'> = {
    digest: manifest.package.digest,
    publisher: manifest.publisher,
    metadata: {
      provider,
      created_at: cell.created_at,
      description: annotations.description ?? '',
      security_rating: null,
      performance_characteristics: {
        typical_memory_mb: memory == null ? (annotations.performance?.typical_memory_mb ?? null) : memory / MEBIBYTE,
        typical_startup_ms: compileMs ?? annotations.performance?.typical_startup_ms ?? null,
      },
      capabilities: manifest.capabilities.map(({ name, version }) => ({ name, version })),
      dependencies: manifest.dependencies,
    },
    manifest,
  }
  const before = `${JSON.stringify(head).slice(0, -1)},"download_url":"`
  const after = `/api/v1/cells/packages/${manifest.package.digest}",${JSON.stringify(tail).slice(1, -1)},"publisher_trust":"`
  return `${before}\n${after}`
}

/** Completes a stored answer, and adds further fields to it. */
export function finishAnswer(
  text: string,
  trust: PublisherTrust,
  more?: Pick<CellAnswer, 'log' | 'stale'>,
): CellAnswerText {
  const end = text.indexOf('\n')
  const added = more === undefined ? '}' : `,${JSON.stringify(more).slice(1)}`
  return { before: text.slice(0, end), after: `${text.slice(end + 1)}${trust}"${added}` }
}

/** The answer as an object. Its `download_url` starts at the root of the node. */
export const parseAnswer = ({ before, after }: CellAnswerText): CellAnswer => JSON.parse(`${before}${after}`)
