import type { GarbageReport } from '../../../protocol/upkeep.ts'
import type { BlobStore } from '../../kernel/plugins/packages/blob-stores.ts'
import { KEYSPACES, type KeyspaceNumber, textKeyspace } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'

/** What garbage is looked for in. */
export interface GarbageParts {
  readonly store: Store
  readonly blobs: Pick<BlobStore, 'digests' | 'open' | 'removeUnless'>
  /** Whether a record names a package. */
  readonly isPackageNamed: (digest: string) => boolean
  readonly signal: AbortSignal
}

/** Records that belong to another one, whose key theirs begin with, up to the first `!`. Without it nobody can reach them. */
const OWNED: readonly { readonly what: string; readonly space: KeyspaceNumber; readonly owner: KeyspaceNumber }[] = [
  { what: 'conversations without session', space: KEYSPACES.conversations, owner: KEYSPACES.sessions },
  { what: 'turns without session', space: KEYSPACES.turns, owner: KEYSPACES.sessions },
  { what: 'agent states without session', space: KEYSPACES.agentStates, owner: KEYSPACES.sessions },
  { what: 'summaries without session', space: KEYSPACES.summaries, owner: KEYSPACES.sessions },
  { what: 'vectors without session', space: KEYSPACES.vectors, owner: KEYSPACES.sessions },
  { what: 'session keys without session', space: KEYSPACES.sessionKeys, owner: KEYSPACES.sessions },
  { what: 'pieces without export', space: KEYSPACES.exportPieces, owner: KEYSPACES.exports },
  { what: 'questions without batch', space: KEYSPACES.batchQuestions, owner: KEYSPACES.batches },
  { what: 'answers without batch', space: KEYSPACES.batchAnswers, owner: KEYSPACES.batches },
]

/** Records that one transaction removes. */
const BATCH = 500
const PIECE_BYTES = 1024 * 1024

/**
 * Finds packages that no cell names, and records whose owner is gone; removes them unless it is a dry run. What has just come to be is told from
 * garbage by a transaction that looks again.
 */
export async function collectGarbage(parts: GarbageParts, dryRun: boolean): Promise<GarbageReport> {
  const found = [await orphanedPackages(parts, dryRun)]
  for (const kind of OWNED) found.push(await ownerless(parts, kind, dryRun))
  const kinds = found.filter(({ count }) => count > 0)
  return {
    dry_run: dryRun,
    found: kinds,
    count: kinds.reduce((sum, { count }) => sum + count, 0),
    bytes: kinds.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

type Found = GarbageReport['found'][number]

async function orphanedPackages({ blobs, isPackageNamed, signal }: GarbageParts, dryRun: boolean): Promise<Found> {
  let [count, bytes] = [0, 0]
  for await (const digest of blobs.digests()) {
    signal.throwIfAborted()
    if (isPackageNamed(digest)) continue
    count++
    bytes += await sizeOf(blobs, digest)
    if (!dryRun) blobs.removeUnless(digest, isPackageNamed)
  }
  return { what: 'packages without cell', count, bytes }
}

async function sizeOf(blobs: GarbageParts['blobs'], digest: string): Promise<number> {
  const reader = await blobs.open(digest)
  if (reader === undefined) return 0
  try {
    const buffer = Buffer.allocUnsafe(PIECE_BYTES)
    let size = 0
    for (;;) {
      const { bytesRead } = await reader.read(buffer, buffer.length, size)
      if (bytesRead === 0) return size
      size += bytesRead
    }
  } finally {
    await reader.close()
  }
}

async function ownerless(
  { store, signal }: GarbageParts,
  { what, space, owner }: (typeof OWNED)[number],
  dryRun: boolean,
): Promise<Found> {
  const records = textKeyspace(space)
  const owners = textKeyspace(owner)
  const ownerOf = (key: string): string => key.split('!', 1)[0]!
  let [count, bytes] = [0, 0]
  const remove = async (keys: readonly string[]): Promise<void> => {
    const gone = await store.transact((tx) => {
      const garbage = keys.flatMap((key) => {
        const value = tx.get(records, key)
        return value === undefined || tx.get(owners, ownerOf(key)) !== undefined ? [] : [{ key, size: value.length }]
      })
      if (!dryRun) for (const { key } of garbage) tx.delete(records, key)
      return garbage
    })
    count += gone.length
    for (const { size } of gone) bytes += size
  }
  let suspects: string[] = []
  for await (const key of store.keys(records)) {
    signal.throwIfAborted()
    if (store.get(owners, ownerOf(key)) !== undefined) continue
    suspects.push(key)
    if (suspects.length < BATCH) continue
    await remove(suspects)
    suspects = []
  }
  if (suspects.length > 0) await remove(suspects)
  return { what, count, bytes }
}
