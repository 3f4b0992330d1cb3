import { CellIndex } from '../../domain/cells/cell-index.ts'
import { cellIndexProblems, mendCellIndex } from '../../domain/cells/index-check.ts'
import { type CellRecord, cellTexts, decodeCell } from '../../domain/cells/records.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { manifestDigest, parseManifest, verifyManifest } from '../../kernel/identity/manifest-signature.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import type { CheckedData, Looked, Mending } from './fsck.ts'

/** Every cell: its manifest, its publisher's signature, and what is derived of it. */
export async function* checkCells(data: CheckedData, mending: Mending | undefined): AsyncGenerator<Looked> {
  const { store, network } = data
  for await (const [id, text] of store.scan(cellTexts)) {
    const subject = `cell ${id}`
    let cell: CellRecord
    try {
      cell = decodeCell(id, text)
      const manifest = parseManifest(cell.manifest)
      if (manifestDigest(manifest) !== id) throw new Error('its manifest is that of another cell')
      verifyManifest(nativeVerifier, network, manifest, cell.signature)
    } catch (error) {
      yield { subject, problem: `it does not verify: ${errorMessage(error)}` }
      continue
    }
    if (cellIndexProblems(store, cell).length > 0) yield* await lookAgain(data, mending, id)
    else yield { subject: `${cell.manifest.cell_type}@${cell.manifest.version}` }
  }
}

/** What was seen between two writes may be no problem: a transaction sees it whole. */
async function lookAgain(
  { store, providerId }: CheckedData,
  mending: Mending | undefined,
  id: string,
): Promise<Looked[]> {
  const index = new CellIndex(store, providerId)
  const problems = await store.transact((tx) => {
    const cell = index.get(id, tx)
    if (cell === undefined) return []
    const found = cellIndexProblems(tx, cell)
    if (found.length > 0 && mending !== undefined) mendCellIndex(tx, cell, providerId)
    return found
  })
  const repaired = mending !== undefined
  if (repaired && problems.length > 0) mending.changed(id)
  return problems.map((problem) => ({ subject: `cell ${id}`, problem, repaired }))
}
