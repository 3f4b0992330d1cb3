import { listKeys, mendList, mendPackageRefs, packageRefs, strayCandidates } from '../../domain/cells/index-check.ts'
import { packageCells, packages } from '../../domain/cells/records.ts'
import type { CheckedData, Looked, Mending } from './fsck.ts'

/** What is derived of cells, seen from the other side: lists that name cells which are not here, and packages that count wrongly. */
export async function* checkIndexes({ store }: CheckedData, mending: Mending | undefined): AsyncGenerator<Looked> {
  const repaired = mending !== undefined
  for await (const key of listKeys(store)) {
    const subject = `list ${key}`
    if (strayCandidates(store, key).length === 0) {
      yield { subject }
      continue
    }
    const strays = await store.transact((tx) => {
      const found = strayCandidates(tx, key)
      if (found.length > 0 && repaired) mendList(tx, key)
      return found
    })
    for (const id of strays)
      yield { subject, problem: `it names the cell ${id}, which does not belong there`, repaired }
    for (const id of strays) mending?.changed(id)
  }
  for await (const digest of store.keys(packages)) {
    const subject = `package sha256:${digest}`
    const cells = await cellsOf(digest)
    const { said, actual } = packageRefs(store, digest, cells)
    if (said === actual) {
      yield { subject }
      continue
    }
    // Cells that came or went meanwhile are seen by a transaction, once their keys were read again.
    const again = await cellsOf(digest)
    const counts = await store.transact((tx) => {
      const now = packageRefs(tx, digest, again)
      if (now.said !== now.actual && repaired) mendPackageRefs(tx, digest, again)
      return now
    })
    if (counts.said === counts.actual) continue
    yield { subject, problem: `it counts ${counts.said} cells, and has ${counts.actual}`, repaired }
  }

  async function cellsOf(digest: string): Promise<string[]> {
    const keys = await Array.fromAsync(store.keys(packageCells, { prefix: `${digest}!` }))
    return keys.map((key) => key.slice(digest.length + 1))
  }
}
