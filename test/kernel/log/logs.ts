import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { utf8 } from '../../../src/kernel/base/bytes.ts'
import type { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import { Store } from '../../../src/kernel/storage/store.ts'

/** A real store in a folder that is removed when the test ends. */
export async function temporaryStore(t: {
  after(end: () => Promise<void>): void
}): Promise<{ store: Store; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'cytoplex-log-'))
  const store = await Store.open(join(directory, 'store'), { createIfMissing: true })
  t.after(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  return { store, directory: join(directory, 'store') }
}

/** The leaf that `fill` appends at `index`. */
export const leafAt = (index: number): Uint8Array => utf8(`{"act":"register","n":${index}}`)

/** Appends numbered leaves until the log has `size`, in one transaction. */
export async function fill(store: Store, log: MerkleLog, size: number): Promise<void> {
  await store.transact((tx) => {
    for (let i = log.size; i < size; i++) log.append(tx, leafAt(i))
  })
}

/** The same by one call, so that they are kept in runs. */
export async function fillAtOnce(store: Store, log: MerkleLog, size: number): Promise<void> {
  const from = log.size
  await store.transact((tx) =>
    log.appendAll(
      tx,
      Array.from({ length: size - from }, (_, i) => leafAt(from + i)),
    ),
  )
}
