import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { SnapshotHead } from '../../../protocol/upkeep.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import { errorMessage, hasCode, StartError } from '../../kernel/base/errors.ts'
import { makeDirectory } from '../../kernel/base/make-directory.ts'
import { syncDirectory, writeFileDurably } from '../../kernel/storage/durable-files.ts'
import { KEYSPACES, keyspaceOf } from '../../kernel/storage/keyspaces.ts'
import {
  BACKUP_FILE,
  type BackupManifest,
  BackupOwner,
  backupIds,
  copyVerified,
  digestOfFile,
  isRunningBackup,
  KEYS_FILE,
  MANIFEST_FILE,
  PACKAGES_FILE,
  packagePath,
  readBackupJson,
  STORE_FILE,
  UNFINISHED,
  WrongDigest,
  writeNewFile,
} from './backup-files.ts'
import { readSnapshot } from './read-snapshot.ts'
import type { SealedKeys } from './sealed-keys.ts'

/** What a backup is made of: a node that runs, or the data of one that does not. */
export interface BackupSource {
  /** A snapshot of the store, as lines. */
  snapshot(signal: AbortSignal): AsyncIterable<Uint8Array>
  /** A package that is here (digest in hexadecimal); undefined when it is not. */
  package(digest: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>
}

export interface BackupOptions {
  readonly folder: string
  readonly signal: AbortSignal
  /** Sealed keys; undefined for a backup without. */
  readonly keys?: SealedKeys | undefined
  /** Read all packages of earlier backups again. */
  readonly verify?: boolean
  readonly onProgress?: (done: number, total: number) => void
}

export interface BackupDone {
  readonly manifest: BackupManifest
  /** Packages that earlier backups had not, and their bytes. */
  readonly copied: number
  readonly copiedBytes: number
}

/**
 * Snapshots that are taken because packages went away while they were copied. Each one names only what was there when it was taken, and what
 * is there has to be copied once; so more than two are needed only while packages go as fast as they are copied.
 */
const MAX_SNAPSHOTS = 5

/**
 * Makes a backup beside those that are there; packages that one of them has are not copied again. Whole and durable when it resolves; one that
 * was interrupted leaves nothing but packages, which the next one uses. Throws `StartError` for a folder with something else in it.
 */
export async function writeBackup(source: BackupSource, options: BackupOptions): Promise<BackupDone> {
  const { folder, signal, keys } = options
  await checkFolder(folder)
  const snapshots = join(folder, 'snapshots')
  await mkdir(snapshots, { recursive: true, mode: 0o700 })
  await removeInterrupted(snapshots)
  const unfinished = join(snapshots, `${UNFINISHED}${process.pid}`)
  let copied = 0
  let copiedBytes = 0
  let lost = new Set<string>()
  try {
    for (let round = 1; ; round++) {
      await rm(unfinished, { recursive: true, force: true })
      await mkdir(unfinished, { mode: 0o700 })
      const taken = await takeSnapshot(source, unfinished, folder, signal)
      const { done, bytes, gone } = await copyPackages(source, taken.packages, options)
      copied += done
      copiedBytes += bytes
      // What two snapshots name and the node has not is lost there; what only the first named went away meanwhile.
      const isSettled = gone.every((digest) => lost.has(digest))
      lost = new Set(gone)
      if (!isSettled) {
        if (round < MAX_SNAPSHOTS) continue
        throw new Error(`packages went away as fast as they were copied: try again when the node has less to do`)
      }
      checkKeys(taken.head, keys)
      const files = { ...taken.files }
      if (keys !== undefined) {
        files[KEYS_FILE] = await writeNewFile(join(unfinished, KEYS_FILE), Readable.from([keys.bytes]))
      }
      const { head } = taken
      const id = await freeId(folder, head.at)
      const manifest: BackupManifest = {
        format: 1,
        id,
        network: head.network,
        provider_id: head.provider_id,
        software_version: head.software_version,
        schema_version: head.schema_version,
        at: head.at,
        log: head.log,
        entries: taken.entries,
        packages: taken.packages.size,
        lost: [...lost],
        files,
      }
      await writeFileDurably(join(unfinished, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`, 0o600)
      await rename(unfinished, join(snapshots, id))
      await syncDirectory(snapshots)
      return { manifest, copied, copiedBytes }
    }
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

/** The keys of this machine may be those of another node than the one that was asked. */
function checkKeys({ provider_id: provider }: SnapshotHead, keys: SealedKeys | undefined): void {
  if (keys === undefined || keys.providerId === provider) return
  throw new StartError(
    `${keys.directory} holds the keys of ${keys.providerId}, the backup is of ${provider}: name its own --key-dir`,
  )
}

async function checkFolder(folder: string): Promise<void> {
  let entries: string[] = []
  try {
    entries = await readdir(folder)
  } catch (error) {
    if (hasCode(error, 'ENOTDIR')) throw new StartError(`${folder} is a file, not a folder: name another one`)
    if (!hasCode(error, 'ENOENT')) throw error
    try {
      makeDirectory(folder)
    } catch (cause) {
      throw new StartError(`${folder} cannot be made: ${errorMessage(cause)}`, { cause })
    }
  }
  // One that was interrupted at the very beginning has no such file yet.
  const isOurs = entries.includes(BACKUP_FILE) || entries.every((name) => name === 'snapshots' || name === 'packages')
  if (!isOurs) {
    throw new StartError(`${folder} holds other things than backups (no ${BACKUP_FILE}): name an empty or a new folder`)
  }
}

/** What processes that are gone have left. */
async function removeInterrupted(snapshots: string): Promise<void> {
  for (const name of await readdir(snapshots)) {
    if (name.startsWith(UNFINISHED) && !isRunningBackup(name))
      await rm(join(snapshots, name), { recursive: true, force: true })
  }
}

/** The first backup of a folder says whose all of them are. Throws `StartError` for another node's. */
async function claimFolder(folder: string, { network, provider_id }: SnapshotHead): Promise<void> {
  const path = join(folder, BACKUP_FILE)
  if (!existsSync(path)) {
    await writeFileDurably(
      path,
      `${JSON.stringify({ format: 1, network, provider_id } satisfies BackupOwner)}\n`,
      0o600,
    )
    return
  }
  const owner = await readBackupJson(path, BackupOwner)
  if (owner.provider_id !== provider_id || owner.network !== network) {
    throw new StartError(
      `${folder} holds backups of ${owner.provider_id}, this node is ${provider_id}: name another folder`,
    )
  }
}

interface Taken {
  readonly head: SnapshotHead
  readonly entries: number
  /** Digest → bytes. */
  readonly packages: ReadonlyMap<string, number>
  readonly files: BackupManifest['files']
}

async function takeSnapshot(source: BackupSource, into: string, folder: string, signal: AbortSignal): Promise<Taken> {
  const packages = new Map<string, number>()
  let entries = 0
  let head: SnapshotHead | undefined
  let claimed: Promise<void> | undefined
  const gzip = createGzip({ level: 5 })
  // The lines are checked while they pass; what is written is what came.
  async function* passing(): AsyncGenerator<Uint8Array> {
    const passed: Uint8Array[] = []
    async function* teed(): AsyncGenerator<Uint8Array> {
      for await (const piece of source.snapshot(signal)) {
        passed.push(piece)
        yield piece
      }
    }
    for await (const [key, value] of readSnapshot(teed(), (found) => {
      head = found
      claimed = claimFolder(folder, found)
      claimed.catch(() => undefined)
    })) {
      entries++
      const at = keyspaceOf(key)
      if (at?.number === KEYSPACES.packages) packages.set(at.key, (JSON.parse(value) as { size: number }).size)
      if (passed.length > 1) yield* passed.splice(0, passed.length - 1)
    }
    yield* passed
  }
  const [store] = await Promise.all([
    writeNewFile(join(into, STORE_FILE), gzip),
    pipeline(Readable.from(passing(), { objectMode: true }), gzip, { signal }),
  ])
  await claimed
  if (head === undefined) throw new Error('the snapshot is empty')
  const list = Array.from(packages, ([digest, size]) => `${digest} ${size}\n`).join('')
  const listed = await writeNewFile(join(into, PACKAGES_FILE), Readable.from([utf8(list)]))
  return { head, entries, packages, files: { [STORE_FILE]: store, [PACKAGES_FILE]: listed } }
}

async function copyPackages(
  source: BackupSource,
  packages: ReadonlyMap<string, number>,
  { folder, signal, verify = false, onProgress }: BackupOptions,
): Promise<{ done: number; bytes: number; gone: string[] }> {
  const gone: string[] = []
  let done = 0
  let bytes = 0
  let seen = 0
  for (const [digest, size] of packages) {
    signal.throwIfAborted()
    onProgress?.(seen++, packages.size)
    const path = packagePath(folder, digest)
    if (await isThere(path, digest, size, verify)) continue
    const pieces = await source.package(digest, signal)
    if (pieces === undefined) {
      gone.push(digest)
      continue
    }
    try {
      bytes += await copyVerified(path, digest, pieces)
      done++
    } catch (error) {
      if (!(error instanceof WrongDigest)) throw error
      gone.push(digest)
    }
  }
  return { done, bytes, gone }
}

async function isThere(path: string, digest: string, size: number, verify: boolean): Promise<boolean> {
  try {
    if ((await stat(path)).size !== size) return false
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
  return !verify || (await digestOfFile(path)) === digest
}

/** Two backups of one second get different ids. */
async function freeId(folder: string, at: string): Promise<string> {
  const base = `${at.replaceAll(/[-:]/g, '').slice(0, 15)}Z`
  const ids = new Set(await backupIds(folder))
  let id = base
  for (let number = 2; ids.has(id); number++) id = `${base}-${number}`
  return id
}
