import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from '../../kernel/base/errors.ts'
import { syncDirectory } from '../../kernel/storage/durable-files.ts'
import {
  BackupManifest,
  backupIds,
  isRunningBackup,
  listedPackages,
  MANIFEST_FILE,
  readBackupJson,
  UNFINISHED,
} from './backup-files.ts'

/** What was removed. */
export interface Pruned {
  /** Ids, oldest first. */
  readonly backups: readonly string[]
  readonly packages: number
  readonly bytes: number
}

/**
 * Removes all but the newest backups of a folder, and the packages that none of the others lists. Packages stay while another process makes a
 * backup there, which may count on them. Throws `StartError`, before anything is removed, when one of those that stay cannot be read.
 */
export async function pruneBackups(folder: string, keep: number): Promise<Pruned> {
  const snapshots = join(folder, 'snapshots')
  const ids = await backupIds(folder)
  const kept = ids.slice(-keep)
  const removed = ids.slice(0, -keep)
  const needed = await packagesOf(snapshots, kept)
  for (const id of removed) {
    // First it is no backup any more, then it is gone.
    const leaving = join(snapshots, `${UNFINISHED}${process.pid}`)
    await rename(join(snapshots, id), leaving)
    await syncDirectory(snapshots)
    await rm(leaving, { recursive: true })
  }
  const names = await readdir(snapshots)
  if (names.some((name) => isRunningBackup(name))) return { backups: removed, packages: 0, bytes: 0 }
  return { backups: removed, ...(await removeOthers(join(folder, 'packages'), needed)) }
}

async function packagesOf(snapshots: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const needed = new Set<string>()
  for (const id of ids) {
    const at = join(snapshots, id)
    const manifest = await readBackupJson(join(at, MANIFEST_FILE), BackupManifest)
    for await (const digest of listedPackages(at, manifest)) needed.add(digest)
  }
  return needed
}

async function removeOthers(packages: string, needed: ReadonlySet<string>): Promise<Omit<Pruned, 'backups'>> {
  let count = 0
  let bytes = 0
  for (const shard of await shardsOf(packages)) {
    for (const name of await readdir(join(packages, shard))) {
      if (needed.has(name)) continue
      const path = join(packages, shard, name)
      bytes += (await stat(path)).size
      count++
      await rm(path)
    }
  }
  return { packages: count, bytes }
}

async function shardsOf(packages: string): Promise<string[]> {
  try {
    return await readdir(packages)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}
