import type { FsckFinding, FsckLine, FsckStage } from '../../../protocol/upkeep.ts'
import type { BlobStore } from '../../kernel/plugins/packages/blob-stores.ts'
import type { Store } from '../../kernel/storage/store.ts'
import { checkCells } from './fsck-cells.ts'
import { checkIndexes } from './fsck-indexes.ts'
import { checkLogRecords } from './fsck-logs.ts'
import { checkPackages } from './fsck-packages.ts'
import { checkRecords } from './fsck-records.ts'
import { checkYanks } from './fsck-yanks.ts'

/** What a check reads. Of a node that does not run, these three are opened by themselves. */
export interface CheckedData {
  readonly store: Store
  readonly blobs: Pick<BlobStore, 'open' | 'digests'>
  readonly network: string
  readonly providerId: string
  readonly signal: AbortSignal
}

/** What can be mended. */
export interface Mending {
  /** Brings the package of a digest (hexadecimal) from a peer in place of the damaged one. Rejects when nobody has it. */
  fetch?: (digest: string) => Promise<void>
  /** Told of cells whose derived records were made anew. */
  changed(cellId: string): void
}

/** Something that was looked at; with what is wrong with it, if anything is. */
export interface Looked {
  readonly subject: string
  readonly problem?: string
  readonly repaired?: boolean
}

/** Things that are looked at between two lines that say how far the check is. */
const PROGRESS_EVERY = 1000

const STAGES: readonly [FsckStage, (data: CheckedData, mending: Mending | undefined) => AsyncIterable<Looked>][] = [
  ['logs', checkLogRecords],
  ['records', checkRecords],
  ['cells', checkCells],
  ['indexes', checkIndexes],
  ['yanks', checkYanks],
  ['packages', checkPackages],
]

/**
 * Looks at everything that this node holds: logs leaf by leaf, keys of records, manifests and signatures of cells, what is derived of them, yanks, and
 * every byte of every package. With `mending`, what can be mended is. What changes meanwhile is looked at again before it is called wrong.
 */
export async function* fsck(data: CheckedData, mending?: Mending): AsyncGenerator<FsckLine> {
  const checked: Partial<Record<FsckStage, number>> = {}
  let findings = 0
  let repairs = 0
  for (const [stage, check] of STAGES) {
    let count = 0
    for await (const { subject, problem, repaired = false } of check(data, mending)) {
      data.signal.throwIfAborted()
      if (problem === undefined) {
        if (++count % PROGRESS_EVERY === 0) yield { type: 'progress', stage, checked: count }
        continue
      }
      findings++
      if (repaired) repairs++
      yield { type: 'finding', stage, subject, problem, repaired } satisfies FsckFinding
    }
    checked[stage] = count
    yield { type: 'progress', stage, checked: count }
  }
  yield { type: 'summary', checked: checked as Record<string, number>, findings, repaired: repairs }
}
