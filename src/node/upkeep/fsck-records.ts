import { keyspaceOf } from '../../kernel/storage/keyspaces.ts'
import type { CheckedData, Looked } from './fsck.ts'

/** Every record of the store: whether it can be read, and is of a kind that there is. */
export async function* checkRecords({ store }: CheckedData): AsyncGenerator<Looked> {
  const snapshot = store.snapshot()
  try {
    for await (const [key] of snapshot.entries()) {
      const subject = `record ${JSON.stringify(key.slice(0, 80))}`
      if (keyspaceOf(key) === undefined) yield { subject, problem: 'no release had such records' }
      else yield { subject }
    }
  } finally {
    await snapshot.close()
  }
}
